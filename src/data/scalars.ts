import { endianness } from 'node:os';

export type DType =
  | 'bool'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'uint64'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64';

/** The elements of a file: `bool` is read as 0/1 bytes, `float16` widened to float32 (exactly). */
export type ArrayData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** An array read from a file, in row-major (C) order. */
export interface ArrayFile {
  readonly shape: readonly number[];
  readonly data: ArrayData;
  /** The type in the file. */
  readonly dtype: DType;
  /** Class labels, one per image, if the format carries them (CIFAR-10 binary batches). */
  readonly labels?: Uint8Array;
}

export const itemBytes: Readonly<Record<DType, number>> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  float16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
};

const hostIsLittle = endianness() === 'LE';

/**
 * Decodes `count` scalars; the bytes are copied, because a view on a file's buffer may be unaligned
 * and would keep the whole file alive.
 */
export function decodeScalars(
  bytes: Uint8Array,
  dtype: DType,
  littleEndian: boolean,
  count: number,
): ArrayData {
  const size = itemBytes[dtype];
  const copy = new Uint8Array(count * size);
  copy.set(bytes.subarray(0, count * size));
  if (littleEndian !== hostIsLittle) {
    const words = Buffer.from(copy.buffer);
    if (size === 2) words.swap16();
    else if (size === 4) words.swap32();
    else if (size === 8) words.swap64();
  }
  const { buffer } = copy;
  switch (dtype) {
    case 'bool':
      return copy.map((byte) => (byte === 0 ? 0 : 1));
    case 'uint8':
      return copy;
    case 'int8':
      return new Int8Array(buffer);
    case 'uint16':
      return new Uint16Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'uint32':
      return new Uint32Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'uint64':
      return new BigUint64Array(buffer);
    case 'int64':
      return new BigInt64Array(buffer);
    case 'float16':
      return Float32Array.from(new Uint16Array(buffer), halfToNumber);
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
  }
}

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** A copy of `length` elements from `begin` on. */
export function sliceData(data: ArrayData, begin: number, length: number): ArrayData {
  return data.slice(begin, begin + length);
}
