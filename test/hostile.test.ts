/** Small files that ask for gigabytes or for ever, and files that point elsewhere: refused by name, at once. */
import { createHash } from 'node:crypto';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCertificate, version } from '../src/certificate/format.js';
import { loadModel, readArray } from '../src/index.js';
import { npyFloat64, temporaryFolder } from './support/array-files.js';
import { failure, says } from './support/failure.js';
import {
  type FileSpec,
  buildModel,
  buildOnnx,
  encode,
  external,
  float,
  ints,
  node,
} from './support/onnx-build.js';

const folder = temporaryFolder();

/** Of each test: seconds of processor time, which other work on the machine does not stretch, and megabytes of the peak. */
const most = { seconds: 12, megabytes: 900 };
let [begin, peak] = [process.cpuUsage(), 0];
beforeEach(() => {
  [begin, peak] = [process.cpuUsage(), process.resourceUsage().maxRSS];
});
afterEach(() => {
  const { user, system } = process.cpuUsage(begin);
  const took = (user + system) / 1e6;
  const megabytes = (process.resourceUsage().maxRSS - peak) / 1024;
  if (took > most.seconds || megabytes > most.megabytes)
    throw new Error(`took ${took} s and ${megabytes} MB more than before`);
});

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

describe('ONNX files', () => {
  const wide = float(
    [1000, 1000],
    times(1e6, () => 0.5),
  );
  const list = ints(times(2e5, (i) => i));
  const ranges = { from: ints([0]), to: ints([2e5]) };
  it.each<[string, FileSpec, string, ...string[]]>([
    ['a node that reads itself', { nodes: [node('Add', ['x', 'y'], 'y')] }, 'ERR_MODEL', 'cycle', 'Add_y'],
    [
      'a cycle of three nodes',
      { nodes: [node('Add', ['x', 'b'], 'y'), node('Relu', ['y'], 'a'), node('Relu', ['a'], 'b')] },
      'ERR_MODEL',
      'cycle',
      "'Add_y', 'Relu_b', 'Relu_a'",
    ],
    [
      'weights of a terabyte',
      { nodes: [node('MatMul', ['x', 'w'], 'y')], tensors: { w: { ...float([2 ** 20, 2 ** 20], [1]) } } },
      'ERR_MODEL',
      "'w'",
      '[1048576, 1048576]',
      'needs 4398046511104 bytes',
    ],
    [
      'one matrix for twenty thousand layers',
      {
        input: ['N', 1000],
        nodes: times(20_000, (i) =>
          node('MatMul', [i ? `h${i - 1}` : 'x', 'w'], i === 19_999 ? 'y' : `h${i}`),
        ),
        tensors: { w: wide },
      },
      'ERR_UNSUPPORTED',
      'MatMul_h',
      'features and constants',
    ],
    [
      'one list sliced twenty thousand times',
      {
        nodes: [
          ...times(20_000, (i) => node('Slice', [i ? `s${i - 1}` : 'list', 'from', 'to'], `s${i}`)),
          node('Reshape', ['x', 's19999'], 'y'),
        ],
        tensors: { list, ...ranges },
      },
      'ERR_UNSUPPORTED',
      'Slice_s',
      'features and constants',
    ],
    [
      'one constant cast twenty thousand times',
      {
        nodes: [
          ...times(20_000, (i) => node('Cast', ['list'], `c${i}`, { to: 6 })),
          node('Concat', ['one', ...times(20_000, (i) => `c${i}`)], 'all', { axis: 0 }),
          node('Reshape', ['x', 'all'], 'y'),
        ],
        tensors: { list, one: ints([1]) },
      },
      'ERR_UNSUPPORTED',
      'Cast_c',
      'features and constants',
    ],
    [
      'a hundred thousand axes',
      {
        nodes: [node('Reshape', ['x', 's'], 'a'), node('Squeeze', ['a'], 'y')],
        tensors: { s: ints([1, 2, ...times(1e5, () => 1)]) },
      },
      'ERR_UNSUPPORTED',
      'Reshape_a',
      '100002 axes',
    ],
    [
      'a weight of a hundred thousand axes',
      {
        nodes: [node('Add', ['x', 'w'], 'y')],
        tensors: {
          w: float(
            times(1e5, () => 1),
            [1],
          ),
        },
      },
      'ERR_UNSUPPORTED',
      "'w'",
      '100000 axes',
    ],
    [
      'axes unsqueezed a hundred thousand times',
      { nodes: [node('Unsqueeze', ['x', 'a'], 'y')], tensors: { a: ints(times(1e5, (i) => i)) } },
      'ERR_UNSUPPORTED',
      'Unsqueeze_y',
      '100002 axes',
    ],
  ])('%s', async (_, spec, code, ...parts) => {
    expect(await failure(loadModel(buildOnnx(spec)))).toMatchObject(says(code, ...parts));
  });

  it('two initializers, two nodes, an initializer and a node of one name', async () => {
    const spec: FileSpec = { nodes: [node('Add', ['x', 'w'], 'y')], tensors: { w: float([2], [1, 2]) } };
    const twice = buildModel(spec);
    twice.graph!.initializer!.push(twice.graph!.initializer![0]);
    expect(await failure(loadModel(encode(twice)))).toMatchObject(
      says('ERR_MODEL', 'two initializers', "'w'"),
    );
    const nodes = { ...spec, nodes: [...spec.nodes, node('Relu', ['x'], 'y')] };
    expect(await failure(loadModel(buildOnnx(nodes)))).toMatchObject(says('ERR_MODEL', "both produce 'y'"));
    const mixed = { ...spec, nodes: [node('Add', ['x', 'w'], 'y'), node('Relu', ['x'], 'w')] };
    expect(await failure(loadModel(buildOnnx(mixed)))).toMatchObject(says('ERR_MODEL', "produces 'w'"));
  });

  it.each(['../../../../../../etc/passwd', '/etc/passwd', 'weights.bin'])(
    'external data in %s are not looked for',
    async (location) => {
      const model = buildModel({ nodes: [node('Add', ['x', 'w'], 'y')], tensors: { w: float([2], [1, 2]) } });
      const [tensor] = model.graph!.initializer!;
      external(tensor);
      tensor.externalData = [{ key: 'location', value: location }];
      const path = await folder.write('external.onnx', encode(model));
      expect(await failure(loadModel(path))).toMatchObject(
        says('ERR_UNSUPPORTED', path, "'w'", 'external data'),
      );
    },
  );

  it('a gzip bomb', async () => {
    const path = await folder.write('bomb.onnx.gz', Buffer.alloc(7e7));
    expect(await failure(loadModel(path))).toMatchObject(
      says('ERR_MODEL', 'bomb.onnx.gz', 'unpacks to more than 67108864 bytes'),
    );
  });
});

describe('array files', () => {
  it('a gzip bomb', async () => {
    const path = await folder.write('bomb.npy.gz', Buffer.alloc(7e7));
    expect(await failure(readArray(path))).toMatchObject(
      says('ERR_DATA', 'bomb.npy.gz unpacks to more than 67108864 bytes'),
    );
  });

  it('a zip bomb, and an archive that claims to be one', async () => {
    const bomb = await folder.write('bomb.npz', zipSync({ 'x.npy': Buffer.alloc(7e7) }));
    expect(await failure(readArray(bomb))).toMatchObject(
      says('ERR_DATA', 'bomb.npz', 'claims 70000000 bytes'),
    );
    const claim = Buffer.from(zipSync({ 'x.npy': npyFloat64([1], [1]) }));
    claim.writeUInt32LE(0xfffffff0, claim.indexOf('PK\x01\x02', 'latin1') + 24);
    const path = await folder.write('claim.npz', claim);
    expect(await failure(readArray(path))).toMatchObject(
      says('ERR_DATA', 'claim.npz', 'claims 4294967280 bytes'),
    );
  });

  it('an archive of four billion entries', async () => {
    const plain = Buffer.from(zipSync({ 'x.npy': npyFloat64([1], [1]) }));
    const [directory, end] = ['PK\x01\x02', 'PK\x05\x06'].map((mark) => plain.indexOf(mark, 0, 'latin1'));
    const large = Buffer.alloc(56);
    large.write('PK\x06\x06', 'latin1');
    large.writeUInt32LE(0xffffffff, 32);
    large.writeUInt32LE(directory, 48);
    const locator = Buffer.alloc(20);
    locator.write('PK\x06\x07', 'latin1');
    locator.writeUInt32LE(end, 8);
    const path = await folder.write(
      'many.npz',
      Buffer.concat([plain.subarray(0, end), large, locator, plain.subarray(end)]),
    );
    expect(await failure(readArray(path))).toMatchObject(
      says('ERR_DATA', 'many.npz', 'more entries than fit'),
    );
  });

  it('an archive with two arrays of one name', async () => {
    const bytes = Buffer.from(zipSync({ 'x.npy': npyFloat64([1], [1]), 'z.npy': npyFloat64([1], [2]) }));
    for (let at = bytes.indexOf('z.npy'); at >= 0; at = bytes.indexOf('z.npy')) bytes.write('x', at);
    const path = await folder.write('twice.npz', bytes);
    expect(await failure(readArray(path))).toMatchObject(says('ERR_DATA', 'twice.npz', "two arrays 'x'"));
  });

  it('shapes of terabytes', async () => {
    for (const shape of [[2 ** 40], [2 ** 31, 2 ** 31], times(1000, () => 10)]) {
      const path = await folder.write('shape.npy', npyFloat64(shape, [1]));
      expect(await failure(readArray(path))).toMatchObject(says('ERR_DATA', 'shape.npy', 'the file has 8'));
    }
  });
});

describe('certificates', () => {
  const file = (header: string, length: number, ...counts: number[]): Buffer => {
    const words = Buffer.from(Uint32Array.from([version, length]).buffer);
    const body = [Buffer.from('BULWARK\n'), words, Buffer.from(header)];
    const bytes = Buffer.concat([...body, Buffer.from(Uint32Array.from(counts).buffer)]);
    return Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]);
  };
  const hash = '0'.repeat(64);
  const header = JSON.stringify({
    model: hash,
    normalization: null,
    index: 0,
    center: hash,
    kind: 'l2',
    eps: 0.1,
    clip: null,
    label: 0,
    assurance: 'real',
    margins: [1],
    norms: [1],
  });

  const manyRows = header.replace('[1]', `[1${',1'.repeat(7e6)}]`);

  it.each<[string, Buffer, string]>([
    ['a header of 4 GB', file('{}', 2 ** 32 - 1), 'at most 2 are read'],
    ['a header of brackets', file('['.repeat(1e6), 1e6), 'not JSON'],
    ['four billion boxes', file(header, header.length, 2 ** 32 - 1), 'ends early'],
    [
      'ten thousand splits',
      file(header, header.length, 0, ...times(3e4, (i) => (i % 3 === 0 ? 1 : 0))),
      'splits in a row',
    ],
    ['eight million rows', file(manyRows, manyRows.length, 0), 'ends early'],
  ])('%s', async (_, bytes, part) => {
    expect(await failure(Promise.resolve().then(() => readCertificate(bytes, [2])))).toMatchObject(
      says('ERR_CERTIFICATE', part),
    );
  });
});
