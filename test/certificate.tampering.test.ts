/** 1,000 changed certificates: every one is rejected, and says why. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, CertificateChecker, type Leaf, hashOf } from '../src/certificate/index.js';
import { readCertificate } from '../src/certificate/format.js';
import { CertificateMaker, encodeCertificate } from '../src/certify/certificates.js';
import { CertificateError, Model, evaluate } from '../src/index.js';
import { chordEvidence, factsOf } from './support/evidence.js';
import { Random, networkKinds } from './support/random-networks.js';
import { ballL2 } from '../src/index.js';

interface Sample {
  readonly model: Model;
  readonly checker: CertificateChecker;
  readonly certificate: Certificate;
  readonly bytes: Uint8Array;
  readonly image: { center: Float64Array; label: number };
}

const samples: Sample[] = [];
const random = new Random(77);

/** Certificates of several networks: plain, with a box claim and a split, at level float32. */
function sample(kind: string, level: 'real' | 'float32', refined: boolean): Sample {
  const built = networkKinds[kind](random);
  const sha256 = hashOf(random.vector(3, 0, 1));
  const model = new Model(built.graph, { source: kind, sha256, parameterCount: 0 });
  const checker = new CertificateChecker(model);
  const maker = new CertificateMaker(model);
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const center = random.vector(model.inputSize, 0.2, 0.8);
    const evidence = chordEvidence(model, checker, center, { kind: 'l2', eps: 0.03, clip: [0, 1] });
    const facts = factsOf(checker, ballL2(center, 0.03, { clip: [0, 1] }));
    const { box } = facts.at(checker.steps.find((step) => step?.relu === 0)!.from[0]);
    const neuron = box.lower.findIndex((low, i) => low < 0 && box.upper[i] > 0);
    if (refined && neuron < 0) continue;
    const first = checker.steps.filter((step) => step?.op === 'relu').length > 1 ? 1 : 0;
    const cut = (leaf: Leaf): Leaf => ({
      ...leaf,
      slope: leaf.slope.slice(0, first === 0 ? 0 : box.lower.length),
      lambda: leaf.lambda.slice(0, first),
    });
    const certificate = maker.make({
      ...evidence,
      index: samples.length,
      assurance: level,
      ...(refined && {
        boxes: [{ relu: first, neuron: 0, active: true, leaf: cut(evidence.rows[0].leaves[0]) }],
        rows: evidence.rows.map(({ leaves: [leaf] }) => ({
          leaves: [true, false].map((active) => ({ ...leaf, splits: [{ relu: 0, neuron, active }] })),
        })),
      }),
    });
    if (!certificate) continue;
    const output = evaluate(model.graph, center);
    const image = { center, label: output.indexOf(Math.max(...output)) };
    return { model, checker, certificate, bytes: encodeCertificate(certificate), image };
  }
  throw new Error(`no certificate found for ${kind}`);
}

beforeAll(() => {
  for (const kind of ['one hidden layer', 'wide', 'residual', 'convolutions', 'rearranged']) {
    samples.push(sample(kind, 'real', false));
    samples.push(sample(kind, 'real', kind === 'wide'));
    samples.push(sample(kind, 'float32', false));
  }
});

function verdict({ checker, image }: Sample, bytes: Uint8Array): string {
  try {
    checker.check(bytes, (index) => (index < 1000 ? image : undefined));
    return 'accepted';
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return error.message;
  }
}

it('accepts the certificates as they were made', () => {
  for (const one of samples) {
    expect(verdict(one, one.bytes)).toBe('accepted');
    expect(encodeCertificate(readCertificate(one.bytes, one.checker.reluSizes))).toEqual(
      Buffer.from(one.bytes),
    );
  }
});

describe('bytes changed, checksum not repaired', () => {
  it('rejects 400 files with a byte changed, cut short, or with bytes added', () => {
    for (let i = 0; i < 400; i += 1) {
      const one = samples[i % samples.length];
      const at = random.integer(0, one.bytes.length - 1);
      const changed = Uint8Array.from(one.bytes);
      changed[at] ^= 1 << random.integer(0, 7);
      const files = [
        changed,
        one.bytes.slice(0, at),
        Buffer.concat([one.bytes, Buffer.alloc(random.integer(1, 50))]),
        Buffer.concat([one.bytes.slice(0, at), Buffer.from([7]), one.bytes.slice(at)]),
      ];
      const reason = verdict(one, files[i % 4]);
      expect(reason).toMatch(/checksum|begin like|only \d+ bytes|version/);
    }
  });
});

type Change = (certificate: Certificate, one: Sample) => object;

function firstLeaf(rows: Certificate['rows'], change: (leaf: Leaf) => Partial<Leaf>): Certificate['rows'] {
  return rows.map((leaves, row) =>
    leaves.map((leaf, i) => (row === 0 && i === 0 ? { ...leaf, ...change(leaf) } : leaf)),
  );
}

/** One entry replaced, at random. */
function planted(values: Float32Array, value: number): Float32Array {
  const result = values.slice();
  result[random.integer(0, values.length - 1)] = value;
  return result;
}

/** What is changed, and the reason that must be given. */
const changes: Record<string, [Change, RegExp]> = {
  'margin raised': [
    ({ margins }) => ({ margins: margins.map((m, i) => (i === 0 ? m * 1.000001 : m)) }),
    /row 0 is claimed to be at least/,
  ],
  'margin zero': [({ margins }) => ({ margins: margins.map(() => 0) }), /margins/],
  'margin negative': [({ margins }) => ({ margins: margins.map((m) => -m) }), /margins/],
  'margin not finite': [({ margins }) => ({ margins: margins.map(() => Infinity) }), /margins/],
  'margin left out': [({ margins }) => ({ margins: margins.slice(1) }), /bytes too many|rows/],
  'larger eps': [
    ({ region }) => ({ region: { ...region, eps: region.eps * (1.01 + random.uniform()) } }),
    /claimed to be at/,
  ],
  'negative eps': [({ region }) => ({ region: { ...region, eps: -region.eps } }), /region.eps/],
  'no clip range': [
    ({ region }) => ({ region: { ...region, clip: null, eps: region.eps * 1.2 } }),
    /claimed/,
  ],
  'centre outside the clip range': [
    ({ region }) => ({ region: { ...region, clip: [0.9, 1] } }),
    /outside the clip range/,
  ],
  'another kind of ball': [({ region }) => ({ region: { ...region, kind: 'linf' } }), /claimed/],
  'unknown kind of ball': [({ region }) => ({ region: { ...region, kind: 'box' } }), /region.kind/],
  'hash of the model': [() => ({ model: hashOf(random.vector(2, 0, 1)) }), /model \(SHA-256\) differs/],
  'hash of the normalization': [
    () => ({ normalization: hashOf(Float64Array.of(1)) }),
    /normalization differs/,
  ],
  'hash of the image': [() => ({ center: hashOf(random.vector(2, 0, 1)) }), /image \(SHA-256\) differs/],
  'no image of that index': [() => ({ index: 1000 }), /no image 1000/],
  'index no number': [() => ({ index: '../../etc/passwd' }), /index/],
  'another label': [
    ({ specification }, { model }) => ({
      specification: { label: ((specification as { label: number }).label + 1) % model.outputSize },
    }),
    /label differs/,
  ],
  'rows of another label': [
    (_, { model }) => ({
      specification: {
        c: Array.from({ length: model.outputSize - 1 }, (__, row) =>
          Array.from({ length: model.outputSize }, (___, i) => (i === row ? -1e3 : i === row + 1 ? 1e3 : 0)),
        ),
        d: Array.from({ length: model.outputSize - 1 }, () => -1e3),
      },
    }),
    /claimed/,
  ],
  'norm too small': [
    ({ norms }) => ({
      norms: norms.map((norm, i) => (i === 0 ? norm * (1 - 1e-6 - random.uniform(0, 0.5)) : norm)),
    }),
    /norm 0 is claimed/,
  ],
  'norm not a number': [({ norms }) => ({ norms: norms.map(() => NaN) }), /norms/],
  'norm missing': [({ norms }) => ({ norms: norms.slice(1) }), /norm/],
  'norm too many': [({ norms }) => ({ norms: [...norms, 1] }), /norms, the network/],
  'ReLU sizes': [({ relus }) => ({ relus: [...relus, 0] }), /sizes of the ReLUs differ/],
  'huge ReLU size': [({ relus }) => ({ relus: relus.map(() => 2 ** 40) }), /sizes of the ReLUs differ/],
  'assurance unknown': [() => ({ assurance: 'total' }), /assurance/],
  'NaN slope': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ slope }) => ({ slope: planted(slope, NaN) })) }),
    /slope is NaN/,
  ],
  'infinite slope': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ slope }) => ({ slope: planted(slope, -Infinity) })) }),
    /slope is -Infinity/,
  ],
  'useless slopes': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ slope }) => ({ slope: slope.map(() => 1e6) })) }),
    /claimed/,
  ],
  'overflowing slopes': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ slope }) => ({ slope: slope.map(() => 3e38) })) }),
    /claimed|does not compute with/,
  ],
  'negative lambda': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ lambda }) => ({ lambda: planted(lambda, -1e-30) })) }),
    /lambda is -/,
  ],
  'NaN lambda': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ lambda }) => ({ lambda: planted(lambda, NaN) })) }),
    /lambda is NaN/,
  ],
  'huge lambda': [
    ({ rows }) => ({ rows: firstLeaf(rows, ({ lambda }) => ({ lambda: lambda.map(() => 1e30) })) }),
    /claimed/,
  ],
  'negative input lambda': [
    ({ rows }) => ({ rows: firstLeaf(rows, () => ({ inputLambda: -1 })) }),
    /lambda is -1/,
  ],
  'leaf missing': [
    ({ rows }) => ({ rows: rows.map((leaves, i) => (i === 0 ? leaves.slice(1) : leaves)) }),
    /cover/,
  ],
  'leaf doubled': [({ rows }) => ({ rows: rows.map((leaves) => [...leaves, leaves[0]]) }), /cover/],
  'split of one side only': [
    ({ rows }) => ({
      rows: rows.map((leaves) =>
        leaves.slice(0, 1).map((leaf) => ({ ...leaf, splits: [{ relu: 0, neuron: 0, active: false }] })),
      ),
    }),
    /cover/,
  ],
  'split of no neuron': [
    ({ rows }) => ({
      rows: firstLeaf(rows, () => ({ splits: [{ relu: 0, neuron: 1e6, active: true }] })),
    }),
    /no neuron/,
  ],
  'row left out': [({ rows }) => ({ rows: rows.slice(1) }), /ends early/],
  'row doubled': [({ rows }) => ({ rows: [...rows, rows[0]] }), /bytes too many/],
  'box of no neuron': [
    ({ rows }) => ({ boxes: [{ relu: 99, neuron: 0, active: true, leaf: rows[0][0] }] }),
    /no neuron 0 in ReLU 99/,
  ],
  'box that splits': [
    () => ({
      boxes: [
        {
          relu: 0,
          neuron: 0,
          active: true,
          leaf: {
            splits: [{ relu: 0, neuron: 0, active: true }],
            slope: new Float32Array(0),
            lambda: new Float32Array(0),
            inputLambda: 0,
          },
        },
      ],
    }),
    /has splits/,
  ],
};

describe('content changed, checksum repaired', () => {
  it.each(Object.keys(changes))('%s', (name) => {
    const [change, reason] = changes[name];
    for (const one of samples) {
      const changed = { ...one.certificate, ...change(one.certificate, one) } as Certificate;
      expect(verdict(one, encodeCertificate(changed))).toMatch(reason);
    }
  });

  it('rejects a certificate for a model whose weights were changed', () => {
    for (const one of samples) {
      const nodes = one.model.graph.nodes.map((node) =>
        node.op === 'linear'
          ? { ...node, weight: node.weight.map((w) => w * 1.5), bias: node.bias.map((b) => -b) }
          : node,
      );
      const model = new Model({ ...one.model.graph, nodes }, { ...one.model, sha256: one.model.sha256 });
      expect(verdict({ ...one, checker: new CertificateChecker(model) }, one.bytes)).toMatch(/norm|claimed/);
    }
  });

  it('is more than a thousand files in all', () => {
    expect(400 + (Object.keys(changes).length + 1) * samples.length).toBeGreaterThanOrEqual(1000);
  });
});
