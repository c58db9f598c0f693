/** 1,000 changed certificates: every one is rejected, and says why. */
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Certificate,
  CertificateChecker,
  type Multipliers,
  type Proof,
  hashOf,
} from '../src/certificate/index.js';
import { readCertificate } from '../src/certificate/format.js';
import { CertificateMaker, type Leaf, encodeCertificate } from '../src/certify/certificates.js';
import { CertificateError, Model, evaluate } from '../src/index.js';
import { chordEvidence, derived, preActivations } from './support/evidence.js';
import { Random, networkKinds } from './support/random-networks.js';

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
    const [{ lower, upper }] = preActivations(derived(checker, evidence.region, center));
    const neuron = lower.findIndex((low, i) => low < 0 && upper[i] > 0);
    if (refined && neuron < 0) continue;
    const first = checker.reluSizes.length > 1 ? 1 : 0;
    const cut = (leaf: Leaf): Multipliers => ({
      ...leaf,
      slope: leaf.slope.slice(0, first === 0 ? 0 : lower.length),
      lambda: leaf.lambda.slice(0, first),
    });
    const certificate = maker.make({
      ...evidence,
      index: samples.length,
      assurance: level,
      ...(refined && {
        boxes: [{ relu: first, neuron: 0, active: true, proof: cut(evidence.rows[0].leaves[0]) }],
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

/** Changes the first multipliers of the first row. */
function firstLeaf(
  rows: Certificate['rows'],
  change: (leaf: Multipliers) => Partial<Multipliers>,
): Certificate['rows'] {
  const changed = (proof: Proof): Proof =>
    'slope' in proof
      ? { ...proof, ...change(proof) }
      : { ...proof, sides: [changed(proof.sides[0]), proof.sides[1]] };
  return rows.map((proof, row) => (row === 0 ? changed(proof) : proof));
}

/** One entry replaced, at random. */
function planted(values: Float32Array, value: number): Float32Array {
  const result = values.slice();
  result[random.integer(0, values.length - 1)] = value;
  return result;
}

const none: Multipliers = { slope: new Float32Array(0), lambda: new Float32Array(0), inputLambda: 0 };

/** A proof of nothing. */
function useless(proof: Proof): Proof {
  if (!('slope' in proof)) return useless(proof.sides[0]);
  return { ...proof, slope: proof.slope.map(() => 1e6) };
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
  'margin left out': [({ margins }) => ({ margins: margins.slice(1) }), /words of payload, but|rows/],
  'larger eps': [({ eps }) => ({ eps: eps * (1.01 + random.uniform()) }), /claimed to be at/],
  'negative eps': [({ eps }) => ({ eps: -eps }), /eps/],
  'no clip range': [({ eps }) => ({ clip: null, eps: eps * 1.2 }), /claimed/],
  'centre outside the clip range': [() => ({ clip: [0.9, 1] }), /outside the clip range/],
  'another kind of ball': [() => ({ kind: 'linf' }), /claimed/],
  'unknown kind of ball': [() => ({ kind: 'box' }), /kind/],
  'hash of the model': [() => ({ model: hashOf(random.vector(2, 0, 1)) }), /model \(SHA-256\) differs/],
  'hash of the normalization': [
    () => ({ normalization: hashOf(Float64Array.of(1)) }),
    /normalization differs/,
  ],
  'hash of the image': [() => ({ center: hashOf(random.vector(2, 0, 1)) }), /image \(SHA-256\) differs/],
  'no image of that index': [() => ({ index: 1000 }), /no image 1000/],
  'index no number': [() => ({ index: '../../etc/passwd' }), /index/],
  'another label': [({ label }, { model }) => ({ label: (label + 1) % model.outputSize }), /label differs/],
  'norm too small': [
    ({ norms }) => ({
      norms: norms.map((norm) => norm * (1 - 1e-6 - random.uniform(0, 0.5))),
    }),
    /norm \d is claimed/,
  ],
  'norm not a number': [({ norms }) => ({ norms: norms.map(() => NaN) }), /norms/],
  'norm missing': [({ norms }) => ({ norms: norms.slice(1) }), /number of norms differs/],
  'norm too many': [({ norms }) => ({ norms: [...norms, 1] }), /number of norms differs/],
  'norms that overflow': [
    ({ norms, rows }) => ({
      norms: norms.map(() => 1e308),
      rows: firstLeaf(rows, ({ lambda }) => ({ lambda: lambda.map(() => 0) })),
      eps: 2,
      clip: null,
    }),
    /claimed|does not compute with/,
  ],
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
    /lambda is below 0/,
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
    /lambda is below 0/,
  ],
  'split of no neuron': [
    ({ rows }) => ({ rows: rows.map((proof) => ({ relu: 0, neuron: 1e6, sides: [proof, proof] })) }),
    /no neuron/,
  ],
  'split of no ReLU': [
    ({ rows }) => ({ rows: rows.map((proof) => ({ relu: 99, neuron: 0, sides: [proof, proof] })) }),
    /no neuron 0 in ReLU 99/,
  ],
  'splits without end': [
    ({ rows }) => ({
      rows: [
        Array.from({ length: 1500 }).reduce<Proof>(
          (inner) => ({ relu: 0, neuron: 0, sides: [inner, rows[0]] }),
          rows[0],
        ),
      ],
    }),
    /splits in a row/,
  ],
  'split of which no side is proven': [
    ({ rows }) => ({
      rows: rows.map((proof) => ({ relu: 0, neuron: 0, sides: [useless(proof), useless(proof)] })),
    }),
    /claimed/,
  ],
  'side left out': [
    ({ rows }) => ({
      rows: rows.map((proof) => ({ relu: 0, neuron: 0, sides: [proof] as never })),
    }),
    /ends early|has the value|no neuron|lambda is|slope is|words of payload|claimed|splits in a row/,
  ],
  'row left out': [({ rows }) => ({ rows: rows.slice(1) }), /ends early/],
  'row doubled': [({ rows }) => ({ rows: [...rows, rows[0]] }), /words of payload, but/],
  'box of no neuron': [
    () => ({ boxes: [{ relu: 99, neuron: 0, active: true, proof: none }] }),
    /no neuron 0 in ReLU 99/,
  ],
  'box that relies on its own ReLU': [
    ({ rows: [proof] }) => ({
      boxes: [{ relu: 0, neuron: 0, active: true, proof: { relu: 0, neuron: 0, sides: [proof, proof] } }],
    }),
    /no neuron 0 in ReLU 0/,
  ],
};

/** Other ways to write a header that JSON reads as the same, or that a reader may take for another. */
const texts: Record<string, (text: string) => string> = {
  'a key twice': (text) => text.replace('"eps":', '"eps":9,"eps":'),
  'a key twice, the other way': (text) => text.replace(/"eps":([^,]*)/, '"eps":$1,"eps":9'),
  'a key besides': (text) => text.replace('"index"', '"note":"all of it","index"'),
  'a key of prototypes': (text) => text.replace('"index"', '"__proto__":{"eps":9},"index"'),
  'another order': (text) => text.replace(/("label":\d+),("assurance":"[^"]*")/, '$2,$1'),
  'a number in another form': (text) => text.replace('"eps":0.03', '"eps":3e-2'),
  'a number with more digits than it has': (text) =>
    text.replace('"eps":0.03', '"eps":0.030000000000000000001'),
  'a number too large': (text) => text.replace('"eps":0.03', '"eps":1e999'),
  spaces: (text) => `${text} `,
  'a byte order mark': (text) => `\ufeff${text}`,
  'a list': (text) => `[${text}]`,
  null: () => 'null',
};

describe('content changed, checksum repaired', () => {
  it.each(Object.keys(changes))('%s', (name) => {
    const [change, reason] = changes[name];
    for (const one of samples) {
      const changed = { ...one.certificate, ...change(one.certificate, one) } as Certificate;
      expect(verdict(one, encodeCertificate(changed))).toMatch(reason);
    }
  });

  it.each(Object.keys(texts))('header: %s', (name) => {
    for (const one of samples) {
      const file = Buffer.from(one.bytes);
      const end = 16 + file.readUInt32LE(12);
      const text = Buffer.from(texts[name](file.toString('utf8', 16, end)));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      const body = Buffer.concat([file.subarray(0, 12), length, text, file.subarray(end, -32)]);
      const sealed = Buffer.concat([body, createHash('sha256').update(body).digest()]);
      expect(text.toString()).not.toBe(file.toString('utf8', 16, end));
      expect(verdict(one, sealed)).toMatch(/one form|not JSON|header's/);
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
    expect(400 + (Object.keys({ ...changes, ...texts }).length + 1) * samples.length).toBeGreaterThanOrEqual(
      1000,
    );
  });
});
