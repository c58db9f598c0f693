/** Writes the array formats that the readers read, byte by byte from their definitions. */
import { gzipSync } from 'node:zlib';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** A folder for one test file, removed at its end. */
export function temporaryFolder(): {
  path: string;
  write: (name: string, bytes: Uint8Array | string) => Promise<string>;
} {
  const folder = {
    path: '',
    write: async (name: string, bytes: Uint8Array | string) => {
      const path = join(folder.path, name);
      await writeFile(path, name.endsWith('.gz') ? gzipSync(bytes) : bytes);
      return path;
    },
  };
  beforeAll(async () => {
    folder.path = await mkdtemp(join(tmpdir(), 'bulwark-test-'));
  });
  afterAll(() => rm(folder.path, { recursive: true, force: true }));
  return folder;
}

export interface NpyOptions {
  version?: 1 | 2 | 3;
  fortran?: boolean;
}

export function npy(
  descr: string,
  shape: readonly number[],
  body: Uint8Array,
  options: NpyOptions = {},
): Buffer {
  const { version = 1, fortran = false } = options;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.of(version, 0),
    length,
    Buffer.from(header),
    body,
  ]);
}

export function npyFloat64(shape: readonly number[], values: readonly number[]): Buffer {
  return npy('<f8', shape, bytesOf(Float64Array.from(values)));
}

export function npyInt64(values: readonly number[]): Buffer {
  return npy('<i8', [values.length], bytesOf(BigInt64Array.from(values, BigInt)));
}

export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function idx(type: number, shape: readonly number[], body: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return Buffer.concat([header, body]);
}

/** CIFAR-10 records: a label, then 3072 pixels made by `pixel(image, position)`. */
export function cifar(labels: readonly number[], pixel: (image: number, position: number) => number): Buffer {
  return Buffer.concat(
    labels.map((label, image) =>
      Buffer.from([label, ...Array.from({ length: 3072 }, (_, i) => pixel(image, i))]),
    ),
  );
}
