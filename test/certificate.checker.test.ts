/** What the checker proves is true, tight where that is known, and covers rounding. */
import { describe, expect, it } from 'vitest';
import { cutAt, factsOf } from '../src/certificate/checker.js';
import {
  type Ball,
  type BoxClaim,
  CertificateChecker,
  type Multipliers,
  type Proof,
} from '../src/certificate/index.js';
import { CertificateMaker } from '../src/certify/certificates.js';
import { claimNorms } from '../src/certify/norm-claims.js';
import { ball, evaluate } from '../src/index.js';
import { evaluateAll } from '../src/model/index.js';
import {
  boundOf,
  chordLeaf,
  derived,
  preActivations,
  randomLeaf,
  reluSizes,
  sumOf,
} from './support/evidence.js';
import { NetworkBuilder, Random, linearNetwork, networkKinds } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const regions = (['l1', 'l2', 'linf'] as const).flatMap((kind) =>
  [null, [0, 1] as const].map((clip) => ({ kind, clip })),
);

describe.each(Object.keys(networkKinds))('any multipliers prove only what is true: %s', (kind) => {
  it.each(regions)('$kind, clipped to $clip', ({ kind: norm, clip }) => {
    const random = new Random(1000 * Object.keys(networkKinds).indexOf(kind) + norm.length + (clip ? 8 : 0));
    const model = networkKinds[kind](random);
    const checker = new CertificateChecker(model);
    const sizes = reluSizes(model);
    for (const eps of [0, 0.01, 1]) {
      const center = random.vector(model.inputSize, 0, 1);
      const known = derived(checker, { kind: norm, eps, clip }, center);
      const region = ball(norm, center, eps, clip ? { clip } : {});
      const points = samplePoints(random, region, 0, 60).map((x) => evaluateAll(model.graph, x));
      const values = points.map((all) => all[all.length - 1]);
      const c = random.normals(model.outputSize);
      const leaves = [
        ...Array.from({ length: 4 }, () => randomLeaf(random, sizes)),
        ...[0, 0.1, 2].map((lambda) => chordLeaf(known, lambda)),
      ];
      const smallest = Math.min(...values.map((y) => c.reduce((sum, entry, i) => sum + entry * y[i], 0)));
      for (const leaf of leaves) {
        const bound = boundOf(known, c, leaf);
        expect(bound).toBeLessThanOrEqual(smallest + 1e-12 * (1 + Math.abs(smallest)));
        // At a point, every choice of multipliers is exact, up to the rounding that is paid for.
        const exact = eps === 0 && leaf.lambda.every((lambda) => lambda === 0);
        expect(bound).toBeGreaterThan(exact ? smallest - 1e-10 : -Infinity);
      }
      // Every node's box and ball, and the bounds inside a half space, hold what they say.
      known.facts.forEach(({ lower, upper, nominal, radius }, layer) => {
        const at = checker.layers[layer].node;
        const outside = points.filter(
          (all) =>
            all[at].some((z, i) => !(z > lower[i] - 1e-12 && z < upper[i] + 1e-12)) ||
            !(Math.hypot(...all[at].map((z, i) => z - nominal[i])) <= radius + 1e-12),
        );
        expect(outside).toEqual([]);
      });
      checker.layers.forEach(({ op, from: [at] }) => {
        if (op !== 'relu') return;
        const { node } = checker.layers[at];
        const neuron = random.integer(0, known.facts[at].lower.length - 1);
        for (const active of [true, false]) {
          const cut = cutAt(known.facts[at], neuron, active, 0);
          const inside = points.filter((all) => (active ? all[node][neuron] > 0 : all[node][neuron] < 0));
          const facts = cut && known.facts.with(at, cut);
          const bound = facts ? boundOf({ ...known, facts }, c, randomLeaf(random, sizes)) : Infinity;
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
    const empty = { slope: new Float32Array(0), lambda: new Float32Array(0), inputLambda: 0 };
    const one = Float64Array.of(1);
    const w = Array.from(weight, Math.abs);
    const expected = { l1: Math.max(...w), l2: Math.hypot(...w), linf: sumOf(w) };
    for (const kind of ['l1', 'l2', 'linf'] as const) {
      const bound = boundOf(derived(checker, { kind, eps: 0.2, clip: null }, center), one, empty);
      expect(bound).toBeLessThanOrEqual(value - 0.2 * expected[kind]);
      expect(bound).toBeCloseTo(value - 0.2 * expected[kind], 11);
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
    const clipped = boundOf(derived(checker, { kind: 'l1', eps: 1.5, clip: [0, 1] }, center), one, empty);
    expect(clipped).toBeLessThanOrEqual(least + 1e-15);
    expect(clipped).toBeCloseTo(least, 11);
  });

  it('the best lambda of a clipped l2 ball reaches its minimum', () => {
    // min x1 + x2 over the ball of radius 1 around (0.1, 0.9) in the unit box: x1 = 0, then x2 on the sphere.
    const model = new NetworkBuilder([2], random);
    model.linear(0, 1, [1, 1], [0]);
    const checker = new CertificateChecker(model.model());
    const ball2: Ball = { kind: 'l2', eps: 0.6, clip: [0, 1] };
    const known = derived(checker, ball2, Float64Array.of(0.1, 0.9));
    const root = Math.sqrt(0.36 - 0.01);
    const leaf = {
      slope: new Float32Array(0),
      lambda: new Float32Array(0),
      inputLambda: Math.fround(1 / root),
    };
    expect(boundOf(known, Float64Array.of(1), leaf)).toBeCloseTo(0.9 - root, 7);
    expect(boundOf(known, Float64Array.of(1), leaf)).toBeLessThanOrEqual(0.9 - root);
  });

  it('a box claim and both leaves of a split improve the bound', () => {
    const model = linearNetwork(random, [6, 14, 14, 2]);
    const checker = new CertificateChecker(model);
    const center = random.vector(6, 0, 1);
    const known = derived(checker, { kind: 'l2', eps: 0.4, clip: null }, center);
    const leaf = chordLeaf(known, 0.1);
    const first = { ...leaf, slope: leaf.slope.slice(0, 14), lambda: leaf.lambda.slice(0, 1) };
    const claims: BoxClaim[] = Array.from({ length: 28 }, (_, i) => ({
      relu: 1,
      neuron: i >> 1,
      active: i % 2 === 1,
      proof: first,
    }));
    const certificate = {
      model: model.sha256,
      normalization: null,
      index: 0,
      center: '',
      kind: 'l2' as const,
      eps: 0.4,
      clip: null,
      label: 0,
      assurance: 'real' as const,
      norms: claimNorms(checker),
    };
    const bound = (boxes: BoxClaim[], proof: Proof) =>
      checker.bounds({ ...certificate, boxes, rows: [proof] }, center)[0];
    const without = bound([], leaf);
    expect(bound(claims, leaf)).toBeGreaterThan(without);
    const [{ lower, upper }] = preActivations(known);
    const neuron = lower.findIndex((low, i) => low < 0 && upper[i] > 0);
    expect(bound([], { relu: 0, neuron, sides: [leaf, leaf] })).toBeGreaterThanOrEqual(without);
    // In whatever order they come: a claim relies on those of earlier ReLUs, and on none before it of its own.
    expect(bound(claims.toReversed(), leaf)).toBe(bound(claims, leaf));
  });

  it('a box claim may be a tree of splits of earlier ReLUs', () => {
    const model = linearNetwork(random, [5, 12, 8, 2]);
    const checker = new CertificateChecker(model);
    const center = random.vector(5, 0, 1);
    const region = { kind: 'linf', eps: 0.3, clip: null } as const;
    const known = derived(checker, region, center);
    const [{ lower, upper }] = preActivations(known);
    const split = Array.from(lower.keys()).filter((i) => lower[i] < 0 && upper[i] > 0);
    const chords = chordLeaf(known, 0);
    /** Splits of `neurons`, the slope of each side that of the ReLU there. */
    const tree = ([neuron, ...rest]: number[], slope = chords.slope.slice(0, 12)): Proof =>
      neuron === undefined
        ? { slope, lambda: new Float32Array(1), inputLambda: 0 }
        : {
            relu: 0,
            neuron,
            sides: [tree(rest, slope.with(neuron, 1)), tree(rest, slope.with(neuron, 0))],
          };
    const boxed = (neurons: number[]) => {
      const claims = [tree([]), tree(neurons)].flatMap((proof) =>
        Array.from({ length: 16 }, (_, i) => ({ relu: 1, neuron: i >> 1, active: i % 2 === 1, proof })),
      );
      const facts = factsOf(known.problem, claims);
      return preActivations({ ...known, facts })[1];
    };
    const points = samplePoints(random, ball('linf', center, 0.3), 0, 300);
    let before = Infinity;
    for (const count of [0, 2, 4]) {
      const box = boxed(split.slice(0, count));
      const width = sumOf(Array.from(box.upper, (high, i) => high - box.lower[i]));
      expect(width).toBeLessThan(before - 1e-6);
      before = width;
      const outside = points.filter((x) =>
        evaluateAll(model.graph, x)[3].some((z, i) => z < box.lower[i] - 1e-12 || z > box.upper[i] + 1e-12),
      );
      expect(outside).toEqual([]);
    }
    expect(split.length).toBeGreaterThanOrEqual(4);
  });

  it('two layers without a ReLU between them are one', () => {
    // Conv, scale, conv: z = s (x_0 + x_1) - s (x_0 + x_1) = 0 whatever x is, which no node alone sees.
    const builder = new NetworkBuilder([2], random);
    const doubled = builder.linear(0, 2, [3, 3, 3, 3], [1, 1]);
    builder.linear(builder.relu(builder.linear(doubled, 1, [1, -1], [0.25])), 1, [1], [0]);
    const checker = new CertificateChecker(builder.model());
    for (const kind of ['l1', 'l2', 'linf'] as const) {
      const [{ lower, upper, radius }] = preActivations(
        derived(checker, { kind, eps: 5, clip: null }, Float64Array.of(0.3, 0.4)),
      );
      expect([lower[0], upper[0]]).toEqual([expect.closeTo(0.25, 10), expect.closeTo(0.25, 10)]);
      expect(radius).toBeLessThan(1e-10);
    }
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
    const evidence = {
      relu: 2,
      feature: 1,
      sign: -1,
      slope: Float32Array.of(1, 2, 3, 4),
      inputLambda: 0.5,
      splits: new Int32Array(0),
    };
    const [{ proof, ...claim }] = maker.boxClaims([{ ...evidence, lambda: Float32Array.of(7) }]);
    expect(claim).toEqual({ relu: 2, neuron: 1, active: false });
    const { slope, lambda } = proof as Multipliers;
    expect([...slope]).toEqual([0, 0, 1, 2, 3, 4]);
    expect([...lambda]).toEqual([0, 7]);
    expect(() => maker.boxClaims([{ ...evidence, lambda: Float32Array.of(7, 7) }])).toThrow(
      /expected 4 and 1/,
    );
    const leaf = { ...evidence, lambda: Float32Array.of(7), splits: Int32Array.of(1, 0, 1) };
    expect(() => maker.boxClaims([leaf])).toThrow(/neuron 1 of ReLU 2 do not cover the region/);
    const other = { ...leaf, lambda: Float32Array.of(8), splits: Int32Array.of(1, 0, 0) };
    const claims = maker.boxClaims([other, { ...evidence, sign: 1, lambda: Float32Array.of(9) }, leaf]);
    expect(claims.map(({ active }) => active)).toEqual([false, true]);
    expect(claims[0].proof).toMatchObject({
      relu: 1,
      neuron: 0,
      sides: [{ lambda: Float32Array.of(0, 7) }, { lambda: Float32Array.of(0, 8) }],
    });
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
    const center = random.vector(20, 0, 1);
    const known = derived(checker, { kind: 'linf', eps: 0.1, clip: null }, center, 'float32');
    const row = random.normals(3);
    const bound = boundOf(known, row, chordLeaf(known, 0));
    let worst = 0;
    for (const x of samplePoints(random, ball('linf', center, 0.1), 0, 60)) {
      const exact = evaluate(model.graph, x);
      let now = Array.from(x, Math.fround);
      for (const node of model.graph.nodes) {
        if (node.op === 'relu') now = now.map((z) => Math.max(z, 0));
        if (node.op !== 'linear') continue;
        now = Array.from(node.bias, (bias, output) =>
          roundedSum(
            random,
            now.map((value, i) => [node.weight[output * now.length + i], value]),
            bias,
          ),
        );
      }
      // Of one input, nothing but rounding is left in the box.
      const { lower, upper } = derived(checker, { kind: 'l2', eps: 0, clip: null }, x, 'float32').facts.at(
        -1,
      )!;
      now.forEach((y, i) => {
        expect(lower[i] <= y && y <= upper[i]).toBe(true);
        worst = Math.max(worst, Math.abs(y - exact[i]) / (upper[i] - lower[i]));
      });
      expect(bound).toBeLessThanOrEqual(now.reduce((sum, y, i) => sum + row[i] * y, 0));
    }
    expect(worst).toBeLessThan(0.5);
    expect(worst).toBeGreaterThan(5e-5);
  });

  it('refuses where overflow cannot be excluded', () => {
    const builder = new NetworkBuilder([2], new Random(1));
    builder.linear(0, 2, [1e30, 1, 1, 1e30]);
    const last = builder.relu(1);
    builder.linear(last, 2, [1e10, 1, 1, 1e10]);
    const checker = new CertificateChecker(builder.model());
    const at = (assurance: 'real' | 'float32') =>
      derived(checker, { kind: 'l2', eps: 0.1, clip: null }, Float64Array.of(1, 1), assurance);
    expect(at('real').facts).toHaveLength(4);
    expect(() => at('float32')).toThrow(/overflow/);
  });
});
