import { DataError } from '../errors.js';
import { formatShape, sizeOf, stridedIndices } from '../tensor.js';
import { hex } from './bytes.js';
import { type ArrayData, type ArrayFile, type DType, decodeScalars, itemBytes } from './scalars.js';

const magic = Buffer.from('\x93NUMPY', 'latin1');

const dtypes: Readonly<Record<string, DType>> = {
  b1: 'bool',
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  u4: 'uint32',
  i4: 'int32',
  u8: 'uint64',
  i8: 'int64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};

export function isNpy(bytes: Uint8Array): boolean {
  return bytes.length >= magic.length && magic.compare(bytes, 0, magic.length) === 0;
}

/**
 * Parses NumPy's .npy format, versions 1 to 3, either byte order, C or Fortran order (returned in C order).
 *
 * @param where how messages name the file.
 * @throws DataError if the bytes are not such a file, are truncated or too long, or hold another type.
 */
export function parseNpy(bytes: Buffer, where: string): ArrayFile {
  if (!isNpy(bytes)) {
    throw new DataError(
      `${where} is not a .npy file: it starts with ${hex(bytes, 6)}, expected 93 4e 55 4d 50 59`,
    );
  }
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3)
    throw new DataError(`${where}: .npy version ${version}, expected 1, 2 or 3`);
  const lengthBytes = version === 1 ? 2 : 4;
  const headerBegin = 8 + lengthBytes;
  if (bytes.length < headerBegin) throw truncated(where, 'header', headerBegin, bytes.length);
  const headerEnd = headerBegin + bytes.readUIntLE(8, lengthBytes);
  if (bytes.length < headerEnd) throw truncated(where, 'header', headerEnd, bytes.length);
  const header = parseHeader(
    bytes.toString(version === 3 ? 'utf8' : 'latin1', headerBegin, headerEnd),
    where,
  );

  const count = sizeOf(header.shape);
  const expected = count * itemBytes[header.dtype];
  const given = bytes.length - headerEnd;
  if (!Number.isSafeInteger(expected) || given !== expected) {
    throw new DataError(
      `${where}: shape ${formatShape(header.shape)} of ${header.dtype} takes ${expected} bytes, the file has ${given}`,
    );
  }
  const data = decodeScalars(bytes.subarray(headerEnd), header.dtype, header.littleEndian, count);
  return {
    shape: header.shape,
    dtype: header.dtype,
    data: header.fortran && header.shape.length > 1 ? fromFortran(data, header.shape) : data,
  };
}

interface Header {
  dtype: DType;
  littleEndian: boolean;
  fortran: boolean;
  shape: number[];
}

/** The header is a Python dict literal with exactly these three keys. */
function parseHeader(text: string, where: string): Header {
  const descr = /'descr'\s*:\s*'([<>|=])?([a-zA-Z]\d+)'/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text);
  if (!descr || !order || !shape) {
    const shown = text.trim().slice(0, 120);
    throw new DataError(
      `${where}: cannot read the .npy header ${JSON.stringify(shown)}; structured types are not supported`,
    );
  }
  const dtype = dtypes[descr[2] as string];
  if (dtype === undefined) {
    throw new DataError(
      `${where}: element type '${descr[2]}', expected one of ${Object.keys(dtypes).join(', ')}`,
    );
  }
  const extents = (shape[1] as string).split(',').map((extent) => extent.replace('L', '').trim());
  return {
    dtype,
    littleEndian: descr[1] !== '>',
    fortran: order[1] === 'True',
    shape: extents.filter((extent) => extent !== '').map(Number),
  };
}

function fromFortran(data: ArrayData, shape: readonly number[]): ArrayData {
  const steps = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  const sources = stridedIndices(shape, steps);
  const result = data.slice();
  sources.forEach((source, target) => {
    result[target] = data[source] as number & bigint;
  });
  return result;
}

function truncated(where: string, what: string, expected: number, given: number): DataError {
  return new DataError(`${where}: truncated .npy ${what}, expected ${expected} bytes, the file has ${given}`);
}
