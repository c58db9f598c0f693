/** Losses whose gradients are checked, whatever computes them. */
import type { Tape, Tensor } from '../../src/autodiff/index.js';
import type { Shape } from '../../src/tensor.js';
import type { Problem } from './gradients.js';
import { random } from './onnxruntime.js';

/** A loss that weighs every entry of y differently, so that no wrong place can hide. */
function weigh(tape: Tape, y: Tensor): Tensor {
  const weights = tape.tensor(
    Array.from({ length: y.size }, (_, i) => Math.sin(1 + i)),
    y.shape,
  );
  return tape.sum(tape.multiply(y, weights));
}

const one = (shape: Shape, f: (tape: Tape, x: Tensor) => Tensor, from?: (x: number) => number): Problem => ({
  shapes: [shape],
  loss: (tape, x) => weigh(tape, f(tape, x)),
  ...(from && { from }),
});
const two = (
  a: Shape,
  b: Shape,
  f: (tape: Tape, a: Tensor, b: Tensor) => Tensor,
  from?: (x: number) => number,
): Problem => ({
  shapes: [a, b],
  loss: (tape, x, y) => weigh(tape, f(tape, x, y)),
  ...(from && { from }),
});
/** Away from kinks and poles at 0. */
const positive = (x: number): number => 0.6 + 0.5 * x;
const labels = [2, 0, 3, 1, 1];

/** Every operation of the tape, by name. */
export const problems: Record<string, Problem> = {
  relu: one([3, 7], (t, x) => t.relu(x)),
  abs: one([21], (t, x) => t.abs(x)),
  exp: one([4, 5], (t, x) => t.exp(x)),
  log: one([20], (t, x) => t.log(x), positive),
  sqrt: one([20], (t, x) => t.sqrt(x), positive),
  reciprocal: one([20], (t, x) => t.reciprocal(x), positive),
  square: one([20], (t, x) => t.square(x)),
  softplus: one([20], (t, x) => t.softplus(t.scale(x, 30))),
  sigmoid: one([20], (t, x) => t.sigmoid(t.scale(x, 3))),
  scale: one([20], (t, x) => t.scale(x, -1.5, 0.25)),
  clamp: one([40], (t, x) => t.clamp(x, -0.5, 0.31)),
  'add, same shape': two([3, 4], [3, 4], (t, a, b) => t.add(a, b)),
  'add, row': two([3, 4], [4], (t, a, b) => t.add(a, b)),
  'subtract, column': two([3, 4], [3, 1], (t, a, b) => t.subtract(a, b)),
  'multiply, middle axis': two([2, 1, 5], [3, 1], (t, a, b) => t.multiply(a, b)),
  'multiply, scalar': two([], [2, 3], (t, a, b) => t.multiply(a, b)),
  divide: two([2, 3, 4], [3, 1], (t, a, b) => t.divide(a, b), positive),
  max: two([5, 6], [6], (t, a, b) => t.max(a, b)),
  min: two([6], [5, 6], (t, a, b) => t.min(a, b)),
  broadcastTo: one([3, 1], (t, x) => t.broadcastTo(x, [2, 3, 4])),
  reshape: one([3, 4], (t, x) => t.reshape(x, [2, 6])),
  gather: one([3, 4], (t, x) => t.gather(x, Int32Array.of(5, -1, 0, 5, 11, 3), [2, 3])),
  concatenate: two([2, 3], [1, 3], (t, a, b) => t.concatenate([a, b, a])),
  sum: one([3, 4], (t, x) => t.sum(x)),
  'sum, first axis': one([3, 4, 2], (t, x) => t.sum(x, { axes: [0] })),
  'sum, outer axes, kept': one([3, 4, 2], (t, x) => t.sum(x, { axes: [0, 2], keep: true })),
  mean: one([3, 4], (t, x) => t.mean(x)),
  largest: one([5, 9], (t, x) => t.largest(x)),
  logSumExp: one([2, 5, 4], (t, x) => t.logSumExp(t.scale(x, 20))),
  norm1: one([5, 4], (t, x) => t.norm1(x, { axes: [1] })),
  norm2: one([5, 4], (t, x) => t.norm2(x, { axes: [1] })),
  matmul: two([3, 20], [20, 5], (t, a, b) => t.matmul(a, b)),
  'matmul, a transposed': two([20, 3], [20, 5], (t, a, b) => t.matmul(a, b, { transposeA: true })),
  'matmul, b transposed': two([3, 20], [5, 20], (t, a, b) => t.matmul(a, b, { transposeB: true })),
  'matmul, both transposed': two([20, 3], [5, 20], (t, a, b) =>
    t.matmul(a, b, { transposeA: true, transposeB: true }),
  ),
  linear: {
    shapes: [[3, 6], [4, 6], [4]],
    loss: (t, x, w, b) => weigh(t, t.linear(x, w, b)),
  },
  'linear with ReLU': {
    shapes: [[5, 6], [4, 6], [4]],
    loss: (t, x, w, b) => weigh(t, t.linear(x, w, b, { relu: true })),
  },
  'linear with ReLU, no bias': {
    shapes: [
      [5, 6],
      [4, 6],
    ],
    loss: (t, x, w) => weigh(t, t.linear(x, w, undefined, { relu: true })),
  },
  conv2d: {
    shapes: [[2, 2, 6, 5], [3, 2, 3, 2], [3]],
    loss: (t, x, w, b) => weigh(t, t.conv2d(x, w, b, { strides: [2, 1], pads: [1, 0] })),
  },
  crossEntropies: one([5, 4], (t, x) => t.crossEntropies(x, labels)),
  'crossEntropy, smoothed': one([5, 4], (t, x) => t.crossEntropy(x, labels, 0.1)),
  klDivergence: two([5, 4], [5, 4], (t, a, b) => t.klDivergence(a, b)),
  jensenShannon: two([5, 4], [5, 4], (t, a, b) => t.jensenShannon([a, b, t.scale(a, 2)])),
  convolutionNorm: one([3, 2, 2, 3], (t, x) => {
    const state = { left: t.filled([1, 3, 3, 2], 1), right: t.filled([1, 2, 5, 4], 1) };
    t.arithmetic.gaussian(state.right.storage, 5, 1);
    return t.convolutionNorm(x, state, { strides: [2, 1], pads: [1, 0] }, 600);
  }),
  spectralNorm: one([4, 6], (t, x) => {
    const state = {
      left: t.filled([4], 1),
      right: t.tensor([1, 2, -1, 0.5, 0.3, -0.7], [6]),
    };
    return t.spectralNorm(x, state, 400);
  }),
};

/** Up to 12 operations, each on any earlier results of a fitting shape; smooth but for kinks that noise avoids. */
export function randomGraph(seed: number): Problem {
  const loss = (tape: Tape, ...leaves: Tensor[]): Tensor => {
    const next = random(1000 + seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)];
    const pool = [...leaves];
    for (let count = 3 + Math.floor(next() * 10); count > 0; count--) {
      const a = pick(pool);
      const mates = pool.filter(({ shape }) => shape[0] === a.shape[0] && shape[1] === a.shape[1]);
      const inner = pool.filter(({ shape }) => shape[0] === a.shape[1]);
      const make = pick([
        () => tape.relu(a),
        () => tape.abs(a),
        () => tape.softplus(a),
        () => tape.sigmoid(a),
        () => tape.square(tape.sigmoid(a)),
        () => tape.add(a, pick(mates)),
        () => tape.multiply(a, tape.sigmoid(pick(mates))),
        () => tape.max(a, pick(mates)),
        () => tape.divide(a, tape.scale(tape.square(pick(mates)), 1, 1)),
        () => tape.subtract(a, tape.reshape(tape.logSumExp(a), [a.shape[0], 1])),
        () => tape.matmul(a, a, { transposeB: true }),
        () => (inner.length > 0 ? tape.matmul(a, pick(inner)) : tape.scale(a, -0.5, 0.1)),
        () => tape.add(a, tape.sum(a, { axes: [0], keep: true })),
        () => tape.multiply(a, tape.stopGradient(tape.filled(a.shape, 0.3))),
      ]);
      pool.push(tape.scale(make(), 0.5));
    }
    return pool.slice(-4).reduce((sum, y) => tape.add(sum, weigh(tape, y)), tape.filled([], 0));
  };
  return {
    shapes: [
      [2, 3],
      [3, 4],
      [4, 2],
      [3, 3],
    ],
    loss,
  };
}
