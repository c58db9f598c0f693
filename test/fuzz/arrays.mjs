/** The array readers: .npy, .npz, IDX, CIFAR-10 binary and text labels, each also gzipped. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { BulwarkError, loadImages, loadLabels } from '../../dist/index.js';
import { mutateBytes, oddIntegers } from './random.mjs';

function npyHeader(text, version = 1) {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(text.length, 0, length.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.of(version, 0),
    length,
    Buffer.from(text),
  ]);
}

function npy(descr, shape, body, { version = 1, order = 'False' } = {}) {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')},), }\n`;
  return Buffer.concat([npyHeader(header, version), body]);
}

const noise = (count) => Buffer.from(Array.from({ length: count }, (_, i) => (i * 89 + 17) % 251));

function idx(type, shape, body) {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return Buffer.concat([header, body]);
}

const zip = (entries, level) => Buffer.from(zipSync(entries, { level }));

/** Seeds by the ending of the file name, which chooses the reader. */
const seeds = {
  '.npy': [
    npy('<f8', [2, 4], noise(64)),
    npy('>f4', [2, 2, 2], noise(32), { order: 'True' }),
    npy('|u1', [3, 4], noise(12), { version: 2 }),
    npy('<i8', [3], noise(24), { version: 3 }),
    npy('<f2', [1, 4], noise(8)),
  ],
  '.npz': [
    zip({ 'x.npy': npy('<f8', [2, 4], noise(64)) }, 6),
    zip({ 'x.npy': npy('|u1', [2, 4], noise(8)) }, 0),
    zip({ 'x.npy': npy('<f4', [1, 4], noise(16)), 'y.npy': npy('<i4', [2], noise(8)) }, 9),
  ],
  '-idx3-ubyte': [idx(8, [3, 2, 2], noise(12)), idx(13, [2, 4], noise(32)), idx(11, [2], noise(4))],
  '.bin': [Buffer.concat([Buffer.of(3), noise(3072), Buffer.of(9), noise(3072)])],
  '.txt': [Buffer.from('3\n1\n4\n1\n')],
};
const endings = Object.keys(seeds);

/** Headers that promise other shapes than the body has. */
function oddHeader(random, ending) {
  const extent = () => random.pick(oddIntegers);
  const shape = Array.from({ length: random.below(5) }, extent);
  const type = random.pick(['f8', 'f4', 'u1', 'i8', 'f2', 'b1', 'O', 'c16', 'V8']);
  const file = npy(random.pick(['<', '>', '|', '']) + type, shape, noise(random.below(40)), {
    version: 1 + random.below(3),
    order: random.pick(['True', 'False']),
  });
  if (ending === '.npz') return zip({ 'x.npy': file }, random.pick([0, 6]));
  if (ending === '-idx3-ubyte') {
    const extents = shape.map((value) => Math.abs(value) % 2 ** 32);
    return idx(random.pick([8, 9, 11, 12, 13, 14]), extents, noise(random.below(40)));
  }
  return file;
}

function make(random) {
  const ending = random.pick(endings);
  const others = seeds[ending];
  let bytes = random.chance(0.15)
    ? oddHeader(random, ending)
    : mutateBytes(random, random.pick(others), random.chance(0.9) ? others : seeds[random.pick(endings)]);
  if (random.chance(0.2)) {
    bytes = gzipSync(bytes);
    if (random.chance(0.5)) bytes = mutateBytes(random, bytes, [bytes]);
    return { ending: random.chance(0.8) ? `${ending}.gz` : ending, bytes };
  }
  return { ending, bytes };
}

/** Every file is read as images and as labels. */
export async function open(folder) {
  const read = async (path, ending) => {
    if (ending.startsWith('.txt')) {
      await loadLabels(path, { classes: 10 });
      return;
    }
    const inputShape = ending.startsWith('.bin') ? [3, 32, 32] : [4];
    const name = ending.startsWith('.npz') ? `${path}:x` : path;
    const settled = await Promise.allSettled([
      loadImages(path, { inputShape }),
      loadImages(name, { inputShape, layout: 'nhwc' }),
      loadLabels(path, { classes: 256 }),
    ]);
    const reasons = settled.flatMap(({ reason }) => (reason ? [reason] : []));
    const untyped = reasons.find((reason) => !(reason instanceof BulwarkError));
    if (untyped || reasons.length === settled.length) throw untyped ?? reasons[0];
  };
  return {
    make(random) {
      const { ending, bytes } = make(random);
      return Object.assign(bytes, { ending });
    },
    async run(bytes) {
      const path = join(folder, `array${bytes.ending}`);
      await writeFile(path, bytes);
      await read(path, bytes.ending);
      return 'read';
    },
    close: () => undefined,
  };
}
