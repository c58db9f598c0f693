/** Constants and the small integer arithmetic with which exporters compute shapes. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import { formatShape, sizeOf } from '../../tensor.js';
import { readTensor } from '../onnx-tensor.js';
import { constant, type Constant } from '../value.js';
import { constantInput, input, integersInput, normalizeAxis, type Call, type Operator } from './operator.js';

/** All value forms but strings and sparse tensors. */
const constantOperator: Operator = {
  inputs: [0, 0],
  attributes: ['value', 'value_float', 'value_floats', 'value_int', 'value_ints'],
  lower({ attributes, where }) {
    const tensor = attributes.tensor('value');
    if (tensor) return readTensor(tensor, `the value of ${where}`);
    const [floats, integers] = [attributes.floats('value_floats'), attributes.integers('value_ints')];
    if (floats) return constant('float32', [floats.length], floats);
    if (integers) return constant('integer', [integers.length], integers);
    if (attributes.has('value_float')) return constant('float32', [], [attributes.float('value_float', 0)]);
    if (attributes.has('value_int')) return constant('integer', [], [attributes.integer('value_int', 0)]);
    throw new ModelError(`${where}: has no value`);
  },
};

const constantOfShape: Operator = {
  inputs: [1, 1],
  attributes: ['value'],
  lower(call) {
    const { attributes, builder, where } = call;
    const shape = integersInput(call, 0, 'the shape') ?? [];
    const tensor = attributes.tensor('value');
    const value = tensor ? readTensor(tensor, `the value of ${where}`) : constant('float32', [1], [0]);
    if (value.data.length !== 1)
      throw new ShapeError(`${where}: its value has shape ${formatShape(value.shape)}, expected [1]`);
    if (shape.some((dim) => dim < 0)) throw new ShapeError(`${where}: negative shape ${formatShape(shape)}`);
    builder.spend(sizeOf(shape), where);
    return constant(value.type, shape, new Float64Array(sizeOf(shape)).fill(value.data[0]));
  },
};

const shapeOperator: Operator = {
  inputs: [1, 1],
  attributes: ['start', 'end'],
  lower(call) {
    const x = input(call, 0);
    const own = x.kind === 'data' && call.fixedBatch > 1 ? [call.fixedBatch, ...x.shape.slice(1)] : x.shape;
    const shape = own.slice(call.attributes.integer('start', 0), call.attributes.integer('end', own.length));
    return constant('integer', [shape.length], shape);
  },
};

const gatherOperator: Operator = {
  inputs: [2, 2],
  attributes: ['axis'],
  lower(call) {
    const list = vectorInput(call, 0);
    normalizeAxis(call, call.attributes.integer('axis', 0), 1);
    const indices = constantInput(call, 1, 'the indices');
    call.builder.spend(indices.data.length, call.where);
    const picked = Float64Array.from(
      indices.data,
      (index) => list.data[normalizeAxis(call, index, list.data.length)],
    );
    return constant(list.type, indices.shape, picked);
  },
};

const slice: Operator = {
  inputs: [3, 5],
  attributes: [],
  lower(call) {
    const list = vectorInput(call, 0);
    const size = list.data.length;
    const [start, end] = [integersInput(call, 1, 'starts') ?? [], integersInput(call, 2, 'ends') ?? []];
    for (const axis of integersInput(call, 3, 'axes') ?? []) normalizeAxis(call, axis, 1);
    const steps = integersInput(call, 4, 'steps') ?? [1];
    if (start.length !== 1 || end.length !== 1 || steps.length !== 1 || steps[0] !== 1) {
      throw new UnsupportedError(`${call.where}: only one range with step 1 of a constant list is supported`);
    }
    const data = list.data.slice(Math.max(start[0], -size), end[0]);
    call.builder.spend(data.length, call.where);
    return constant(list.type, [data.length], data);
  },
};

const concat: Operator = {
  inputs: [1, Infinity],
  attributes: ['axis'],
  lower(call) {
    normalizeAxis(call, call.attributes.integer('axis', 0), 1);
    const lists = call.inputs.map((_, index) => vectorInput(call, index));
    const { type } = lists[0];
    if (lists.some((list) => list.type !== type))
      throw new ModelError(`${call.where}: its inputs differ in type`);
    const size = lists.reduce((sum, list) => sum + list.data.length, 0);
    call.builder.spend(size, call.where);
    const data = new Float64Array(size);
    let place = 0;
    for (const list of lists) {
      data.set(list.data, place);
      place += list.data.length;
    }
    return constant(type, [size], data);
  },
};

function vectorInput(call: Call, index: number): Constant {
  const value = constantInput(call, index, 'the list');
  if (value.shape.length === 1) return value;
  throw new UnsupportedError(
    `${call.where}: input ${index} has shape ${formatShape(value.shape)}; only constant lists are supported`,
  );
}

export const constantOperators = {
  Constant: constantOperator,
  ConstantOfShape: constantOfShape,
  Shape: shapeOperator,
  Gather: gatherOperator,
  Slice: slice,
  Concat: concat,
};
