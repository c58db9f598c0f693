/** Conv in one and two dimensions; a signal `[N, C, L]` is a map of height 1. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import { formatShape, sameShape, sizeOf } from '../../tensor.js';
import { zeros } from './linear.js';
import { dataInput, weightInput, type Call, type Operator } from './operator.js';

const conv: Operator = {
  inputs: [2, 3],
  attributes: ['auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides'],
  lower(call) {
    const { attributes, builder, name, where } = call;
    const x = dataInput(call, 0);
    const w = weightInput(call, 1, 'the kernel', x.type);
    const rank = x.shape.length;
    if (rank !== 3 && rank !== 4) {
      throw new UnsupportedError(
        `${where}: data of shape ${formatShape(x.shape)}; supported: [N, C, L] and [N, C, H, W]`,
      );
    }
    if (x.shape[0] !== 1)
      throw new ShapeError(`${where}: shape ${formatShape(x.shape)} holds several images`);
    const group = attributes.integer('group', 1);
    const out = w.shape[0];
    const fits =
      w.shape.length === rank && group >= 1 && w.shape[1] * group === x.shape[1] && out % group === 0;
    if (!fits || sizeOf(w.shape) === 0) {
      const given = `kernel ${formatShape(w.shape)} in ${group} group(s)`;
      throw new ShapeError(`${where}: ${given} does not fit data of shape ${formatShape(x.shape)}`);
    }
    const spatial = windows(call, x.shape.slice(2), w.shape.slice(2));
    const bias = call.inputs[2] ? weightInput(call, 2, 'the bias', x.type) : undefined;
    if (bias && !sameShape(bias.shape, [out])) {
      throw new ShapeError(
        `${where}: bias has shape ${formatShape(bias.shape)}, expected ${formatShape([out])}`,
      );
    }
    const size = spatial.map((axis) => axis.out);
    if (size.some((dim) => dim < 1)) {
      throw new ShapeError(
        `${where}: kernel ${formatShape(w.shape)} is larger than the padded data of shape ${formatShape(x.shape)}`,
      );
    }
    const [vertical, horizontal] = rank === 3 ? [FLAT, spatial[0]] : spatial;
    return builder.append(
      {
        op: 'conv',
        name,
        shape: [out, vertical.out, horizontal.out],
        input: x.node,
        weight: w.data,
        bias: bias?.data ?? zeros(out, x),
        kernel: [vertical.kernel, horizontal.kernel],
        strides: [vertical.stride, horizontal.stride],
        pads: [vertical.before, horizontal.before, vertical.after, horizontal.after],
        dilations: [vertical.dilation, horizontal.dilation],
        group,
      },
      [1, out, ...size],
    );
  },
};

/** How the kernel slides along one axis, and the size of the output there. */
interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  readonly out: number;
}

const FLAT: Window = { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, out: 1 };

function windows(call: Call, size: readonly number[], kernel: readonly number[]): Window[] {
  const { attributes, where } = call;
  const declared = attributes.integers('kernel_shape') ?? kernel;
  if (!sameShape(declared, kernel)) {
    throw new ShapeError(
      `${where}: kernel_shape ${formatShape(declared)} differs from the kernel's ${formatShape(kernel)}`,
    );
  }
  const list = (name: string, count: number, least: number, fallback: number) => {
    const values = attributes.integers(name) ?? new Array<number>(count).fill(fallback);
    if (values.length !== count || values.some((value) => value < least)) {
      throw new ModelError(
        `${where}: ${name} ${formatShape(values)}; expected ${count} integers of at least ${least}`,
      );
    }
    return values;
  };
  const axes = size.length;
  const strides = list('strides', axes, 1, 1);
  const dilations = list('dilations', axes, 1, 1);
  const pads = list('pads', 2 * axes, 0, 0);
  const mode = attributes.string('auto_pad', 'NOTSET');
  if (mode !== 'NOTSET' && pads.some((pad) => pad !== 0)) {
    throw new ModelError(`${where}: has both pads ${formatShape(pads)} and auto_pad ${mode}`);
  }
  return size.map((extent, axis) => {
    const reach = (kernel[axis] - 1) * dilations[axis] + 1;
    const [before, after] =
      mode === 'NOTSET'
        ? [pads[axis], pads[axis + axes]]
        : automaticPads(call, mode, extent, reach, strides[axis]);
    return {
      kernel: kernel[axis],
      stride: strides[axis],
      dilation: dilations[axis],
      before,
      after,
      out: Math.floor((extent + before + after - reach) / strides[axis]) + 1,
    };
  });
}

/** `auto_pad`: SAME makes the output `ceil(extent / stride)` long, with the odd zero at the named end. */
function automaticPads(
  call: Call,
  mode: string,
  extent: number,
  reach: number,
  stride: number,
): [number, number] {
  if (mode === 'VALID') return [0, 0];
  if (mode !== 'SAME_UPPER' && mode !== 'SAME_LOWER') {
    throw new UnsupportedError(
      `${call.where}: auto_pad '${mode}'; supported: NOTSET, SAME_UPPER, SAME_LOWER, VALID`,
    );
  }
  const total = Math.max(0, (Math.ceil(extent / stride) - 1) * stride + reach - extent);
  const small = Math.floor(total / 2);
  return mode === 'SAME_UPPER' ? [small, total - small] : [total - small, small];
}

export const convOperators = { Conv: conv };
