/**
 * What an ONNX name stands for while a model is lowered: data that depends on the network's input,
 * or a constant known now.
 */
import type { Shape } from '../tensor.js';

export type FloatType = 'float32' | 'float64';

/** A tensor computed from the input. `shape` is the ONNX shape with the batch axis set to 1. */
export interface DataValue {
  readonly kind: 'data';
  readonly type: FloatType;
  readonly shape: Shape;
  /** Index of the graph node that holds its features, in the row-major order of `shape`. */
  readonly node: number;
}

/** A floating-point tensor known now. `finite` data, checked when read from the file. */
export interface FloatConstant {
  readonly kind: 'constant';
  readonly type: FloatType;
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array;
}

/**
 * An integer or boolean tensor known now (shapes, axes, flags), held as doubles: exact up to 2^53,
 * and larger values only ever mean "to the end" in Slice.
 */
export interface IntegerConstant {
  readonly kind: 'constant';
  readonly type: 'integer';
  readonly shape: Shape;
  readonly data: Float64Array;
}

export type Constant = FloatConstant | IntegerConstant;
export type Value = DataValue | Constant;

/** A constant of the given type; float data is rounded to that type once. */
export function constant(type: Constant['type'], shape: Shape, data: ArrayLike<number>): Constant {
  if (type === 'float32') return { kind: 'constant', type, shape, data: new Float32Array(data) };
  return { kind: 'constant', type, shape, data: new Float64Array(data) };
}
