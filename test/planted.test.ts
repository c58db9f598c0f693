/**
 * Networks with a counterexample planted inside the region, near its border: the output's bias is moved so
 * that the margin at the worst point an attack finds is a little below zero. None may be verified.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Assurance,
  type Method,
  type Model,
  type Region,
  Verifier,
  ballL1,
  ballL2,
  ballLinf,
  certify,
  evaluate,
  loadModel,
  margins,
} from '../src/index.js';
import { temporaryFolder } from './support/array-files.js';
import { type FileSpec, type Tensor, buildOnnx, float, node } from './support/onnx-build.js';
import { Random } from './support/random-networks.js';

const each = 120;
const outputs = 4;

type Draw = (dims: readonly number[]) => Tensor;
const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** Builds the file, with the output's bias given; every weight drawn in turn. */
const kinds: Record<string, (draw: Draw, bias: readonly number[]) => FileSpec> = {
  linear: (draw, bias) => ({
    input: ['N', 12],
    nodes: [
      node('Gemm', ['x', 'w1', 'b1'], 'z1', { transB: 1 }),
      node('Relu', ['z1'], 'h1'),
      node('Gemm', ['h1', 'w2', 'b2'], 'z2', { transB: 1 }),
      node('Relu', ['z2'], 'h2'),
      node('Gemm', ['h2', 'w3', 'b3'], 'y', { transB: 1 }),
    ],
    tensors: {
      w1: draw([16, 12]),
      b1: draw([16]),
      w2: draw([14, 16]),
      b2: draw([14]),
      w3: draw([outputs, 14]),
      b3: float([outputs], bias),
    },
  }),
  convolutional: (draw, bias) => ({
    input: ['N', 2, 5, 5],
    nodes: [
      node('Conv', ['x', 'k1', 'b1'], 'z1', { pads: [1, 1, 1, 1], strides: [2, 2] }),
      node('Relu', ['z1'], 'h1'),
      node('Conv', ['h1', 'k2', 'b2'], 'z2'),
      node('Relu', ['z2'], 'h2'),
      node('Flatten', ['h2'], 'f'),
      node('Gemm', ['f', 'w', 'b3'], 'y', { transB: 1 }),
    ],
    tensors: {
      k1: draw([4, 2, 3, 3]),
      b1: draw([4]),
      k2: draw([5, 4, 2, 2]),
      b2: draw([5]),
      w: draw([outputs, 20]),
      b3: float([outputs], bias),
    },
  }),
  residual: (draw, bias) => ({
    input: ['N', 1, 4, 4],
    nodes: [
      node('Conv', ['x', 'k0', 'b0'], 's', { pads: [1, 1, 1, 1] }),
      node('Relu', ['s'], 'stem'),
      node('Conv', ['stem', 'k1', 'b1'], 'z1', { pads: [1, 1, 1, 1] }),
      node('Relu', ['z1'], 'h1'),
      node('Conv', ['h1', 'k2', 'b2'], 'z2', { pads: [1, 1, 1, 1] }),
      node('Add', ['z2', 'stem'], 'sum'),
      node('Relu', ['sum'], 'out'),
      node('Flatten', ['out'], 'f'),
      node('Gemm', ['f', 'w', 'b3'], 'y', { transB: 1 }),
    ],
    tensors: {
      k0: draw([2, 1, 3, 3]),
      b0: draw([2]),
      k1: draw([2, 2, 3, 3]),
      b1: draw([2]),
      k2: draw([2, 2, 3, 3]),
      b2: draw([2]),
      w: draw([outputs, 32]),
      b3: float([outputs], bias),
    },
  }),
};

const regions: readonly [string, number, (center: Float64Array, eps: number) => Region][] = [
  ['l2', 0.15, (center, eps) => ballL2(center, eps)],
  ['l2 clipped', 0.2, (center, eps) => ballL2(center, eps, { clip: [0, 1] })],
  ['linf', 0.03, (center, eps) => ballLinf(center, eps, { clip: [0, 1] })],
  ['l1', 0.3, (center, eps) => ballL1(center, eps, { clip: [0, 1] })],
];

interface Instance {
  readonly model: Model;
  readonly region: Region;
  readonly label: number;
}

/** The smallest margin of `label` at a point, and the class that has it. */
function worst(y: Float64Array, label: number): { margin: number; other: number } {
  const others = Array.from(y.keys()).filter((other) => other !== label);
  const other = others.reduce((a, b) => (y[b] > y[a] ? b : a));
  return { margin: y[label] - y[other], other };
}

const folder = temporaryFolder();
let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 2 });
});
afterAll(() => verifier.close());

/**
 * An instance whose smallest margin over the region is at most `-depth` (or, for a negative depth, about
 * `depth` above the best that an attack finds).
 */
async function instance(kind: string, number: number, depth: number): Promise<Instance> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const seed = 1000 * number + attempt;
    const build = async (bias: readonly number[]): Promise<Model> => {
      const random = new Random(seed);
      const draw: Draw = (dims) => {
        const inputs = Math.max(1, product(dims.slice(1)));
        return float(
          dims,
          Array.from(random.normals(product(dims), dims.length > 1 ? Math.sqrt(1.7 / inputs) : 0.2)),
        );
      };
      return loadModel(buildOnnx(kinds[kind](draw, bias)));
    };
    const bias = [0, 0, 0, 0];
    const plain = await build(bias);
    const random = new Random(seed + 500);
    const center = random.vector(plain.inputSize, 0, 1);
    const [, eps, make] = regions[number % regions.length];
    const region = make(center, eps);
    const atCenter = evaluate(plain.graph, center);
    const label = atCenter.indexOf(Math.max(...atCenter));
    const attack = { specification: margins(label), steps: 60, restarts: 16 };
    const { point, margin } = await verifier.attack(plain, region, attack);
    // The margin of the class that is worst there moves to -depth; the others stay or get smaller too.
    bias[label] = -(margin[0] + depth);
    const model = await build(bias);
    const moved = worst(evaluate(model.graph, center), label).margin;
    const reached = worst(evaluate(model.graph, point), label).margin;
    if (moved > 0 && (depth < 0 || (reached < 0 && reached > -2 * depth))) return { model, region, label };
  }
  throw new Error(`no ${kind} instance ${number} in 20 attempts`);
}

const levels: readonly Assurance[] = ['real', 'float32'];
const methods: readonly Method[] = ['joint', 'complete', 'weighted'];

describe.each(Object.keys(kinds))('%s networks', (kind) => {
  it(`${each} planted counterexamples: none verified`, async () => {
    const verified: string[] = [];
    for (let number = 0; number < each; number += 1) {
      // From 1e-6, where float32 outputs cannot tell any more, to a hundredth.
      const depth = 10 ** -(2 + (number % 5));
      const { model, region, label } = await instance(kind, number, depth);
      for (const assurance of levels) {
        for (const method of methods) {
          if (method === 'weighted' && region.kind !== 'l2') continue;
          const options = {
            specification: margins(label),
            assurance,
            method,
            subproblems: 40,
            iterations: 60,
          };
          const { lower } = await verifier.bounds(model, region, options);
          if (lower.every((bound) => bound > 0)) verified.push(`${number}: ${assurance}, ${method}`);
        }
      }
    }
    expect(verified).toEqual([]);
  }, 60_000);

  it('the same networks with the margin kept above zero: most verified', async () => {
    let [joint, complete] = [0, 0];
    for (let number = 0; number < 12; number += 1) {
      const { model, region, label } = await instance(kind, number, -0.05);
      const options = { specification: margins(label), assurance: 'float32' } as const;
      const plain = await verifier.bounds(model, region, options);
      const searched = await verifier.bounds(model, region, { ...options, method: 'complete', timeLimit: 2 });
      joint += Number(plain.lower.every((bound) => bound > 0));
      complete += Number(searched.lower.every((bound) => bound > 0));
    }
    expect(complete).toBeGreaterThanOrEqual(8);
    expect(complete).toBeGreaterThanOrEqual(joint);
  }, 60_000);

  it('a campaign with certificates verifies none of them', async () => {
    const { model, region, label } = await instance(kind, 0, 1e-4);
    const images = { data: region.center, count: 1, size: region.size, start: 0, available: 1 };
    const certificates = join(folder.path, kind);
    const settings = {
      norm: 'l2',
      eps: region.eps[0],
      method: 'complete',
      timeLimit: 2,
      certificates,
    } as const;
    for (const attack of [true, false]) {
      const data = { images, labels: Int32Array.of(label) };
      const { verified, errors } = await certify(verifier, model, data, { ...settings, attack });
      expect([verified, errors]).toEqual([0, 0]);
    }
    expect(existsSync(certificates)).toBe(false);
  });
});
