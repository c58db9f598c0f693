/** Broken, hostile and unsupported files: a typed error that names the cause, and no allocation by what a file claims. */
import type onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
import { failure, says } from './support/failure.js';
import {
  buildModel,
  buildOnnx,
  double,
  encode,
  external,
  float,
  ints,
  node,
  type FileSpec,
  type NodeSpec,
} from './support/onnx-build.js';

type Code = 'ERR_MODEL' | 'ERR_UNSUPPORTED' | 'ERR_SHAPE' | 'ERR_INVALID_ARGUMENT';

const identity = float([2, 2], [1, 0, 0, 1]);
const valid: FileSpec = { nodes: [node('MatMul', ['x', 'w'], 'y')], tensors: { w: identity } };

describe('files that are not ONNX', () => {
  it.each<[string, string | Uint8Array, Code, ...string[]]>([
    ['an empty file', new Uint8Array(0), 'ERR_MODEL', 'empty'],
    ['text', new TextEncoder().encode('hello, I am no model'), 'ERR_MODEL'],
    ['zeros', new Uint8Array(1000), 'ERR_MODEL'],
    ['a missing file', '/nowhere/model.onnx', 'ERR_MODEL', "'/nowhere/model.onnx'", 'ENOENT'],
    ['what is neither path nor bytes', 42 as unknown as string, 'ERR_INVALID_ARGUMENT', 'number'],
  ])('refuses %s', async (_, source, code, ...parts) => {
    expect(await failure(loadModel(source))).toMatchObject(says(code, ...parts));
  });

  it('refuses every truncation of a valid file', async () => {
    const bytes = buildOnnx(valid);
    for (let end = 0; end < bytes.length; end++) {
      expect(await failure(loadModel(bytes.subarray(0, end)))).toMatchObject(says('ERR_MODEL'));
    }
    expect((await loadModel(bytes)).inputSize).toBe(2);
  });

  it('refuses or reads, but never crashes on, a file with one byte changed', async () => {
    const bytes = buildOnnx(valid);
    for (let place = 0; place < bytes.length; place++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const broken = Uint8Array.from(bytes);
        broken[place] ^= flip;
        const outcome = await loadModel(broken).then(
          () => 'read',
          (error: { code?: string }) => error.code,
        );
        expect(outcome).toMatch(/^(read|ERR_MODEL|ERR_UNSUPPORTED|ERR_SHAPE)$/);
      }
    }
  });
});

describe('inconsistent graphs', () => {
  const relu = (from: string, to: string): NodeSpec => node('Relu', [from], to);
  const graphs: [string, FileSpec, Code, ...string[]][] = [
    ['a dangling name', { nodes: [relu('ghost', 'y')] }, 'ERR_MODEL', 'Relu_y', "'ghost'"],
    ['an output that nothing produces', { nodes: [relu('x', 'z')] }, 'ERR_MODEL', "'y'"],
    [
      'a cycle',
      { nodes: [relu('a', 'b'), relu('b', 'a'), relu('b', 'y')] },
      'ERR_MODEL',
      'cycle',
      'Relu_a',
      'Relu_b',
    ],
    ['a node that reads itself', { nodes: [node('Add', ['x', 'y'], 'y')] }, 'ERR_MODEL', 'cycle', 'Add_y'],
    [
      'two nodes with one output name',
      { nodes: [relu('x', 'y'), node('Identity', ['x'], 'y')] },
      'ERR_MODEL',
      'Relu_y',
      'Identity_y',
    ],
    [
      'a node that overwrites the input',
      { nodes: [relu('x', 'x'), relu('x', 'y')] },
      'ERR_MODEL',
      'Relu_x',
      "'x'",
    ],
    ['too few inputs', { nodes: [node('Gemm', ['x'], 'y')] }, 'ERR_MODEL', 'Gemm_y', '1 inputs', '2 to 3'],
    ['too many inputs', { nodes: [node('Relu', ['x', 'x'], 'y')] }, 'ERR_MODEL', 'Relu_y', '2 inputs'],
    ['a left-out input', { nodes: [node('Add', ['', 'x'], 'y')] }, 'ERR_MODEL', 'Add_y', 'input 0'],
    [
      'a constant output',
      { nodes: [node('Identity', ['w'], 'y')], tensors: { w: identity } },
      'ERR_MODEL',
      "'y'",
    ],
    [
      'a wrong attribute type',
      { nodes: [node('Flatten', ['x'], 'y', { axis: 'one' })] },
      'ERR_MODEL',
      'Flatten_y',
      'STRING',
    ],
    [
      'a second output that is used',
      {
        nodes: [{ ...node('Dropout', ['x'], 'd'), outputs: ['d', 'mask'] }, node('Add', ['d', 'mask'], 'y')],
      },
      'ERR_UNSUPPORTED',
      'Add_y',
      "'mask'",
    ],
  ];
  it.each(graphs)('refuses %s', async (_, spec, code, ...parts) => {
    expect(await failure(loadModel(buildOnnx(spec)))).toMatchObject(says(code, ...parts));
  });

  it('sorts nodes that come in any order and drops those that nothing needs', async () => {
    const nodes = [relu('b', 'y'), node('Softmax', ['a'], 'unused'), relu('a', 'b'), relu('x', 'a')];
    const model = await loadModel(buildOnnx({ nodes }));
    expect(model.graph.nodes.map(({ name }) => name)).toEqual(['x', 'Relu_a', 'Relu_b', 'Relu_y']);
  });

  it('reads a chain of 20,000 nodes', async () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) =>
      relu(i === 0 ? 'x' : `h${i}`, i === 19_999 ? 'y' : `h${i + 1}`),
    );
    expect((await loadModel(buildOnnx({ nodes }))).graph.nodes.length).toBe(20_001);
  });
});

describe('inputs and outputs', () => {
  const change = (edit: (graph: onnxProto.onnx.IGraphProto, model: onnxProto.onnx.ModelProto) => void) => {
    const model = buildModel(valid);
    edit(model.graph!, model);
    return encode(model);
  };
  it.each<[string, Uint8Array, Code, ...string[]]>([
    [
      'two inputs',
      change((g) => g.input!.push({ ...g.input![0], name: 'x2' })),
      'ERR_UNSUPPORTED',
      "'x'",
      "'x2'",
    ],
    ['no input', change((g) => (g.input = [])), 'ERR_MODEL', 'no input'],
    ['two outputs', change((g) => g.output!.push({ name: 'x' })), 'ERR_UNSUPPORTED', "'y'", "'x'"],
    [
      'an input without a shape',
      change((g) => (g.input![0].type!.tensorType!.shape = undefined)),
      'ERR_MODEL',
      "'x'",
    ],
    [
      'an integer input',
      change((g) => (g.input![0].type!.tensorType!.elemType = 7)),
      'ERR_UNSUPPORTED',
      "'x'",
      'int64',
    ],
    ['no operator set', change((_, m) => (m.opsetImport = [])), 'ERR_MODEL', 'opset'],
    ['an old operator set', change((_, m) => (m.opsetImport[0].version = 6)), 'ERR_UNSUPPORTED', '6'],
    [
      'two initializers of one name',
      change((g) => g.initializer!.push(g.initializer![0])),
      'ERR_MODEL',
      "'w'",
    ],
    [
      'an open axis that is not the batch',
      buildOnnx({ ...valid, input: ['N', 'M'] }),
      'ERR_UNSUPPORTED',
      "'x'",
      '[N, M]',
    ],
    [
      'five axes',
      buildOnnx({ ...valid, input: [1, 1, 1, 1, 2] }),
      'ERR_UNSUPPORTED',
      "'x'",
      '[1, 1, 1, 1, 2]',
    ],
  ])('refuses %s', async (_, bytes, code, ...parts) => {
    expect(await failure(loadModel(bytes))).toMatchObject(says(code, ...parts));
  });
});

describe('tensors', () => {
  const withTensor = (edit: (tensor: onnxProto.onnx.ITensorProto) => void) => {
    const model = buildModel(valid);
    edit(model.graph!.initializer![0]);
    return encode(model);
  };
  it.each<[string, Uint8Array, Code, ...string[]]>([
    [
      'NaN',
      buildOnnx({ ...valid, tensors: { w: float([2, 2], [1, 2, NaN, 4]) } }),
      'ERR_MODEL',
      "'w'",
      'NaN',
      'element 2',
    ],
    [
      'Infinity',
      buildOnnx({ ...valid, tensors: { w: float([2, 2], [1, 2, 3, -Infinity], 'typed') } }),
      'ERR_MODEL',
      "'w'",
      '-Infinity',
    ],
    ['external data', withTensor(external), 'ERR_UNSUPPORTED', "'w'", 'external'],
    ['float16', withTensor((t) => (t.dataType = 10)), 'ERR_UNSUPPORTED', "'w'", 'float16'],
    [
      'too few bytes',
      withTensor((t) => (t.rawData = t.rawData!.subarray(0, 12))),
      'ERR_MODEL',
      "'w'",
      '16 bytes',
      '12',
    ],
    [
      'too many elements',
      buildOnnx({ ...valid, tensors: { w: float([2, 2], [1, 2, 3, 4, 5], 'typed') } }),
      'ERR_MODEL',
      "'w'",
      '4 elements',
      '5',
    ],
    ['gigabyte dims in a tiny file', withTensor((t) => (t.dims = [2 ** 20, 2 ** 20])), 'ERR_MODEL', "'w'"],
    [
      'dims whose product overflows',
      withTensor((t) => (t.dims = [2 ** 52, 2 ** 52, 2 ** 52])),
      'ERR_MODEL',
      "'w'",
    ],
    ['negative dims', withTensor((t) => (t.dims = [-2, -2])), 'ERR_SHAPE', "'w'", '[-2, -2]'],
    [
      'float64 weights on float32 data',
      buildOnnx({ ...valid, tensors: { w: double([2, 2], [1, 2, 3, 4]) } }),
      'ERR_MODEL',
      'MatMul_y',
      'float64',
      'float32',
    ],
  ])('refuses %s', async (_, bytes, code, ...parts) => {
    expect(await failure(loadModel(bytes))).toMatchObject(says(code, ...parts));
  });

  it('reads no tensor that no node needs', async () => {
    const nan = float([1], [NaN]);
    const model = await loadModel(buildOnnx({ ...valid, tensors: { w: identity, unused: nan } }));
    expect(model.parameterCount).toBe(4);
  });
});

describe('sizes that a tiny file may claim', () => {
  const one = float([], [1]);
  it.each<[string, FileSpec]>([
    ['a huge input', { input: ['N', 2 ** 40], nodes: [node('Relu', ['x'], 'y')] }],
    [
      'a broadcast of constants',
      {
        nodes: [
          node('ConstantOfShape', ['a'], 'p'),
          node('ConstantOfShape', ['b'], 'q'),
          node('Add', ['p', 'q'], 'r'),
          node('Add', ['x', 'r'], 'y'),
        ],
        tensors: { a: ints([1, 50_000]), b: ints([50_000, 1]) },
      },
    ],
    [
      'ConstantOfShape',
      {
        nodes: [node('ConstantOfShape', ['s'], 'c'), node('Add', ['x', 'c'], 'y')],
        tensors: { s: ints([2 ** 40]) },
      },
    ],
    ['Pad', { nodes: [node('Pad', ['x', 'p'], 'y')], tensors: { p: ints([0, 2 ** 40, 0, 0]) } }],
    [
      'Conv pads',
      {
        input: ['N', 1, 2, 2],
        nodes: [node('Conv', ['x', 'w'], 'y', { pads: [2 ** 30, 2 ** 30, 0, 0] })],
        tensors: { w: float([1, 1, 1, 1], [1]) },
      },
    ],
    [
      'data repeated by a constant',
      {
        input: ['N', 2 ** 10, 1],
        nodes: [node('ConstantOfShape', ['s'], 'c'), node('Add', ['x', 'c'], 'y')],
        tensors: { s: ints([2 ** 10, 2 ** 10]) },
      },
    ],
    [
      'lists that double',
      {
        nodes: [
          node('ConstantOfShape', ['s'], 'c0'),
          ...Array.from({ length: 40 }, (_, i) =>
            node('Concat', [`c${i}`, `c${i}`], `c${i + 1}`, { axis: 0 }),
          ),
          node('Add', ['x', 'c40'], 'y'),
        ],
        tensors: { s: ints([2]) },
      },
    ],
    [
      'a large input through many operators',
      {
        input: ['N', 2 ** 20],
        nodes: Array.from({ length: 100 }, (_, i) =>
          node('Add', [i ? `h${i}` : 'x', 'one'], i === 99 ? 'y' : `h${i + 1}`),
        ),
        tensors: { one },
      },
    ],
  ])('refuses %s', async (_, spec) => {
    expect(await failure(loadModel(buildOnnx(spec)))).toMatchObject(
      says('ERR_UNSUPPORTED', 'features and constants'),
    );
  });
});
