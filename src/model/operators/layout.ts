/** Operators that only move or relabel features: Flatten, Reshape, Squeeze, Unsqueeze, Transpose, Pad. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import { formatShape, sameShape, sizeOf, stridedIndices, stridesOf, type Shape } from '../../tensor.js';
import { imageShape } from '../builder.js';
import { constant } from '../value.js';
import { gather } from './linear.js';
import {
  constantInput,
  dataInput,
  input,
  integersInput,
  normalizeAxes,
  normalizeAxis,
  requireBatchAxis,
  requireRank,
  reshaped,
  type Call,
  type Operator,
} from './operator.js';

const flatten: Operator = {
  inputs: [1, 1],
  attributes: ['axis'],
  lower(call) {
    const x = input(call, 0);
    const given = call.attributes.integer('axis', 1);
    const axis = given === x.shape.length ? given : normalizeAxis(call, given, x.shape.length);
    requireBatchAxis(call, axis === 1 || x.kind === 'constant');
    return reshaped(call, x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
  },
};

const reshape: Operator = {
  inputs: [2, 2],
  attributes: ['allowzero'],
  lower(call) {
    const x = input(call, 0);
    const target = integersInput(call, 1, 'the shape') ?? [];
    const keepsZero = call.attributes.integer('allowzero', 0) === 0;
    const own = x.kind === 'data' && call.fixedBatch > 1 ? [call.fixedBatch, ...x.shape.slice(1)] : x.shape;
    const shape = resolveShape(call, own, target, keepsZero);
    if (own === x.shape) return reshaped(call, x, shape);
    requireBatchAxis(call, shape[0] === call.fixedBatch);
    return reshaped(call, x, [1, ...shape.slice(1)]);
  },
};

/** ONNX's target shape with 0 (copy the axis) and one -1 (whatever is left) replaced. */
function resolveShape(call: Call, own: Shape, target: readonly number[], keepsZero: boolean): number[] {
  const text = `${call.where}: cannot reshape ${formatShape(own)} to ${formatShape(target)}`;
  const shape = target.map((dim, axis) => (dim === 0 && keepsZero ? (own[axis] ?? NaN) : dim));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = sizeOf(own) / sizeOf(shape.filter((_, axis) => axis !== open));
  const valid = shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) && sizeOf(shape) === sizeOf(own);
  if (!valid) throw new ShapeError(text);
  return shape;
}

/** The axes of Squeeze and Unsqueeze: an attribute before operator set 13, an input since. */
function axesOf(call: Call): number[] | undefined {
  const axes = integersInput(call, 1, 'axes');
  if (axes && call.attributes.has('axes')) throw new ModelError(`${call.where}: axes are given twice`);
  return axes ?? call.attributes.integers('axes');
}

const squeeze: Operator = {
  inputs: [1, 2],
  attributes: ['axes'],
  lower(call) {
    const x = input(call, 0);
    const given = axesOf(call);
    const axes = given
      ? normalizeAxes(call, given, x.shape.length)
      : x.shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
    if (axes.some((axis) => x.shape[axis] !== 1)) {
      throw new ShapeError(
        `${call.where}: axes ${formatShape(axes)} of shape ${formatShape(x.shape)} are not all 1`,
      );
    }
    // Without axes, a batch above 1 would not be squeezed although it is lowered as 1.
    requireBatchAxis(call, x.kind === 'constant' || !axes.includes(0));
    return reshaped(
      call,
      x,
      x.shape.filter((_, axis) => !axes.includes(axis)),
    );
  },
};

const unsqueeze: Operator = {
  inputs: [1, 2],
  attributes: ['axes'],
  lower(call) {
    const x = input(call, 0);
    const given = axesOf(call);
    if (!given) throw new ModelError(`${call.where}: axes are missing`);
    const rank = x.shape.length + given.length;
    requireRank(call.where, rank);
    const axes = normalizeAxes(call, given, rank);
    const shape = [...x.shape];
    for (const axis of axes) shape.splice(axis, 0, 1);
    requireBatchAxis(call, x.kind === 'constant' || !axes.includes(0));
    return reshaped(call, x, shape);
  },
};

const transpose: Operator = {
  inputs: [1, 1],
  attributes: ['perm'],
  lower(call) {
    const { attributes, builder, name } = call;
    const x = input(call, 0);
    const rank = x.shape.length;
    const perm = attributes.integers('perm') ?? x.shape.map((_, axis) => rank - 1 - axis);
    if (
      perm.length !== rank ||
      !sameShape(
        [...perm].sort((a, b) => a - b),
        x.shape.map((_, axis) => axis),
      )
    ) {
      throw new ModelError(`${call.where}: perm ${formatShape(perm)} is not an order of ${rank} axes`);
    }
    requireBatchAxis(call, x.kind === 'constant' || perm[0] === 0);
    const shape = perm.map((axis) => x.shape[axis]);
    const moved = perm.filter((axis) => x.shape[axis] !== 1);
    if (moved.every((axis, i) => i === 0 || axis > moved[i - 1])) return reshaped(call, x, shape);
    const strides = stridesOf(x.shape);
    builder.spend(sizeOf(shape), call.where);
    const indices = stridedIndices(
      shape,
      perm.map((axis) => strides[axis]),
    );
    if (x.kind === 'constant') return constant(x.type, shape, gather(x.data, indices));
    return builder.append({ op: 'index', name, shape: imageShape(shape), input: x.node, indices }, shape);
  },
};

/** Zero padding: attributes before operator set 11, inputs since (`axes` since 18). */
const pad: Operator = {
  inputs: [1, 4],
  attributes: ['mode', 'pads', 'value'],
  lower(call) {
    const { attributes, builder, name, where } = call;
    const x = dataInput(call, 0);
    const mode = attributes.string('mode', 'constant');
    if (mode !== 'constant') throw new UnsupportedError(`${where}: mode '${mode}'; supported: constant`);
    if (padValue(call) !== 0)
      throw new UnsupportedError(`${where}: pads with ${padValue(call)}; supported: zeros`);
    const pads = padsOf(call, x.shape.length);
    const { before, after } = pads;
    if ([...before, ...after].some((count) => count < 0)) {
      throw new UnsupportedError(
        `${where}: negative pads ${formatShape([...before, ...after])} (cropping) are not supported`,
      );
    }
    requireBatchAxis(call, before[0] === 0 && after[0] === 0);
    const shape = x.shape.map((dim, axis) => dim + before[axis] + after[axis]);
    if (sameShape(shape, x.shape)) return x;
    builder.spend(sizeOf(shape), where);
    const indices = new Int32Array(sizeOf(shape)).fill(-1);
    const strides = stridesOf(shape);
    const first = before.reduce((sum, count, axis) => sum + count * strides[axis], 0);
    stridedIndices(x.shape, strides).forEach((place, source) => (indices[first + place] = source));
    return builder.append({ op: 'index', name, shape: imageShape(shape), input: x.node, indices }, shape);
  },
};

function padValue(call: Call): number {
  if (!call.inputs[2]) return call.attributes.float('value', 0);
  const value = constantInput(call, 2, 'the padding value');
  if (value.data.length !== 1)
    throw new ShapeError(`${call.where}: the padding value has shape ${formatShape(value.shape)}`);
  return value.data[0];
}

function padsOf(call: Call, rank: number): { before: number[]; after: number[] } {
  const pads = integersInput(call, 1, 'pads') ?? call.attributes.integers('pads');
  if (!pads) throw new ModelError(`${call.where}: pads are missing`);
  const listed = integersInput(call, 3, 'axes') ?? Array.from({ length: rank }, (_, axis) => axis);
  const axes = listed.map((axis) => normalizeAxis(call, axis, rank));
  if (pads.length !== 2 * axes.length || new Set(axes).size !== axes.length) {
    throw new ShapeError(
      `${call.where}: ${pads.length} pads for ${axes.length} axes ${formatShape(listed)}; expected two for each`,
    );
  }
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    before[axis] = pads[i];
    after[axis] = pads[i + axes.length];
  });
  return { before, after };
}

export const layoutOperators = {
  Flatten: flatten,
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Pad: pad,
};
