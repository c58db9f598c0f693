/** Multipliers of simple kinds for the certificate checker: chords of the ReLU, and random ones. */
import { factsOf } from '../../src/certificate/checker.js';
import { lowerBound } from '../../src/certificate/dual.js';
import { type Fact, type Problem, regionOf } from '../../src/certificate/facts.js';
import type { Assurance, Ball, CertificateChecker, Multipliers } from '../../src/certificate/index.js';
import type { ImageEvidence } from '../../src/certify/certificates.js';
import { claimNorms } from '../../src/certify/norm-claims.js';
import { type Model, evaluate } from '../../src/index.js';
import type { Random } from './random-networks.js';

/** Features of each ReLU, in graph order. */
export function reluSizes(model: Model): number[] {
  return model.graph.nodes.flatMap(({ op, shape }) =>
    op === 'relu' ? [shape.reduce((a, b) => a * b, 1)] : [],
  );
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** What the checker knows of one region when it relies on no box claims. */
export interface Derived {
  readonly problem: Problem;
  readonly facts: readonly Fact[];
}

export function derived(
  checker: CertificateChecker,
  ball: Ball,
  center: Float64Array,
  assurance: Assurance = 'real',
): Derived {
  const { layers } = checker;
  const norms = claimNorms(checker);
  const problem = { layers, norms, assurance, region: regionOf(ball, center) };
  return { problem, facts: factsOf(problem, []) };
}

/** What multipliers prove of `row^T y`, y the output. */
export function boundOf({ problem, facts }: Derived, row: Float64Array, multipliers: Multipliers): number {
  return lowerBound({ ...problem, facts }, problem.layers.length - 1, row, multipliers);
}

/** What is known of what each ReLU takes. */
export function preActivations({ problem, facts }: Derived): Fact[] {
  return problem.layers.flatMap(({ op, from }) => (op === 'relu' ? [facts[from[0]]] : []));
}

/** Any multipliers at all: what they prove must be true. */
export function randomLeaf(random: Random, sizes: readonly number[]): Multipliers {
  const style = random.integer(0, 2);
  return {
    slope: Float32Array.from({ length: sumOf(sizes) }, () =>
      style === 0 ? random.uniform() : random.normal(),
    ),
    lambda: Float32Array.from(sizes, () => (random.uniform() < 0.3 ? 0 : 10 ** random.uniform(-3, 2))),
    inputLambda: Math.fround(random.uniform() < 0.3 ? 0 : 10 ** random.uniform(-2, 2)),
  };
}

/** The slopes of the ReLUs' chords over their boxes: `u / (u - l)`, 0 or 1. */
export function chordLeaf(known: Derived, lambda: number): Multipliers {
  const relus = preActivations(known);
  return {
    slope: Float32Array.from(
      relus.flatMap(({ lower, upper }) =>
        Array.from(lower, (l, i) => (l >= 0 ? 1 : upper[i] <= 0 ? 0 : upper[i] / (upper[i] - l))),
      ),
    ),
    lambda: new Float32Array(relus.length).fill(lambda),
    inputLambda: lambda,
  };
}

/** Evidence for the margins of the model's own class, from the best of a few chord leaves for each row. */
export function chordEvidence(
  model: Model,
  checker: CertificateChecker,
  center: Float64Array,
  region: Ball,
): ImageEvidence {
  const known = derived(checker, region, center);
  const output = evaluate(model.graph, center);
  const label = output.indexOf(Math.max(...output));
  const leaves = [0, 0.03, 0.3, 3].map((lambda) => chordLeaf(known, lambda));
  const others = Array.from(output.keys()).filter((other) => other !== label);
  const best = others.map((other) => {
    const c = new Float64Array(output.length);
    [c[label], c[other]] = [1, -1];
    const bounds = leaves.map((leaf) => boundOf(known, c, leaf));
    const most = Math.max(...bounds);
    return { bound: most, leaf: { splits: [], ...leaves[bounds.indexOf(most)] } };
  });
  return {
    index: 0,
    center,
    label,
    region,
    assurance: 'real',
    lower: best.map(({ bound }) => bound),
    rows: best.map(({ leaf }) => ({ leaves: [leaf] })),
  };
}
