import { zipSync } from 'fflate';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readArray } from '../src/data/index.js';
import { DataError } from '../src/errors.js';
import { bytesOf, cifar, idx, npy, npyFloat64, temporaryFolder } from './support/array-files.js';

const folder = temporaryFolder();

function swapped(view: ArrayBufferView, size: number): Uint8Array {
  const bytes = Buffer.from(bytesOf(view));
  if (size === 2) return bytes.swap16();
  return size === 4 ? bytes.swap32() : bytes.swap64();
}

describe('.npy', () => {
  const cases: [string, ArrayBufferView, string][] = [
    ['u1', Uint8Array.of(0, 7, 255), 'uint8'],
    ['i1', Int8Array.of(-128, 0, 127), 'int8'],
    ['u2', Uint16Array.of(0, 258, 65535), 'uint16'],
    ['i2', Int16Array.of(-32768, 258, 3), 'int16'],
    ['u4', Uint32Array.of(0, 66051, 4294967295), 'uint32'],
    ['i4', Int32Array.of(-2147483648, 66051, 5), 'int32'],
    ['u8', BigUint64Array.of(0n, 1n << 63n, 5n), 'uint64'],
    ['i8', BigInt64Array.of(-(1n << 63n), 258n, 5n), 'int64'],
    ['f4', Float32Array.of(-1.5, 3e38, 1e-45), 'float32'],
    ['f8', Float64Array.of(-0.1, 1e308, 5e-324), 'float64'],
  ];

  it.each(cases)('reads %s in both byte orders', async (code, values, dtype) => {
    const size = Number(code[1]);
    const little = await readArray(
      await folder.write(`le-${code}.npy`, npy(`<${code}`, [3], bytesOf(values))),
    );
    const bigBody = size === 1 ? bytesOf(values) : swapped(values, size);
    const big = await readArray(await folder.write(`be-${code}.npy`, npy(`>${code}`, [3], bigBody)));
    expect(little).toEqual({ shape: [3], dtype, data: values });
    expect(big).toEqual(little);
  });

  it('reads half floats: normal, subnormal, infinite, NaN', async () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x7e00);
    const { data } = await readArray(await folder.write('half.npy', npy('<f2', [8], bytesOf(bits))));
    const expected = [1, -2, 0.333251953125, 2 ** -24, 65504, Infinity, -0, NaN];
    expect(Array.from<number | bigint>(data)).toEqual(expected);
  });

  it('reads bool as 0 and 1', async () => {
    const { data, dtype } = await readArray(
      await folder.write('b.npy', npy('|b1', [3], Uint8Array.of(1, 0, 1))),
    );
    expect([dtype, ...data]).toEqual(['bool', 1, 0, 1]);
  });

  it.each([1, 2, 3] as const)('reads version %i', async (version) => {
    const file = npy('<i2', [2, 1], bytesOf(Int16Array.of(4, -5)), { version });
    const { shape, data } = await readArray(await folder.write(`v${version}.npy`, file));
    expect([shape, Array.from<number | bigint>(data)]).toEqual([
      [2, 1],
      [4, -5],
    ]);
  });

  it('turns Fortran order into C order', async () => {
    // Element [i, j, k] of shape [2, 3, 2] has the value 100 i + 10 j + k; Fortran order: i runs fastest.
    const fortran: number[] = [];
    const c: number[] = [];
    for (let k = 0; k < 2; k += 1)
      for (let j = 0; j < 3; j += 1) for (let i = 0; i < 2; i += 1) fortran.push(100 * i + 10 * j + k);
    for (let i = 0; i < 2; i += 1)
      for (let j = 0; j < 3; j += 1) for (let k = 0; k < 2; k += 1) c.push(100 * i + 10 * j + k);
    const file = npy('<f8', [2, 3, 2], bytesOf(Float64Array.from(fortran)), { fortran: true });
    const { data } = await readArray(await folder.write('fortran.npy', file));
    expect(Array.from<number | bigint>(data)).toEqual(c);
  });

  it('reads scalars and empty arrays', async () => {
    expect(await readArray(await folder.write('0d.npy', npyFloat64([], [7])))).toMatchObject({ shape: [] });
    expect((await readArray(await folder.write('none.npy', npyFloat64([0, 3], [])))).data).toHaveLength(0);
  });

  it('reads gzip, also under a name without .gz', async () => {
    const file = npyFloat64([2], [1, 2]);
    const named = await readArray(await folder.write('z.npy.gz', file));
    const unnamed = await readArray(await folder.write('z.npy', gzipSync(file)));
    expect(Array.from<number | bigint>(named.data)).toEqual([1, 2]);
    expect(unnamed).toEqual(named);
  });
});

describe('.npz', () => {
  const zip = (): Buffer =>
    Buffer.from(
      zipSync({
        'x.npy': npyFloat64([2], [1, 2]),
        'y.npy': npyFloat64([1], [3]),
        'notes.txt': Buffer.from('hi'),
      }),
    );

  it('takes the only array, or the one that is named', async () => {
    const single = await folder.write(
      'single.npz',
      Buffer.from(zipSync({ 'only.npy': npyFloat64([1], [9]) })),
    );
    const several = await folder.write('several.npz', zip());
    expect(Array.from<number | bigint>((await readArray(single)).data)).toEqual([9]);
    expect(Array.from<number | bigint>((await readArray(`${several}:y`)).data)).toEqual([3]);
  });

  it('reads stored (uncompressed) entries', async () => {
    const stored = await folder.write(
      'stored.npz',
      Buffer.from(zipSync({ 'x.npy': npyFloat64([1], [4]) }, { level: 0 })),
    );
    expect(Array.from<number | bigint>((await readArray(stored)).data)).toEqual([4]);
  });

  it('says which arrays there are when none or a wrong one is named', async () => {
    const path = await folder.write('several2.npz', zip());
    await expect(readArray(path)).rejects.toThrow(/has 2 arrays; name one of \[x, y\]/);
    await expect(readArray(`${path}:z`)).rejects.toThrow(/has no array 'z'; name one of \[x, y\]/);
  });

  it('refuses a truncated archive', async () => {
    const path = await folder.write('cut.npz', zip().subarray(0, 100));
    await expect(readArray(path)).rejects.toThrow(DataError);
  });
});

describe('IDX', () => {
  it.each([
    [0x08, Uint8Array.of(1, 255), 'uint8', 1],
    [0x09, Int8Array.of(-1, 2), 'int8', 1],
    [0x0b, Int16Array.of(-2, 300), 'int16', 2],
    [0x0c, Int32Array.of(-2, 70000), 'int32', 4],
    [0x0d, Float32Array.of(-2.5, 0.25), 'float32', 4],
    [0x0e, Float64Array.of(-0.1, 1e300), 'float64', 8],
  ] as const)('reads type %i', async (type, values, dtype, size) => {
    const body = size === 1 ? bytesOf(values) : swapped(values, size);
    const file = await readArray(await folder.write(`type-${type}-idx2-ubyte`, idx(type, [2, 1], body)));
    expect(file).toEqual({ shape: [2, 1], dtype, data: values });
  });
});

describe('CIFAR-10 binary', () => {
  it('gives images and labels', async () => {
    const file = await readArray(
      await folder.write(
        'batch.bin.gz',
        cifar([3, 9], (image, i) => (image + i) % 256),
      ),
    );
    expect(file.shape).toEqual([2, 3, 32, 32]);
    expect(Array.from(file.labels ?? [])).toEqual([3, 9]);
    expect([file.data[0], file.data[3071], file.data[3072], file.data[3073]]).toEqual([0, 255, 1, 2]);
  });
});

describe('broken files', () => {
  const good = npyFloat64([2], [1, 2]);
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty.npy', new Uint8Array(0), /is empty/],
    ['magic.npy', Buffer.from('hello world'), /not a \.npy file: it starts with 68 65 6c 6c 6f 20/],
    [
      'version.npy',
      Buffer.concat([good.subarray(0, 6), Buffer.of(9), good.subarray(7)]),
      /version 9, expected 1, 2 or 3/,
    ],
    ['short-header.npy', good.subarray(0, 30), /truncated \.npy header, expected \d+ bytes, the file has 30/],
    ['no-length.npy', good.subarray(0, 9), /truncated \.npy header/],
    [
      'short-body.npy',
      good.subarray(0, good.length - 1),
      /shape \[2\] of float64 takes 16 bytes, the file has 15/,
    ],
    ['long-body.npy', Buffer.concat([good, Buffer.of(0)]), /takes 16 bytes, the file has 17/],
    ['huge.npy', npy('<f8', [1e9, 1e9, 1e9], new Uint8Array(8)), /takes .* bytes, the file has 8/],
    ['complex.npy', npy('<c8', [1], new Uint8Array(8)), /element type 'c8', expected one of/],
    ['object.npy', npy('|O', [1], new Uint8Array(8)), /cannot read the \.npy header/],
    ['short.idx', idx(8, [3], Uint8Array.of(1, 2)), /shape \[3\] of uint8 takes 3 bytes, the file has 2/],
    ['header.idx', Buffer.of(0, 0, 8, 3, 0, 0), /truncated IDX header, expected 16 bytes, the file has 6/],
    [
      'odd.bin',
      new Uint8Array(3074),
      /records take 3073 bytes each, the file has 3074, 1 more than 1 records/,
    ],
    ['label.bin', cifar([10], () => 0), /record 0 has label 10, expected 0 to 9/],
    ['unknown.dat', Buffer.from('what'), /none of \.npy, \.npz, IDX or CIFAR-10/],
  ];

  it.each(cases)('%s', async (name, bytes, message) => {
    const path = await folder.write(name, bytes);
    const error = await readArray(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
    expect((error as DataError).message).toContain(path);
  });

  it('missing file, gzip cut short, not gzip at all', async () => {
    await expect(readArray(join(folder.path, 'absent.npy'))).rejects.toThrow(/cannot read .*absent\.npy/);
    const cut = join(folder.path, 'cut.npy.gz');
    await writeFile(cut, gzipSync(good).subarray(0, 20));
    await expect(readArray(cut)).rejects.toThrow(/broken gzip file/);
    await writeFile(cut, good);
    await expect(readArray(cut)).rejects.toThrow(/is not gzip data/);
  });
});
