/** Broken, hostile and unsupported files: a typed error that names the cause, and no allocation by what a file claims. */
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
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
  type Tensor,
} from './support/onnx-build.js';

type Code = 'ERR_MODEL' | 'ERR_UNSUPPORTED' | 'ERR_SHAPE' | 'ERR_INVALID_ARGUMENT';

const identity = float([2, 2], [1, 0, 0, 1]);
const valid: FileSpec = { nodes: [node('MatMul', ['x', 'w'], 'y')], tensors: { w: identity } };

async function expectError(source: string | Uint8Array, code: Code, ...parts: string[]): Promise<void> {
  const error: unknown = await loadModel(source).then(
    () => expect.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code });
  for (const part of parts) expect((error as Error).message).toContain(part);
}

describe('files that are not ONNX', () => {
  it('refuses an empty file', () => expectError(new Uint8Array(0), 'ERR_MODEL', 'empty'));
  it('refuses text', () => expectError(new TextEncoder().encode('hello, I am no model'), 'ERR_MODEL'));
  it('refuses zeros', () => expectError(new Uint8Array(1000), 'ERR_MODEL'));
  it('refuses a missing file', () =>
    expectError('/nowhere/model.onnx', 'ERR_MODEL', "'/nowhere/model.onnx'", 'ENOENT'));
  it('refuses what is neither path nor bytes', () =>
    expectError(42 as unknown as string, 'ERR_INVALID_ARGUMENT', 'number'));

  it('refuses every truncation of a valid file', async () => {
    const bytes = buildOnnx(valid);
    for (let end = 0; end < bytes.length; end++) await expectError(bytes.subarray(0, end), 'ERR_MODEL');
    await loadModel(bytes);
  });

  it('refuses or reads, but never crashes on, a file with one byte changed', async () => {
    const bytes = buildOnnx(valid);
    for (let place = 0; place < bytes.length; place++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const broken = Uint8Array.from(bytes);
        broken[place] ^= flip;
        const outcome = await loadModel(broken).catch((error: { code?: string }) => error.code);
        if (typeof outcome !== 'object') expect(outcome).toMatch(/^ERR_(MODEL|UNSUPPORTED|SHAPE)$/);
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
  it.each(graphs)('refuses %s', (_, spec, code, ...parts) => expectError(buildOnnx(spec), code, ...parts));

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
  ])('refuses %s', (_, bytes, code, ...parts) => expectError(bytes, code, ...parts));
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
  ])('refuses %s', (_, bytes, code, ...parts) => expectError(bytes, code, ...parts));

  it('reads no tensor that no node needs', async () => {
    const nan = float([1], [NaN]);
    await loadModel(buildOnnx({ ...valid, tensors: { w: identity, unused: nan } }));
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
  ])('refuses %s', (_, spec) => expectError(buildOnnx(spec), 'ERR_UNSUPPORTED', 'features and constants'));
});

describe('operators', () => {
  const on = (
    input: (number | string)[],
    only: NodeSpec,
    tensors: Record<string, Tensor> = {},
    opset?: number,
  ): FileSpec => ({
    input,
    nodes: [only],
    tensors,
    opset,
  });
  const m23 = float([2, 3], [1, 2, 3, 4, 5, 6]);
  const k = float([2, 2, 3, 3], new Array<number>(36).fill(1));
  const bn = { g: float([2], [1, 1]), v: float([2], [1, -1]) };
  const map = ['N', 2, 4, 4];
  it.each<[string, FileSpec, Code, ...string[]]>([
    [
      'an unknown operator',
      on(['N', 2], node('Softmax', ['x'], 'y')),
      'ERR_UNSUPPORTED',
      'Softmax_y',
      '(Softmax)',
      'Add, BatchNormalization',
      'Unsqueeze',
    ],
    [
      'a foreign domain',
      on(['N', 2], { ...node('Relu', ['x'], 'y'), domain: 'com.example' }),
      'ERR_UNSUPPORTED',
      'Relu_y',
      'com.example',
    ],
    [
      'an unknown attribute',
      on(['N', 2], node('Relu', ['x'], 'y', { slope: 1 })),
      'ERR_UNSUPPORTED',
      'Relu_y',
      "'slope'",
    ],
    [
      'an unnamed node',
      on(['N', 2], { op: 'Tanh', inputs: ['x'], outputs: ['y'] }),
      'ERR_UNSUPPORTED',
      'Tanh -> y',
    ],
    [
      'Gemm of a wrong width',
      on(['N', 3], node('Gemm', ['x', 'w'], 'y'), { w: m23 }),
      'ERR_SHAPE',
      'Gemm_y',
      '[1, 3]',
      '[2, 3]',
    ],
    [
      'Gemm with transA',
      on(['N', 2], node('Gemm', ['x', 'w'], 'y', { transA: 1 }), { w: m23 }),
      'ERR_UNSUPPORTED',
      'Gemm_y',
      'transA',
    ],
    [
      'Gemm with a C of the wrong size',
      on(['N', 2], node('Gemm', ['x', 'w', 'c'], 'y'), { w: m23, c: float([2], [1, 2]) }),
      'ERR_SHAPE',
      'Gemm_y',
      '[2]',
      '[1, 3]',
    ],
    [
      'Gemm of two branches',
      on(['N', 2], node('Gemm', ['x', 'x'], 'y')),
      'ERR_UNSUPPORTED',
      'Gemm_y',
      'constant',
    ],
    [
      'MatMul of a wrong width',
      on(['N', 3], node('MatMul', ['x', 'w'], 'y'), { w: m23 }),
      'ERR_SHAPE',
      'MatMul_y',
      '[1, 3]',
      '[2, 3]',
    ],
    [
      'MatMul by a stack',
      on(['N', 2], node('MatMul', ['x', 'w'], 'y'), { w: float([2, 2, 1], [1, 2, 3, 4]) }),
      'ERR_UNSUPPORTED',
      'MatMul_y',
      '[2, 2, 1]',
    ],
    [
      'MatMul of two branches',
      on(['N', 2], node('MatMul', ['x', 'x'], 'y')),
      'ERR_UNSUPPORTED',
      'MatMul_y',
      'constant',
    ],
    [
      'Conv of wrong channels',
      on(['N', 3, 4, 4], node('Conv', ['x', 'w'], 'y'), { w: k }),
      'ERR_SHAPE',
      'Conv_y',
      '[2, 2, 3, 3]',
      '[1, 3, 4, 4]',
    ],
    [
      'Conv of wrong groups',
      on(map, node('Conv', ['x', 'w'], 'y', { group: 2 }), { w: k }),
      'ERR_SHAPE',
      'Conv_y',
      '2 group',
    ],
    [
      'Conv larger than the data',
      on(['N', 2, 2, 2], node('Conv', ['x', 'w'], 'y'), { w: k }),
      'ERR_SHAPE',
      'Conv_y',
      '[1, 2, 2, 2]',
    ],
    [
      'Conv on vectors',
      on(['N', 2], node('Conv', ['x', 'w'], 'y'), { w: k }),
      'ERR_UNSUPPORTED',
      'Conv_y',
      '[1, 2]',
    ],
    [
      'Conv with negative pads',
      on(map, node('Conv', ['x', 'w'], 'y', { pads: [0, -1, 0, 0] }), { w: k }),
      'ERR_MODEL',
      'Conv_y',
      'pads',
    ],
    [
      'Conv with stride 0',
      on(map, node('Conv', ['x', 'w'], 'y', { strides: [0, 1] }), { w: k }),
      'ERR_MODEL',
      'Conv_y',
      'strides',
    ],
    [
      'Conv with another kernel_shape',
      on(map, node('Conv', ['x', 'w'], 'y', { kernel_shape: [3, 2] }), { w: k }),
      'ERR_SHAPE',
      'Conv_y',
      '[3, 2]',
    ],
    [
      'Conv with pads and auto_pad',
      on(map, node('Conv', ['x', 'w'], 'y', { pads: [1, 1, 1, 1], auto_pad: 'SAME_UPPER' }), { w: k }),
      'ERR_MODEL',
      'Conv_y',
      'auto_pad',
    ],
    [
      'Conv with an unknown auto_pad',
      on(map, node('Conv', ['x', 'w'], 'y', { auto_pad: 'SAME' }), { w: k }),
      'ERR_UNSUPPORTED',
      'Conv_y',
      "'SAME'",
    ],
    [
      'Conv with a bias of the wrong size',
      on(map, node('Conv', ['x', 'w', 'b'], 'y'), { w: k, b: float([3], [1, 2, 3]) }),
      'ERR_SHAPE',
      'Conv_y',
      '[3]',
      '[2]',
    ],
    [
      'Add of shapes that do not broadcast',
      on(['N', 2], node('Add', ['x', 'c'], 'y'), { c: float([3], [1, 2, 3]) }),
      'ERR_SHAPE',
      'Add_y',
      '[1, 2]',
      '[3]',
    ],
    [
      'Mul of two branches',
      on(['N', 2], node('Mul', ['x', 'x'], 'y')),
      'ERR_UNSUPPORTED',
      'Mul_y',
      'branches',
    ],
    [
      'Div by zero',
      on(['N', 2], node('Div', ['x', 'c'], 'y'), { c: float([2], [1, 0]) }),
      'ERR_MODEL',
      'Div_y',
      'zero',
    ],
    [
      'Div of a constant by data',
      on(['N', 2], node('Div', ['c', 'x'], 'y'), { c: float([2], [1, 2]) }),
      'ERR_UNSUPPORTED',
      'Div_y',
    ],
    [
      'BatchNormalization with a negative variance',
      on(map, node('BatchNormalization', ['x', 'g', 'g', 'g', 'v'], 'y'), bn),
      'ERR_MODEL',
      'BatchNormalization_y',
      'channel 1',
    ],
    [
      'BatchNormalization of wrong channels',
      on(['N', 3], node('BatchNormalization', ['x', 'g', 'g', 'g', 'g'], 'y'), bn),
      'ERR_SHAPE',
      'BatchNormalization_y',
      '[2]',
      '[1, 3]',
    ],
    [
      'BatchNormalization in training',
      on(map, node('BatchNormalization', ['x', 'g', 'g', 'g', 'g'], 'y', { training_mode: 1 }), bn),
      'ERR_UNSUPPORTED',
      'training_mode',
    ],
    [
      'Dropout in training',
      on(['N', 2], node('Dropout', ['x', '', 't'], 'y'), {
        t: { dims: [], data: [1], type: 'bool', form: 'raw' },
      }),
      'ERR_UNSUPPORTED',
      'Dropout_y',
      'training_mode',
    ],
    [
      'Cast of data',
      on(['N', 2], node('Cast', ['x'], 'y', { to: 11 })),
      'ERR_UNSUPPORTED',
      'Cast_y',
      'float32',
      'double',
    ],
    [
      'Reshape to another size',
      on(['N', 6], node('Reshape', ['x', 's'], 'y'), { s: ints([2, 2]) }),
      'ERR_SHAPE',
      'Reshape_y',
      '[1, 6]',
      '[2, 2]',
    ],
    [
      'Reshape with two -1',
      on(['N', 6], node('Reshape', ['x', 's'], 'y'), { s: ints([-1, -1]) }),
      'ERR_SHAPE',
      'Reshape_y',
      '[-1, -1]',
    ],
    [
      'Reshape to a shape of floats',
      on(['N', 6], node('Reshape', ['x', 's'], 'y'), { s: float([2], [2, 3]) }),
      'ERR_MODEL',
      'Reshape_y',
      'integers',
    ],
    [
      'Reshape to a shape that depends on data',
      on(['N', 6], node('Reshape', ['x', 'x'], 'y')),
      'ERR_UNSUPPORTED',
      'Reshape_y',
      'the shape',
    ],
    [
      'Squeeze of a long axis',
      on(['N', 6], node('Squeeze', ['x', 'a'], 'y'), { a: ints([1]) }),
      'ERR_SHAPE',
      'Squeeze_y',
      '[1, 6]',
    ],
    [
      'Unsqueeze outside the rank',
      on(['N', 6], node('Unsqueeze', ['x', 'a'], 'y'), { a: ints([5]) }),
      'ERR_SHAPE',
      'Unsqueeze_y',
      'axis 5',
    ],
    [
      'Flatten outside the rank',
      on(['N', 6], node('Flatten', ['x'], 'y', { axis: 3 })),
      'ERR_SHAPE',
      'Flatten_y',
      'axis 3',
    ],
    [
      'Transpose with a wrong perm',
      on(['N', 6], node('Transpose', ['x'], 'y', { perm: [0, 0] })),
      'ERR_MODEL',
      'Transpose_y',
      '[0, 0]',
    ],
    [
      'Pad by reflection',
      on(['N', 6], node('Pad', ['x', 'p'], 'y', { mode: 'reflect' }), { p: ints([0, 1, 0, 1]) }),
      'ERR_UNSUPPORTED',
      'Pad_y',
      "'reflect'",
    ],
    [
      'Pad by ones',
      on(['N', 6], node('Pad', ['x', 'p', 'v'], 'y'), { p: ints([0, 1, 0, 1]), v: float([], [1]) }),
      'ERR_UNSUPPORTED',
      'Pad_y',
      'zeros',
    ],
    [
      'Pad by negative counts',
      on(['N', 6], node('Pad', ['x'], 'y', { pads: [0, -1, 0, 0] }), {}, 10),
      'ERR_UNSUPPORTED',
      'Pad_y',
      'negative',
    ],
    ['Pad without pads', on(['N', 6], node('Pad', ['x'], 'y')), 'ERR_MODEL', 'Pad_y', 'pads'],
    [
      'Constant of strings',
      { nodes: [node('Constant', [], 'c', { value_string: 'a' }), node('Add', ['x', 'c'], 'y')] },
      'ERR_UNSUPPORTED',
      'Constant_c',
      "'value_string'",
    ],
    [
      'Concat of branches',
      on(['N', 2], node('Concat', ['x', 'x'], 'y', { axis: 0 })),
      'ERR_UNSUPPORTED',
      'Concat_y',
      'constant',
    ],
  ])('refuses %s', (_, spec, code, ...parts) => expectError(buildOnnx(spec), code, ...parts));
});
