/** Gemm and MatMul with a constant. */
import { ShapeError, UnsupportedError } from '../../errors.js';
import {
  broadcastIndices,
  broadcastShapes,
  formatShape,
  sameShape,
  sizeOf,
  stridedIndices,
} from '../../tensor.js';
import type { Weights } from '../graph.js';
import type { DataValue, FloatConstant, Value } from '../value.js';
import { dataInput, input, requireBatchAxis, weightInput, type Call, type Operator } from './operator.js';

/** `alpha A B + beta C` with A the data; the constants are multiplied in double, where the product is exact. */
const gemm: Operator = {
  inputs: [2, 3],
  attributes: ['alpha', 'beta', 'transA', 'transB'],
  lower(call) {
    const { attributes, where } = call;
    const a = dataInput(call, 0);
    const b = weightInput(call, 1, 'B', a.type);
    if (attributes.integer('transA', 0) !== 0)
      throw new UnsupportedError(`${where}: transA = 1 is not supported`);
    if (a.shape.length !== 2 || b.shape.length !== 2) {
      throw new ShapeError(
        `${where}: A ${formatShape(a.shape)} and B ${formatShape(b.shape)} must be matrices`,
      );
    }
    const transposed = attributes.integer('transB', 0) !== 0;
    const [out, inner] = transposed ? b.shape : [b.shape[1], b.shape[0]];
    if (inner !== a.shape[1]) {
      const given = `A ${formatShape(a.shape)} and B ${formatShape(b.shape)}${transposed ? ' (transposed)' : ''}`;
      throw new ShapeError(`${where}: ${given} do not multiply`);
    }
    const weight = scaled(transposed ? b.data : transpose(b.data, inner, out), attributes.float('alpha', 1));
    const c = call.inputs[2] ? weightInput(call, 2, 'C', a.type) : undefined;
    const bias = c ? scaled(spread(call, c, out), attributes.float('beta', 1)) : zeros(out, a);
    return contract(call, a, [a.shape[0], inner, 1], weight, bias, [a.shape[0], out]);
  },
};

/** Gemm's C as one entry per output; a C that differs between rows is refused. */
function spread(call: Call, c: FloatConstant, size: number): Weights {
  const target = [1, size];
  if (!sameShape(broadcastShapes(c.shape, target, call.where), target)) {
    throw new ShapeError(
      `${call.where}: C ${formatShape(c.shape)} does not broadcast to ${formatShape(target)}`,
    );
  }
  call.builder.spend(size, call.where);
  return gather(c.data, broadcastIndices(c.shape, target));
}

/** numpy's matmul with one constant side; a stack of matrices is allowed on the data side only. */
const matmul: Operator = {
  inputs: [2, 2],
  attributes: [],
  lower(call) {
    const left = input(call, 0);
    if (left.kind === 'data')
      return timesConstant(call, left, weightInput(call, 1, 'the right factor', left.type));
    const right = dataInput(call, 1);
    return constantTimes(call, weightInput(call, 0, 'the left factor', right.type), right);
  },
};

function timesConstant(call: Call, x: DataValue, w: FloatConstant): Value {
  const { core, lead } = split(call, w);
  const inner = x.shape.at(-1) ?? 0;
  const out = core.length === 2 ? core[1] : 1;
  requireFit(call, x.shape, w.shape, x.shape.length >= 1 && core.length >= 1 && core[0] === inner);
  requireBatchAxis(call, x.shape.length >= 2);
  const rows = sizeOf(x.shape.slice(0, -1));
  const shape = prepend(lead, x, [...x.shape.slice(0, -1), ...(core.length === 2 ? [out] : [])]);
  requireBatchAxis(call, shape.length <= x.shape.length);
  return contract(call, x, [rows, inner, 1], transpose(w.data, inner, out), zeros(out, x), shape);
}

function constantTimes(call: Call, w: FloatConstant, x: DataValue): Value {
  const { core, lead } = split(call, w);
  const vector = x.shape.length === 1;
  const inner = (vector ? x.shape[0] : x.shape.at(-2)) ?? 0;
  const columns = vector ? 1 : (x.shape.at(-1) ?? 1);
  const out = core.length === 2 ? core[0] : 1;
  requireBatchAxis(call, x.shape.length >= 3);
  requireFit(call, w.shape, x.shape, x.shape.length >= 1 && core.length >= 1 && core.at(-1) === inner);
  const stack = x.shape.slice(0, -2);
  const shape = prepend(lead, x, [
    ...stack,
    ...(core.length === 2 ? [out] : []),
    ...(vector ? [] : [columns]),
  ]);
  requireBatchAxis(call, shape.length <= x.shape.length);
  return contract(call, x, [sizeOf(stack), inner, columns], w.data, zeros(out, x), shape);
}

/** The matrix or vector at the end of a constant whose leading axes are all 1, and how many those are. */
function split(call: Call, w: FloatConstant): { core: readonly number[]; lead: number } {
  const lead = Math.max(0, w.shape.length - 2);
  if (w.shape.slice(0, lead).some((dim) => dim !== 1)) {
    throw new UnsupportedError(
      `${call.where}: a stack of constant matrices, shape ${formatShape(w.shape)}, is not supported`,
    );
  }
  return { core: w.shape.slice(lead), lead };
}

/** A constant with more leading axes than the data's stack prepends the missing ones, all 1. */
function prepend(lead: number, x: DataValue, shape: readonly number[]): number[] {
  const missing = Math.max(0, lead - Math.max(0, x.shape.length - 2));
  return [...new Array<number>(missing).fill(1), ...shape];
}

function requireFit(call: Call, left: readonly number[], right: readonly number[], fits: boolean): void {
  if (!fits)
    throw new ShapeError(`${call.where}: ${formatShape(left)} and ${formatShape(right)} do not multiply`);
}

/**
 * `y[i, m, j] = sum_k weight[m, k] x[i, k, j] + bias[m]` for data viewed as `[before, inner, after]`:
 * a linear node when there is one vector, otherwise a 1x1 convolution over the channels k.
 */
function contract(
  call: Call,
  x: DataValue,
  [before, inner, after]: readonly [number, number, number],
  weight: Weights,
  bias: Weights,
  shape: readonly number[],
): Value {
  const { builder, name } = call;
  const out = bias.length;
  if (before * after === 1) {
    const vector = builder.vector(x, name);
    return builder.append({ op: 'linear', name, shape: [out], input: vector.node, weight, bias }, shape);
  }
  const channelsFirst = swap(call, x, before, inner, after);
  const y = builder.append(
    {
      op: 'conv',
      name,
      shape: [out, before, after],
      input: channelsFirst.node,
      weight,
      bias,
      kernel: [1, 1],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      dilations: [1, 1],
      group: 1,
    },
    [1, out, before, after],
  );
  return builder.view(swap(call, y, out, before, after), shape, name);
}

/** `[a, b, c]` to `[b, a, c]`, seen as a feature map. */
function swap(call: Call, x: DataValue, a: number, b: number, c: number): DataValue {
  const { builder, name } = call;
  const shape = [1, b, a, c];
  if (a === 1 || b === 1) return builder.view(x, shape, name);
  builder.spend(a * b * c, `node '${name}'`);
  const indices = stridedIndices([b, a, c], [c, b * c, 1]);
  return builder.append({ op: 'index', name, shape: [b, a, c], input: x.node, indices }, shape);
}

function transpose(data: Weights, rows: number, columns: number): Weights {
  return gather(data, stridedIndices([columns, rows], [1, columns]));
}

/** `data[indices]`, in the type of `data`. */
export function gather(data: Weights, indices: Int32Array): Weights {
  const result =
    data instanceof Float32Array ? new Float32Array(indices.length) : new Float64Array(indices.length);
  for (let i = 0; i < indices.length; i++) result[i] = data[indices[i]];
  return result;
}

function scaled(data: Weights, factor: number): Weights {
  return factor === 1 ? data : Float64Array.from(data, (value) => value * factor);
}

export function zeros(size: number, like: DataValue): Weights {
  return like.type === 'float32' ? new Float32Array(size) : new Float64Array(size);
}

export const linearOperators = { Gemm: gemm, MatMul: matmul };
