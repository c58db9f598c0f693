/** Conv in one and two dimensions; a signal `[N, C, L]` is a map of height 1. */
import { ShapeError } from '../../errors.js';
import { formatShape, sameShape, sizeOf } from '../../tensor.js';
import { zeros } from './linear.js';
import { dataInput, weightInput, type Operator } from './operator.js';
import { geometry, requireMap, windows } from './windows.js';

const conv: Operator = {
  inputs: [2, 3],
  attributes: ['auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides'],
  lower(call) {
    const { attributes, builder, name, where } = call;
    const x = dataInput(call, 0);
    const w = weightInput(call, 1, 'the kernel', x.type);
    requireMap(call, x);
    const rank = x.shape.length;
    const group = attributes.integer('group', 1);
    const out = w.shape[0];
    const fits =
      w.shape.length === rank && group >= 1 && w.shape[1] * group === x.shape[1] && out % group === 0;
    if (!fits || sizeOf(w.shape) === 0) {
      const given = `kernel ${formatShape(w.shape)} in ${group} group(s)`;
      throw new ShapeError(`${where}: ${given} does not fit data of shape ${formatShape(x.shape)}`);
    }
    const spatial = windows(call, x, w.shape.slice(2));
    const bias = call.inputs[2] ? weightInput(call, 2, 'the bias', x.type) : undefined;
    if (bias && !sameShape(bias.shape, [out])) {
      throw new ShapeError(
        `${where}: bias has shape ${formatShape(bias.shape)}, expected ${formatShape([out])}`,
      );
    }
    return builder.append(
      {
        op: 'conv',
        name,
        input: x.node,
        weight: w.data,
        bias: bias?.data ?? zeros(out, x),
        ...geometry(out, spatial),
        group,
      },
      [1, out, ...spatial.map((axis) => axis.out)],
    );
  },
};

export const convOperators = { Conv: conv };
