/** Operators that move or relabel features, constants and old files, against onnxruntime. */
import { sizeOf } from '../src/tensor.js';
import { double, float, ints, node, type AttributeValue, type Tensor } from './support/onnx-build.js';
import { describeAgreement, noise, type Case } from './support/onnxruntime.js';

let seed = 1;
/** A float initializer of noise. */
const w = (...dims: number[]): Tensor => float(dims, noise(seed++, sizeOf(dims)));

const layout: Case[] = [
  ...[0, 1, 2, 4, -1].map((axis) => ({
    title: `Flatten axis ${axis}`,
    input: [1, 2, 3, 2],
    nodes: [node('Flatten', ['x'], 'y', { axis })],
  })),
  ...[
    [1, -1],
    [0, -1],
    [-1, 12],
    [0, 0, 6],
    [2, 6],
    [1, 3, 2, 2],
  ].map((shape) => ({
    title: `Reshape to [${shape.join(', ')}]`,
    input: ['N', 2, 3, 2],
    nodes: [node('Reshape', ['x', 's'], 'y')],
    tensors: { s: ints(shape) },
  })),
  {
    title: 'Reshape to a shape computed from Shape, Gather, Unsqueeze, Slice and Concat',
    input: ['N', 2, 3, 2],
    nodes: [
      node('Conv', ['x', 'w'], 'c'),
      node('Shape', ['c'], 's'),
      node('Gather', ['s', 'zero'], 'n'),
      node('Unsqueeze', ['n', 'axes'], 'n1'),
      node('Slice', ['s', 'start', 'end'], 'tail'),
      node('Mul', ['tail', 'one'], 'tail1'),
      node('Concat', ['n1', 'rest', 'tail1'], 't', { axis: 0 }),
      node('Reshape', ['c', 't'], 'y'),
    ],
    tensors: {
      w: w(4, 2, 1, 1),
      zero: ints([0], 'raw', []),
      axes: ints([0]),
      start: ints([3]),
      end: ints([Number.MAX_SAFE_INTEGER]),
      one: ints([1]),
      rest: ints([-1]),
    },
    ops: ['conv', 'reshape'],
  },
  {
    title: 'a branch that is only asked for its shape is dropped',
    input: ['N', 4],
    nodes: [
      node('Relu', ['x'], 'r'),
      node('Gemm', ['x', 'w'], 'g'),
      node('Shape', ['g'], 's'),
      node('Reshape', ['r', 's'], 'y'),
    ],
    tensors: { w: w(4, 4) },
    ops: ['relu'],
  },
  { title: 'Squeeze of all axes', input: [1, 1, 3, 1], nodes: [node('Squeeze', ['x'], 'y')] },
  {
    title: 'Squeeze and Unsqueeze, attribute form',
    input: ['N', 1, 3, 1],
    opset: 11,
    nodes: [node('Squeeze', ['x'], 's', { axes: [1, -1] }), node('Unsqueeze', ['s'], 'y', { axes: [1, 3] })],
  },
  {
    title: 'Squeeze and Unsqueeze, input form',
    input: ['N', 1, 3, 1],
    nodes: [node('Squeeze', ['x', 'a'], 's'), node('Unsqueeze', ['s', 'b'], 'y')],
    tensors: { a: ints([-1, 1]), b: ints([-1, 1]) },
  },
  ...[
    [0, 2, 3, 1],
    [0, 3, 1, 2],
    [0, 1, 3, 2],
  ].map((perm) => ({
    title: `Transpose [${perm.join(', ')}]`,
    input: ['N', 2, 3, 4],
    nodes: [node('Transpose', ['x'], 't', { perm }), node('Flatten', ['t'], 'y')],
    ops: ['index', 'reshape'],
  })),
  { title: 'Transpose without perm', input: ['N', 2, 3, 4], nodes: [node('Transpose', ['x'], 'y')] },
  {
    title: 'Transpose that moves only axes of size 1',
    input: ['N', 1, 3, 4],
    nodes: [node('Transpose', ['x'], 't', { perm: [0, 2, 3, 1] }), node('Flatten', ['t'], 'y')],
    ops: ['reshape'],
  },
  {
    title: 'a channels-last network',
    input: ['N', 4, 4, 2],
    nodes: [
      node('Transpose', ['x'], 't', { perm: [0, 3, 1, 2] }),
      node('Conv', ['t', 'w', 'b'], 'c', { strides: [2, 2] }),
      node('Relu', ['c'], 'r'),
      node('Transpose', ['r'], 'u', { perm: [0, 2, 3, 1] }),
      node('Reshape', ['u', 's'], 'f'),
      node('MatMul', ['f', 'v'], 'y'),
    ],
    tensors: { w: w(3, 2, 2, 2), b: w(3), s: ints([-1, 12]), v: w(12, 2) },
    ops: ['index', 'conv', 'relu', 'index', 'reshape', 'linear'],
  },
  {
    title: 'Pad, attribute form',
    input: ['N', 2, 3, 2],
    opset: 10,
    nodes: [node('Pad', ['x'], 'y', { pads: [0, 1, 0, 2, 0, 0, 3, 1] })],
    ops: ['index'],
  },
  {
    title: 'Pad, input form, zero value',
    input: ['N', 2, 3],
    nodes: [node('Pad', ['x', 'p', 'v'], 'y', { mode: 'constant' })],
    tensors: { p: ints([0, 0, 1, 0, 2, 0]), v: float([], [0]) },
  },
  {
    title: 'Pad with axes',
    input: ['N', 2, 3],
    opset: 18,
    nodes: [node('Pad', ['x', 'p', '', 'a'], 'y')],
    tensors: { p: ints([1, 2]), a: ints([-1]) },
  },
  {
    title: 'Pad by nothing',
    input: ['N', 3],
    nodes: [node('Pad', ['x', 'p'], 'q'), node('Relu', ['q'], 'y')],
    tensors: { p: ints([0, 0, 0, 0]) },
    ops: ['relu'],
  },
];

const constantForms: Record<string, AttributeValue>[] = [
  { value: float([3], [1, 2, 3]) },
  { value: float([3], [1, 2, 3], 'typed') },
  { value_floats: { floats: [1, 2, 3] } },
  { value_float: { float: 0.5 } },
];

const constants: Case[] = [
  ...constantForms.map((attributes) => ({
    title: `Constant ${JSON.stringify(attributes)}`,
    input: ['N', 3],
    nodes: [node('Constant', [], 'c', attributes), node('Add', ['x', 'c'], 'y')],
  })),
  {
    title: 'Constant value_ints as a shape',
    input: ['N', 6],
    nodes: [node('Constant', [], 's', { value_ints: [0, 2, 3] }), node('Reshape', ['x', 's'], 'y')],
  },
  {
    title: 'Constant value_int through Unsqueeze and Concat',
    input: ['N', 6],
    nodes: [
      node('Constant', [], 'i', { value_int: 0 }),
      node('Unsqueeze', ['i', 'a'], 'i1'),
      node('Concat', ['i1', 'm'], 's', { axis: 0 }),
      node('Reshape', ['x', 's'], 'y'),
    ],
    tensors: { a: ints([0]), m: ints([3, -1]) },
  },
  {
    title: 'ConstantOfShape',
    input: ['N', 3],
    nodes: [node('ConstantOfShape', ['s'], 'c', { value: float([1], [2.5]) }), node('Mul', ['x', 'c'], 'y')],
    tensors: { s: ints([1, 3]) },
  },
  {
    title: 'ConstantOfShape, default value',
    input: ['N', 3],
    nodes: [node('ConstantOfShape', ['s'], 'c'), node('Add', ['x', 'c'], 'y')],
    tensors: { s: ints([3]) },
  },
  {
    title: 'weights computed from constants: Transpose, Mul, Reshape, Cast',
    input: ['N', 3],
    nodes: [
      node('Transpose', ['w'], 't', { perm: [1, 0] }),
      node('Mul', ['t', 'c'], 'm'),
      node('Cast', ['k'], 'kf', { to: 1 }),
      node('Reshape', ['kf', 's'], 'b'),
      node('Gemm', ['x', 'm', 'b'], 'y'),
    ],
    tensors: { w: w(2, 3), c: w(3, 1), k: ints([4, -7]), s: ints([1, 2]) },
    ops: ['linear'],
  },
  {
    title: 'typed data fields and int32 shapes',
    input: ['N', 4],
    nodes: [node('Gemm', ['x', 'w', 'b'], 'g'), node('Reshape', ['g', 's'], 'y')],
    tensors: {
      w: float([4, 2], noise(99, 8), 'typed'),
      b: float([2], [1, 2], 'typed'),
      s: ints([-1, 1, 2], 'typed'),
    },
  },
  {
    title: 'typed float64 data',
    input: ['N', 3],
    type: 'double',
    nodes: [node('Mul', ['x', 'c'], 'y')],
    tensors: { c: double([3], [0.1, 0.2, 0.3], 'typed') },
  },
  {
    title: 'Identity, Dropout and Cast to the same type',
    input: ['N', 3],
    nodes: [
      node('Identity', ['x'], 'i'),
      node('Dropout', ['i', 'p', 'off'], 'd'),
      node('Cast', ['d'], 'k', { to: 1 }),
      node('Relu', ['k'], 'y'),
    ],
    tensors: { p: float([], [0.5]), off: { dims: [], data: [0], type: 'bool', form: 'raw' } },
    ops: ['relu'],
  },
  {
    title: 'Dropout, attribute form',
    input: ['N', 3],
    opset: 10,
    nodes: [node('Dropout', ['x'], 'd', { ratio: { float: 0.3 } }), node('Relu', ['d'], 'y')],
  },
  {
    title: 'initializers listed as inputs (old files)',
    input: ['N', 3],
    irVersion: 3,
    opset: 8,
    oldInputs: true,
    nodes: [node('MatMul', ['x', 'w'], 'm'), node('Add', ['m', 'b'], 'y')],
    tensors: { w: w(3, 2), b: w(2) },
  },
  {
    title: 'rank-4 vector input [1, 1, 1, 5]',
    input: [1, 1, 1, 5],
    nodes: [node('Sub', ['x', 'm'], 's'), node('Flatten', ['s'], 'f'), node('MatMul', ['f', 'w'], 'y')],
    tensors: { m: w(1, 1, 1, 5), w: w(5, 2) },
  },
  {
    title: 'a column per image [1, 4, 1]',
    input: [1, 4, 1],
    nodes: [node('Flatten', ['x'], 'f'), node('Gemm', ['f', 'w'], 'y')],
    tensors: { w: w(4, 2) },
  },
];

describeAgreement('layout operators', layout);
describeAgreement('constants and old files', constants);
