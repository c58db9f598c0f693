/** Gemm, MatMul, Conv, arithmetic and BatchNormalization against onnxruntime, with the odd attributes that exporters write. */
import { expect, it } from 'vitest';
import { evaluate, loadModel } from '../src/model/index.js';
import { sizeOf } from '../src/tensor.js';
import { buildOnnx, double, float, ints, node, type Tensor } from './support/onnx-build.js';
import { describeAgreement, noise, type Case } from './support/onnxruntime.js';

let seed = 1;
/** A float initializer of noise. */
const w = (...dims: number[]): Tensor => float(dims, noise(seed++, sizeOf(dims)));
const w64 = (...dims: number[]): Tensor => double(dims, noise(seed++, sizeOf(dims)));

const linear: Case[] = [
  {
    title: 'Gemm with alpha, beta and transB',
    input: ['N', 5],
    nodes: [node('Gemm', ['x', 'w', 'b'], 'y', { alpha: { float: 0.3 }, beta: { float: -2.5 }, transB: 1 })],
    tensors: { w: w(4, 5), b: w(4) },
    ops: ['linear'],
  },
  { title: 'Gemm without C', input: [1, 5], nodes: [node('Gemm', ['x', 'w'], 'y')], tensors: { w: w(5, 3) } },
  ...[[1], [1, 3], [], [1, 1]].map((dims) => ({
    title: `Gemm with C of shape [${dims.join(', ')}]`,
    input: ['N', 5],
    nodes: [node('Gemm', ['x', 'w', 'c'], 'y')],
    tensors: { w: w(5, 3), c: w(...dims) },
  })),
  {
    title: 'MatMul data x matrix',
    input: ['N', 4],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(4, 3) },
  },
  {
    title: 'MatMul data x vector',
    input: ['N', 4],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(4) },
  },
  {
    title: 'MatMul matrix x vector data',
    input: [4],
    nodes: [node('MatMul', ['w', 'x'], 'y')],
    tensors: { w: w(3, 4) },
  },
  {
    title: 'MatMul vector data x matrix',
    input: [4],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(4, 3) },
  },
  {
    title: 'MatMul vector x vector',
    input: [4],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(4) },
  },
  {
    title: 'MatMul on the last axis of [N, 1, 1, 5]',
    input: [1, 1, 1, 5],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(5, 3) },
    ops: ['reshape', 'linear', 'reshape'],
  },
  {
    title: 'MatMul on the last axis of a matrix per image',
    input: ['N', 4, 5],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(5, 3) },
    ops: ['index', 'conv', 'index', 'reshape'],
  },
  {
    title: 'MatMul on the last axis of a map',
    input: ['N', 2, 4, 5],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(5, 3) },
  },
  {
    title: 'MatMul from the left on a matrix per image',
    input: ['N', 4, 5],
    nodes: [node('MatMul', ['w', 'x'], 'y')],
    tensors: { w: w(3, 4) },
    ops: ['conv'],
  },
  {
    title: 'MatMul from the left on a map',
    input: ['N', 2, 4, 5],
    nodes: [node('MatMul', ['w', 'x'], 'y')],
    tensors: { w: w(3, 4) },
  },
  {
    title: 'MatMul vector from the left',
    input: ['N', 4, 5],
    nodes: [node('MatMul', ['w', 'x'], 'y')],
    tensors: { w: w(4) },
  },
  {
    title: 'MatMul with a constant of higher rank',
    input: ['N', 4],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    tensors: { w: w(1, 1, 4, 3) },
  },
  {
    title: 'a column network: W x on the transposed input',
    input: [1, 4],
    nodes: [
      node('Transpose', ['x'], 't'),
      node('MatMul', ['w', 't'], 'm'),
      node('Add', ['m', 'b'], 'a'),
      node('Relu', ['a'], 'r'),
      node('MatMul', ['v', 'r'], 'y'),
    ],
    tensors: { w: w(6, 4), b: w(6, 1), v: w(2, 6) },
    ops: ['linear', 'scale', 'relu', 'linear'],
  },
  {
    title: 'float64 weights',
    input: ['N', 4],
    type: 'double',
    nodes: [
      node('Gemm', ['x', 'w', 'b'], 'g', { alpha: { float: 0.7 } }),
      node('Relu', ['g'], 'r'),
      node('MatMul', ['r', 'v'], 'y'),
    ],
    tensors: { w: w64(4, 6), b: w64(6), v: w64(6, 2) },
  },
];

const conv: Case[] = [
  {
    title: 'Conv, plain, no bias',
    input: ['N', 2, 6, 5],
    nodes: [node('Conv', ['x', 'w'], 'y')],
    tensors: { w: w(3, 2, 3, 2) },
  },
  {
    title: 'Conv with stride, uneven pads, dilation and groups',
    input: ['N', 4, 9, 8],
    nodes: [
      node('Conv', ['x', 'w', 'b'], 'y', {
        strides: [2, 1],
        pads: [0, 1, 2, 3],
        dilations: [1, 2],
        group: 2,
        kernel_shape: [3, 2],
      }),
    ],
    tensors: { w: w(6, 2, 3, 2), b: w(6) },
    ops: ['conv'],
  },
  {
    title: 'depthwise Conv',
    input: ['N', 3, 5, 5],
    nodes: [node('Conv', ['x', 'w', 'b'], 'y', { group: 3, pads: [1, 1, 1, 1] })],
    tensors: { w: w(6, 1, 3, 3), b: w(6) },
  },
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID', 'NOTSET'].flatMap((auto_pad) =>
    [1, 2, 3].map((stride) => ({
      title: `Conv auto_pad ${auto_pad}, stride ${stride}`,
      input: ['N', 2, 7, 6],
      nodes: [node('Conv', ['x', 'w', 'b'], 'y', { auto_pad, strides: [stride, stride] })],
      tensors: { w: w(3, 2, 4, 3), b: w(3) },
    })),
  ),
  {
    title: 'Conv 1-D with stride, pads and dilation',
    input: ['N', 2, 11],
    nodes: [
      node('Conv', ['x', 'w', 'b'], 'c', { strides: [2], pads: [2, 1], dilations: [2] }),
      node('Relu', ['c'], 'r'),
      node('Flatten', ['r'], 'f'),
      node('Gemm', ['f', 'v'], 'y'),
    ],
    tensors: { w: w(3, 2, 3), b: w(3), v: w(15, 2) },
    ops: ['conv', 'relu', 'reshape', 'linear'],
  },
  {
    title: 'Conv 1-D after Reshape of a vector',
    input: ['N', 12],
    nodes: [node('Reshape', ['x', 's'], 'r'), node('Conv', ['r', 'w'], 'y', { auto_pad: 'SAME_LOWER' })],
    tensors: { s: ints([0, 3, -1]), w: w(2, 3, 2) },
  },
];

const arithmetic: Case[] = [
  ...['Add', 'Sub', 'Mul', 'Div'].flatMap((op) =>
    [[3, 1, 1], [4, 1], [2], [], [1, 3, 4, 2]].map((dims) => ({
      title: `${op} by a constant of shape [${dims.join(', ')}]`,
      input: ['N', 3, 4, 2],
      nodes: [node(op, ['x', 'c'], 'y')],
      tensors: { c: w(...dims) },
      ops: ['scale'],
    })),
  ),
  ...['Add', 'Sub', 'Mul'].map((op) => ({
    title: `a constant ${op} data`,
    input: ['N', 3],
    nodes: [node(op, ['c', 'x'], 'y')],
    tensors: { c: w(3) },
    ops: ['scale'],
  })),
  {
    title: 'Sub in float64',
    input: ['N', 3],
    type: 'double',
    nodes: [node('Sub', ['x', 'c'], 'y')],
    tensors: { c: w64(3) },
  },
  {
    title: 'a constant that repeats the data (one channel to three)',
    input: ['N', 1, 2, 2],
    nodes: [node('Sub', ['x', 'mean'], 's'), node('Div', ['s', 'std'], 'y')],
    tensors: { mean: w(3, 1, 1), std: float([3, 1, 1], [0.2, 0.3, 0.4]) },
  },
  {
    title: 'Add and Sub of two branches',
    input: ['N', 4],
    nodes: [
      node('Gemm', ['x', 'w'], 'a'),
      node('Relu', ['a'], 'r'),
      node('Add', ['r', 'x'], 's'),
      node('Sub', ['s', 'a'], 't'),
      node('Relu', ['t'], 'u'),
      node('Add', ['u', 'u'], 'v'),
      node('Sub', ['x', 'v'], 'y'),
    ],
    tensors: { w: w(4, 4) },
    ops: ['linear', 'relu', 'add', 'scale', 'add', 'relu', 'scale', 'scale', 'add'],
  },
  {
    title: 'Add of two branches that broadcast',
    input: ['N', 3, 2, 2],
    nodes: [node('Conv', ['x', 'w'], 'c'), node('Conv', ['x', 'v'], 'd'), node('Add', ['c', 'd'], 'y')],
    tensors: { w: w(3, 3, 2, 2), v: w(3, 3, 1, 1) },
  },
  {
    title: 'BatchNormalization of maps with epsilon',
    input: ['N', 3, 2, 2],
    nodes: [
      node('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], 'y', {
        epsilon: { float: 0.01 },
        momentum: { float: 0.9 },
      }),
    ],
    tensors: { g: w(3), b: w(3), m: w(3), v: float([3], [0.5, 1e-6, 2]) },
    ops: ['scale'],
  },
  {
    title: 'BatchNormalization of vectors and of signals',
    input: ['N', 2, 3],
    nodes: [
      node('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], 'n'),
      node('Flatten', ['n'], 'f'),
      node('BatchNormalization', ['f', 'g6', 'b6', 'm6', 'v6'], 'y'),
    ],
    tensors: {
      g: w(2),
      b: w(2),
      m: w(2),
      v: float([2], [0.3, 0.7]),
      g6: w(6),
      b6: w(6),
      m6: w(6),
      v6: float([6], [1, 2, 3, 4, 5, 6]),
    },
  },
];

describeAgreement('Gemm and MatMul', linear);
describeAgreement('Conv', conv);
describeAgreement('arithmetic and BatchNormalization', arithmetic);

it('reads Conv in float64, which onnxruntime does not run, as in float32', async () => {
  const [weight, image] = [noise(7, 36), noise(8, 32)];
  const build = (type: 'float' | 'double', make: typeof float) =>
    loadModel(
      buildOnnx({
        input: ['N', 2, 4, 4],
        type,
        nodes: [node('Conv', ['x', 'w'], 'y')],
        tensors: { w: make([2, 2, 3, 3], weight) },
      }),
    );
  const [single, exact] = [await build('float', float), await build('double', double)];
  expect(exact.graph.nodes[1]).toMatchObject({ op: 'conv', weight: Float64Array.from(weight) });
  expect(evaluate(exact.graph, Float64Array.from(image))).toEqual(
    evaluate(single.graph, Float64Array.from(image)),
  );
});
