import { DataError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';
import { hex } from './bytes.js';
import { type ArrayFile, type DType, decodeScalars, itemBytes } from './scalars.js';

const dtypes: Readonly<Record<number, DType>> = {
  0x08: 'uint8',
  0x09: 'int8',
  0x0b: 'int16',
  0x0c: 'int32',
  0x0d: 'float32',
  0x0e: 'float64',
};

/** Two zero bytes, a known type and at least one axis. */
export function isIdx(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0 && bytes[2] in dtypes && bytes[3] >= 1;
}

/**
 * Parses the IDX format of the MNIST files: big-endian, a four-byte magic number, one uint32 per axis.
 *
 * @throws DataError if the bytes are not IDX, are truncated or too long.
 */
export function parseIdx(bytes: Buffer, where: string): ArrayFile {
  const dtype = isIdx(bytes) ? dtypes[bytes[2]] : undefined;
  if (dtype === undefined) {
    throw new DataError(
      `${where} is not an IDX file: it starts with ${hex(bytes, 4)}, expected 00 00 08..0e and the axes`,
    );
  }
  const axes = bytes[3];
  const begin = 4 + 4 * axes;
  if (bytes.length < begin) {
    throw new DataError(
      `${where}: truncated IDX header, expected ${begin} bytes, the file has ${bytes.length}`,
    );
  }
  const shape = Array.from({ length: axes }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const count = sizeOf(shape);
  const expected = count * itemBytes[dtype];
  const given = bytes.length - begin;
  if (!Number.isSafeInteger(expected) || given !== expected) {
    throw new DataError(
      `${where}: shape ${formatShape(shape)} of ${dtype} takes ${expected} bytes, the file has ${given}`,
    );
  }
  return { shape, dtype, data: decodeScalars(bytes.subarray(begin), dtype, false, count) };
}
