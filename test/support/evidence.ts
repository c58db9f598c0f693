/** Multipliers of simple kinds for the certificate checker: chords of the ReLU, and random ones. */
import { ImageFacts } from '../../src/certificate/image.js';
import type { Certificate, CertificateChecker, Leaf } from '../../src/certificate/index.js';
import type { ImageEvidence } from '../../src/certify/certificates.js';
import { claimNorms } from '../../src/certify/norm-claims.js';
import { type Model, type Region, ball, evaluate } from '../../src/index.js';
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
export function factsOf(checker: CertificateChecker, region: Region): ImageFacts {
  const norms = checker.norms.prove(claimNorms(checker.steps, checker.norms));
  return new ImageFacts(checker.steps, region, norms, (_facts, _relu, _step, box) => box);
}

/** Any multipliers at all: what they prove must be true. */
export function randomLeaf(random: Random, sizes: readonly number[]): Leaf {
  const style = random.integer(0, 2);
  return {
    splits: [],
    slope: Float32Array.from({ length: sumOf(sizes) }, () =>
      style === 0 ? random.uniform() : random.normal(),
    ),
    lambda: Float32Array.from(sizes, () => (random.uniform() < 0.3 ? 0 : 10 ** random.uniform(-3, 2))),
    inputLambda: Math.fround(random.uniform() < 0.3 ? 0 : 10 ** random.uniform(-2, 2)),
  };
}

/** The slopes of the ReLUs' chords over their boxes: `u / (u - l)`, 0 or 1. */
export function chordLeaf(checker: CertificateChecker, facts: ImageFacts, lambda: number): Leaf {
  const relus = checker.steps.flatMap((step) => (step?.op === 'relu' ? [facts.at(step.from[0]).box] : []));
  return {
    splits: [],
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
  region: Certificate['region'],
): ImageEvidence {
  const { kind, eps, clip } = region;
  const facts = factsOf(checker, ball(kind, center, eps, clip ? { clip } : {}));
  const output = evaluate(model.graph, center);
  const label = output.indexOf(Math.max(...output));
  const leaves = [0, 0.03, 0.3, 3].map((lambda) => chordLeaf(checker, facts, lambda));
  const others = Array.from(output.keys()).filter((other) => other !== label);
  const best = others.map((other) => {
    const c = new Float64Array(output.length);
    [c[label], c[other]] = [1, -1];
    const bounds = leaves.map((leaf) => facts.lowerBound(checker.steps.length - 1, c, 0, leaf));
    const most = Math.max(...bounds);
    return { bound: most, leaf: leaves[bounds.indexOf(most)] };
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
