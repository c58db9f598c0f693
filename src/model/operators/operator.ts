/** What an operator's lowering is given and must return. One file per family of operators beside this one. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import { formatShape, type Shape } from '../../tensor.js';
import type { Attributes } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';
import type { Constant, DataValue, FloatConstant, Value } from '../value.js';

export interface Operator {
  /** Fewest and most inputs. */
  readonly inputs: readonly [number, number];
  readonly attributes: readonly string[];
  readonly lower: (call: Call) => Value;
}

/** One ONNX node with its inputs resolved. */
export interface Call {
  readonly name: string;
  /** Start of error messages: `node 'conv1' (Conv)`. */
  readonly where: string;
  /** Left-out optional inputs are undefined. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly builder: GraphBuilder;
  /** Batch size that the file insists on if above 1; the batch axis itself is lowered as 1. */
  readonly fixedBatch: number;
}

/**
 * A file with a fixed batch above 1 is lowered for one image, which is right only as long as the
 * batch stays the first axis. Operators that could move it say here whether it was kept.
 */
export function requireBatchAxis(call: Call, kept: boolean): void {
  if (call.fixedBatch > 1 && !kept) {
    throw new UnsupportedError(`${call.where} mixes or moves the batch axis (batch size ${call.fixedBatch})`);
  }
}

/** No network needs more axes, and what an operator does for each pair of them should stay small. */
const MOST_AXES = 64;

/** @throws UnsupportedError for tensors of more axes than any network has. */
export function requireRank(where: string, rank: number): void {
  if (rank > MOST_AXES)
    throw new UnsupportedError(`${where}: a tensor of ${rank} axes; supported: up to ${MOST_AXES}`);
}

/** The `index`-th input; operators declare how many there are, so only optional ones may be missing. */
export function input(call: Call, index: number): Value {
  const value = call.inputs[index];
  if (!value) throw new ModelError(`${call.where}: input ${index} is missing`);
  return value;
}

export function dataInput(call: Call, index: number): DataValue {
  const value = input(call, index);
  if (value.kind === 'data') return value;
  throw new UnsupportedError(
    `${call.where}: input ${index} must depend on the network input, it is a constant`,
  );
}

export function constantInput(call: Call, index: number, what: string): Constant {
  const value = input(call, index);
  if (value.kind === 'constant') return value;
  throw new UnsupportedError(
    `${call.where}: ${what} (input ${index}) must be a constant, it depends on the network input`,
  );
}

/** A floating-point constant of the same type as the data, as ONNX demands. */
export function weightInput(call: Call, index: number, what: string, type: DataValue['type']): FloatConstant {
  const value = constantInput(call, index, what);
  call.builder.use(value, call.where);
  if (value.type === type) return value as FloatConstant;
  throw new ModelError(`${call.where}: ${what} (input ${index}) is ${value.type}, the data is ${type}`);
}

/** An integer constant as a list, or undefined where the optional input is left out. */
export function integersInput(call: Call, index: number, what: string): number[] | undefined {
  if (!call.inputs[index]) return undefined;
  const value = constantInput(call, index, what);
  if (value.type !== 'integer') {
    throw new ModelError(`${call.where}: ${what} (input ${index}) must hold integers, it is ${value.type}`);
  }
  if (value.shape.length > 1) {
    throw new ShapeError(
      `${call.where}: ${what} (input ${index}) must be a list, its shape is ${formatShape(value.shape)}`,
    );
  }
  return Array.from(value.data);
}

/** A possibly negative axis as an index below `rank`. */
export function normalizeAxis(call: Call, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${call.where}: axis ${axis} is outside a tensor of ${rank} axes`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Distinct axes in ascending order. */
export function normalizeAxes(call: Call, axes: readonly number[], rank: number): number[] {
  const list = axes.map((axis) => normalizeAxis(call, axis, rank)).sort((a, b) => a - b);
  if (new Set(list).size !== list.length)
    throw new ModelError(`${call.where}: axes ${formatShape(axes)} repeat one`);
  return list;
}

/** The same elements under another shape: a view of data, or a reshaped constant. */
export function reshaped(call: Call, value: Value, shape: Shape): Value {
  return value.kind === 'data' ? call.builder.view(value, shape, call.name) : { ...value, shape };
}
