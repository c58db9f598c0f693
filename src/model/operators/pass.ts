/** Relu, and operators that hand their input on: Identity, Dropout at inference, Cast to the same type. */
import { ModelError, UnsupportedError } from '../../errors.js';
import { constantType, elementTypeName } from '../onnx-tensor.js';
import { constant } from '../value.js';
import { constantInput, dataInput, input, type Operator } from './operator.js';

const relu: Operator = {
  inputs: [1, 1],
  attributes: [],
  lower(call) {
    const x = dataInput(call, 0);
    const { builder, name } = call;
    return builder.append({ op: 'relu', name, shape: builder.shapeOf(x), input: x.node }, x.shape);
  },
};

const identity: Operator = { inputs: [1, 1], attributes: [], lower: (call) => input(call, 0) };

const dropout: Operator = {
  inputs: [1, 3],
  attributes: ['ratio', 'seed'],
  lower(call) {
    // Only training mode drops anything; it is off unless the third input says otherwise.
    if (call.inputs[2] && constantInput(call, 2, 'training_mode').data.some((flag) => flag !== 0)) {
      throw new UnsupportedError(`${call.where}: training_mode is on; only inference is supported`);
    }
    return input(call, 0);
  },
};

const cast: Operator = {
  inputs: [1, 1],
  attributes: ['to', 'saturate', 'round_mode'],
  lower(call) {
    const x = input(call, 0);
    const code = call.attributes.integer('to', 0);
    const type = constantType(code);
    if (type === x.type && type !== 'integer') return x;
    if (!type || x.kind === 'data') {
      throw new UnsupportedError(
        `${call.where}: cast from ${x.type} to ${elementTypeName(code)} is not supported`,
      );
    }
    call.builder.use(x, call.where);
    const data = type === 'integer' ? x.data.map((value) => Math.trunc(value)) : x.data;
    const result = constant(type, x.shape, data);
    if (!result.data.every((value) => Number.isFinite(value)))
      throw new ModelError(`${call.where}: a constant overflows ${type}`);
    return result;
  },
};

export const passOperators = { Relu: relu, Identity: identity, Dropout: dropout, Cast: cast };
