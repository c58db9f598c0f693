/** Add, Sub, Mul, Div with a constant; Add and Sub of two branches; BatchNormalization. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import {
  broadcastIndices,
  broadcastShapes,
  formatShape,
  sameShape,
  sizeOf,
  type Shape,
} from '../../tensor.js';
import type { Weights } from '../graph.js';
import { constant, type Constant, type DataValue, type FloatConstant, type Value } from '../value.js';
import { gather, zeros } from './linear.js';
import { dataInput, input, requireBatchAxis, weightInput, type Call, type Operator } from './operator.js';

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div';

function arithmetic(op: Arithmetic): Operator {
  return {
    inputs: [2, 2],
    attributes: [],
    lower(call) {
      const [a, b] = [input(call, 0), input(call, 1)];
      if (a.kind === 'constant' && b.kind === 'constant') return fold(call, op, a, b);
      const shape = broadcastShapes(a.shape, b.shape, call.where);
      requireBatchAxis(call, (a.kind === 'data' ? a : b).shape.length === shape.length && shape[0] === 1);
      if (a.kind === 'data' && b.kind === 'data') return ofBranches(call, op, a, b, shape);
      const [index, data] = a.kind === 'data' ? [1, a] : [0, dataInput(call, 1)];
      const c = weightInput(call, index, 'the constant', data.type);
      const x = expand(call, data, shape);
      call.builder.spend(2 * sizeOf(shape), call.where);
      const entries = gather(c.data, broadcastIndices(c.shape, shape));
      const { scale, shift } = coefficients(call, op, entries, index === 0, x);
      return append(call, x, scale, shift);
    },
  };
}

/** Scale and shift of `x op c`, or of `c op x` when the constant is on the left. */
function coefficients(
  call: Call,
  op: Arithmetic,
  c: Weights,
  constantLeft: boolean,
  x: DataValue,
): { scale: Weights; shift: Weights } {
  const filled = (value: number) => zeros(c.length, x).fill(value);
  switch (op) {
    case 'Add':
      return { scale: filled(1), shift: c };
    case 'Sub':
      return constantLeft
        ? { scale: filled(-1), shift: c }
        : { scale: filled(1), shift: c.map((value) => -value) };
    case 'Mul':
      return { scale: c, shift: filled(0) };
    case 'Div': {
      if (constantLeft)
        throw new UnsupportedError(`${call.where}: a constant divided by data is not piecewise linear`);
      const zero = c.indexOf(0);
      if (zero >= 0) throw new ModelError(`${call.where}: divides by zero (feature ${zero})`);
      return { scale: Float64Array.from(c, (value) => 1 / value), shift: filled(0) };
    }
  }
}

function ofBranches(call: Call, op: Arithmetic, a: DataValue, b: DataValue, shape: Shape): Value {
  if (op === 'Mul' || op === 'Div') {
    throw new UnsupportedError(
      `${call.where}: ${op} of two branches is not piecewise linear; one side must be constant`,
    );
  }
  const size = sizeOf(shape);
  const [x, y] = [expand(call, a, shape), expand(call, b, shape)];
  if (op === 'Add' && x.node === y.node) return append(call, x, zeros(size, x).fill(2), zeros(size, x));
  const right = op === 'Sub' ? append(call, y, zeros(size, y).fill(-1), zeros(size, y)) : y;
  const node = {
    op: 'add',
    name: call.name,
    shape: call.builder.shapeOf(x),
    inputs: [x.node, right.node],
  } as const;
  return call.builder.append(node, shape);
}

function append(call: Call, x: DataValue, scale: Weights, shift: Weights): DataValue {
  const node = {
    op: 'scale',
    name: call.name,
    shape: call.builder.shapeOf(x),
    input: x.node,
    scale,
    shift,
  } as const;
  return call.builder.append(node, x.shape);
}

/** Data repeated along broadcast axes, as a linear node of zeros and ones; free when nothing repeats. */
function expand(call: Call, x: DataValue, shape: Shape): DataValue {
  const { builder, name, where } = call;
  const [from, to] = [sizeOf(x.shape), sizeOf(shape)];
  if (from === to) return builder.view(x, shape, name);
  builder.spend(from * to, where);
  const source = broadcastIndices(x.shape, shape);
  const weight = zeros(from * to, x);
  source.forEach((column, row) => (weight[row * from + column] = 1));
  const vector = builder.vector(x, name);
  const bias = zeros(to, x);
  return builder.append({ op: 'linear', name, shape: [to], input: vector.node, weight, bias }, shape);
}

const operations: Record<Arithmetic, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

function fold(call: Call, op: Arithmetic, a: Constant, b: Constant): Constant {
  if (a.type !== b.type) throw new ModelError(`${call.where}: its inputs are ${a.type} and ${b.type}`);
  const shape = broadcastShapes(a.shape, b.shape, call.where);
  call.builder.spend(sizeOf(shape), call.where);
  const [ia, ib] = [broadcastIndices(a.shape, shape), broadcastIndices(b.shape, shape)];
  const data = Float64Array.from(ia, (index, i) => operations[op](a.data[index], b.data[ib[i]]));
  if (!data.every(Number.isFinite)) throw new ModelError(`${call.where}: its constants give NaN or Infinity`);
  // Integer division drops the fraction.
  return constant(a.type, shape, a.type === 'integer' ? data.map(Math.trunc) : data);
}

/** Inference form `gamma (x - mean) / sqrt(variance + epsilon) + beta`, as scale and shift in double. */
const batchNormalization: Operator = {
  inputs: [5, 5],
  attributes: ['epsilon', 'momentum', 'spatial', 'training_mode'],
  lower(call) {
    const { attributes, builder, where } = call;
    const x = dataInput(call, 0);
    if (attributes.integer('training_mode', 0) !== 0)
      throw new UnsupportedError(`${where}: training_mode = 1`);
    if (attributes.integer('spatial', 1) !== 1)
      throw new UnsupportedError(`${where}: spatial = 0 is not supported`);
    const channels = x.shape[1] ?? 0;
    const [gamma, beta, mean, variance] = ['scale', 'B', 'mean', 'var'].map((what, i) => {
      const values: FloatConstant = weightInput(call, i + 1, what, x.type);
      if (!sameShape(values.shape, [channels])) {
        const given = `${what} has shape ${formatShape(values.shape)}`;
        throw new ShapeError(
          `${where}: ${given}, the data of shape ${formatShape(x.shape)} needs ${formatShape([channels])}`,
        );
      }
      return values.data;
    });
    const epsilon = attributes.float('epsilon', 1e-5);
    const size = sizeOf(x.shape);
    builder.spend(2 * size, where);
    const perChannel = size / (x.shape[0] * channels);
    const scale = new Float64Array(size);
    const shift = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      const c = Math.floor(i / perChannel) % channels;
      if (!(variance[c] + epsilon > 0)) {
        throw new ModelError(
          `${where}: variance + epsilon is ${variance[c] + epsilon} in channel ${c}, expected above 0`,
        );
      }
      scale[i] = gamma[c] / Math.sqrt(variance[c] + epsilon);
      shift[i] = beta[c] - mean[c] * scale[i];
    }
    return append(call, x, scale, shift);
  },
};

export const elementwiseOperators = {
  Add: arithmetic('Add'),
  Sub: arithmetic('Sub'),
  Mul: arithmetic('Mul'),
  Div: arithmetic('Div'),
  BatchNormalization: batchNormalization,
};
