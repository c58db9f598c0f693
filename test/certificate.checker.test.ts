/** What the checker proves is true, tight where that is known, and covers rounding. */
import { describe, expect, it } from 'vitest';
import { float32Error } from '../src/certificate/float32.js';
import { type BoxClaim, CertificateChecker, type Leaf } from '../src/certificate/index.js';
import { stepsOf } from '../src/certificate/network.js';
import { CertificateMaker } from '../src/certify/certificates.js';
import { claimNorms } from '../src/certify/norm-claims.js';
import { type Region, ballL1, ballL2, ballLinf, evaluate } from '../src/index.js';
import { evaluateAll } from '../src/model/index.js';
import { chordLeaf, factsOf, randomLeaf, reluSizes, sumOf } from './support/evidence.js';
import { NetworkBuilder, Random, linearNetwork, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const regions: Record<string, (center: Float64Array, eps: number) => Region> = {
  l1: (center, eps) => ballL1(center, eps),
  'l1 clipped': (center, eps) => ballL1(center, eps, { clip: [0, 1] }),
  l2: (center, eps) => ballL2(center, eps),
  'l2 clipped': (center, eps) => ballL2(center, eps, { clip: [0, 1] }),
  linf: (center, eps) => ballLinf(center, eps),
  'linf clipped': (center, eps) => ballLinf(center, eps, { clip: [0, 1] }),
};

describe.each(Object.keys(networkKinds))('any multipliers prove only what is true: %s', (kind) => {
  it.each(Object.keys(regions))('%s', (name) => {
    const random = new Random(1000 * Object.keys(networkKinds).indexOf(kind) + name.length);
    const model = networkKinds[kind](random);
    const checker = new CertificateChecker(model);
    const sizes = reluSizes(model);
    for (const eps of [0, 0.01, 1]) {
      const center = random.vector(model.inputSize, 0, 1);
      const region = regions[name](center, eps);
      const facts = factsOf(checker, region);
      const points = samplePoints(random, region, 0, 60).map((x) => evaluateAll(model.graph, x));
      const values = points.map((all) => all[all.length - 1]);
      const c = random.normals(model.outputSize);
      const leaves = [
        ...Array.from({ length: 4 }, () => randomLeaf(random, sizes)),
        ...[0, 0.1, 2].map((lambda) => chordLeaf(checker, facts, lambda)),
      ];
      const smallest = Math.min(...values.map((y) => c.reduce((sum, entry, i) => sum + entry * y[i], 0.5)));
      for (const leaf of leaves) {
        const bound = facts.lowerBound(checker.steps.length - 1, c, 0.5, leaf);
        expect(bound).toBeLessThanOrEqual(smallest + 1e-12 * (1 + Math.abs(smallest)));
        // At a point, every choice of multipliers is exact, up to the rounding that is paid for.
        const exact = eps === 0 && leaf.lambda.every((lambda) => lambda === 0);
        expect(bound).toBeGreaterThan(exact ? smallest - 1e-10 : -Infinity);
      }
      // Boxes, and the leaves of a split, hold what they say.
      checker.steps.forEach((step) => {
        if (step?.op !== 'relu') return;
        const { lower, upper } = facts.at(step.from[0]).box;
        const node = model.graph.nodes[step.node];
        if (node.op !== 'relu') throw new Error('a ReLU step ends with a ReLU node');
        const outside = points.filter((all) =>
          all[node.input].some((z, i) => !(z > lower[i] - 1e-12 && z < upper[i] + 1e-12)),
        );
        expect(outside).toEqual([]);
        const neuron = random.integer(0, lower.length - 1);
        for (const active of [true, false]) {
          const inside = points.filter((all) =>
            active ? all[node.input][neuron] >= 0 : all[node.input][neuron] <= 0,
          );
          const leaf = { ...randomLeaf(random, sizes), splits: [{ relu: step.relu, neuron, active }] };
          const bound = facts.lowerBound(checker.steps.length - 1, c, 0, leaf);
          const below = inside.filter((all) => {
            const value = c.reduce((sum, entry, i) => sum + entry * all[all.length - 1][i], 0);
            return !(bound <= value + 1e-12 * (1 + Math.abs(value)));
          });
          expect(below).toEqual([]);
        }
      });
    }
  });
});

describe('bounds that are known', () => {
  const random = new Random(5);

  it('the exact minimum of an affine map over each region', () => {
    const model = linearNetwork(random, [12, 1]);
    const checker = new CertificateChecker(model);
    const [{ weight, bias }] = model.graph.nodes.flatMap((node) => (node.op === 'linear' ? [node] : []));
    const center = random.vector(12, 0, 1);
    const value = Array.from(weight, (w, i) => w * center[i]).reduce((a, b) => a + b, bias[0]);
    const empty = { splits: [], slope: new Float32Array(0), lambda: new Float32Array(0), inputLambda: 0 };
    const w = Array.from(weight, Math.abs);
    const expected = { l1: Math.max(...w), l2: Math.hypot(...w), linf: sumOf(w) };
    for (const [name, dual] of Object.entries(expected)) {
      const bound = factsOf(checker, regions[name](center, 0.2)).lowerBound(1, Float64Array.of(1), 0, empty);
      expect(bound).toBeLessThanOrEqual(value - 0.2 * dual);
      expect(bound).toBeCloseTo(value - 0.2 * dual, 11);
    }
    // l1 and linf in a box: solved greedily. The smallest x for w > 0 is 0, the largest for w < 0 is 1.
    const order = w.map((_, i) => i).sort((i, j) => w[j] - w[i]);
    let left = 1.5;
    let least = value;
    for (const i of order) {
      const room = Math.min(left, weight[i] > 0 ? center[i] : 1 - center[i]);
      least -= w[i] * room;
      left -= room;
    }
    const clipped = factsOf(checker, ballL1(center, 1.5, { clip: [0, 1] })).lowerBound(
      1,
      Float64Array.of(1),
      0,
      empty,
    );
    expect(clipped).toBeLessThanOrEqual(least + 1e-15);
    expect(clipped).toBeCloseTo(least, 11);
  });

  it('the best lambda of a clipped l2 ball reaches its minimum', () => {
    // min x1 + x2 over the ball of radius 1 around (0.1, 0.9) in the unit box: x1 = 0, then x2 on the sphere.
    const model = new NetworkBuilder([2], random);
    model.linear(0, 1, [1, 1], [0]);
    const checker = new CertificateChecker(model.model());
    const facts = factsOf(checker, ballL2([0.1, 0.9], 0.6, { clip: [0, 1] }));
    const root = Math.sqrt(0.36 - 0.01);
    const leaf = {
      splits: [],
      slope: new Float32Array(0),
      lambda: new Float32Array(0),
      inputLambda: Math.fround(1 / root),
    };
    expect(facts.lowerBound(1, Float64Array.of(1), 0, leaf)).toBeCloseTo(0.9 - root, 7);
    expect(facts.lowerBound(1, Float64Array.of(1), 0, leaf)).toBeLessThanOrEqual(0.9 - root);
  });

  it('a box claim and both leaves of a split improve the bound', () => {
    const model = linearNetwork(random, [6, 14, 14, 2]);
    const checker = new CertificateChecker(model);
    const region = ballL2(random.vector(6, 0, 1), 0.4);
    const plain = factsOf(checker, region);
    const leaf = chordLeaf(checker, plain, 0.1);
    const first = { ...leaf, slope: leaf.slope.slice(0, 14), lambda: leaf.lambda.slice(0, 1) };
    const claims: BoxClaim[] = Array.from({ length: 28 }, (_, i) => ({
      relu: 1,
      neuron: i >> 1,
      active: i % 2 === 1,
      leaf: first,
    }));
    const certificate = {
      model: model.sha256,
      normalization: null,
      index: 0,
      center: '',
      region: { kind: 'l2' as const, eps: 0.4, clip: null },
      specification: { c: [[1, -1]], d: [0] },
      assurance: 'real' as const,
      norms: claimNorms(checker.steps, checker.norms),
      relus: [14, 14],
    };
    const bound = (boxes: BoxClaim[], leaves: Leaf[]) =>
      checker.bounds({ ...certificate, boxes, rows: [leaves] }, region.center)[0];
    const without = bound([], [leaf]);
    expect(bound(claims, [leaf])).toBeGreaterThan(without);
    const { box } = plain.at(checker.steps.find((step) => step?.relu === 0)!.from[0]);
    const neuron = box.lower.findIndex((low, i) => low < 0 && box.upper[i] > 0);
    const halves = [true, false].map((active) => ({ ...leaf, splits: [{ relu: 0, neuron, active }] }));
    expect(bound([], halves)).toBeGreaterThanOrEqual(without);
    expect(() => bound([], [halves[0]])).toThrow(/do not cover/);
    expect(() => bound([], [halves[0], halves[0]])).toThrow(/do not cover/);
    expect(() => bound([], [...halves, leaf])).toThrow(/do not cover/);
  });
});

describe('box claims from the engine', () => {
  it('leave the ReLUs alone that do not lead to the pre-activation', () => {
    const builder = new NetworkBuilder([3], new Random(3));
    const left = builder.relu(builder.linear(0, 2));
    const right = builder.relu(builder.linear(0, 4));
    const deep = builder.relu(builder.linear(right, 5));
    builder.add(builder.linear(deep, 2), left);
    const maker = new CertificateMaker(builder.model());
    const evidence = { relu: 2, feature: 1, sign: -1, slope: Float32Array.of(1, 2, 3, 4), inputLambda: 0.5 };
    const { leaf, ...claim } = maker.boxClaim({ ...evidence, lambda: Float32Array.of(7) });
    expect(claim).toEqual({ relu: 2, neuron: 1, active: false });
    expect([...leaf.slope]).toEqual([0, 0, 1, 2, 3, 4]);
    expect([...leaf.lambda]).toEqual([0, 7]);
    expect(() => maker.boxClaim({ ...evidence, lambda: Float32Array.of(7, 7) })).toThrow(/expected 4 and 1/);
  });
});

describe('float32 inference', () => {
  /** Dot product in float32, its terms in random order, with or without fused multiply-add. */
  function roundedSum(random: Random, terms: [number, number][], bias: number): number {
    const order = [...terms].sort(() => random.uniform() - 0.5);
    const fused = random.uniform() < 0.5;
    let sum = random.uniform() < 0.5 ? Math.fround(bias) : 0;
    const late = sum === 0;
    for (const [a, b] of order) sum = Math.fround(sum + (fused ? a * b : Math.fround(a * b)));
    return late ? Math.fround(sum + bias) : sum;
  }

  it.each([1, 30, 1e4])('stays within the bound in every order of summation (weights times %d)', (factor) => {
    const random = new Random(factor);
    const sizes = [20, 40, 30, 3];
    const builder = new NetworkBuilder([20], random);
    let at = 0;
    sizes.slice(1).forEach((size, layer) => {
      if (layer > 0) at = builder.relu(at);
      const weight = Array.from(
        random.normals(size * sizes[layer], factor / Math.sqrt(sizes[layer])),
        Math.fround,
      );
      at = builder.linear(at, size, weight, Array.from(random.normals(size, 0.2), Math.fround));
    });
    const model = builder.model();
    const checker = new CertificateChecker(model);
    const region = ballLinf(random.vector(20, 0, 1), 0.1);
    const facts = factsOf(checker, region);
    const norms = claimNorms(checker.steps, checker.norms);
    const relus = checker.steps.flatMap((step) => (step?.op === 'relu' ? [facts.at(step.from[0]).box] : []));
    let layer = 0;
    const byNode = new Map(
      checker.steps.flatMap((step) => (step?.affine ? [[step.node, norms[layer++]]] : [])),
    );
    const allowed = float32Error(stepsOf(model.graph, false), byNode, facts.at(0).box, relus);
    let worst = 0;
    for (const x of samplePoints(random, region, 0, 60)) {
      const exact = evaluate(model.graph, x);
      let now = Array.from(x, Math.fround);
      for (const node of model.graph.nodes) {
        if (node.op === 'relu') now = now.map((z) => Math.max(z, 0));
        if (node.op !== 'linear') continue;
        now = Array.from(node.bias, (bias, row) =>
          roundedSum(
            random,
            now.map((value, i) => [node.weight[row * now.length + i], value]),
            bias,
          ),
        );
      }
      now.forEach((y, i) => {
        worst = Math.max(worst, Math.abs(y - exact[i]) / allowed[i]);
      });
    }
    expect(worst).toBeLessThan(1);
    expect(worst).toBeGreaterThan(1e-4);
  });

  it('refuses where overflow cannot be excluded', () => {
    const builder = new NetworkBuilder([2], new Random(1));
    builder.linear(0, 2, [1e30, 1, 1, 1e30]);
    const last = builder.relu(1);
    builder.linear(last, 2, [1e10, 1, 1, 1e10]);
    const model = builder.model();
    const checker = new CertificateChecker(model);
    const facts = factsOf(checker, ballL2([1, 1], 0.1));
    const relus = [facts.at(1).box];
    expect(() => float32Error(stepsOf(model.graph, false), new Map(), facts.at(0).box, relus)).toThrow(
      /overflow/,
    );
  });
});
