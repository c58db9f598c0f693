/** Writing certificates; the format is in docs/certificate-format.md, its reader in certificate/. */
import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertificateChecker, hashOf } from '../certificate/checker.js';
import {
  type Assurance,
  type Ball,
  type BoxClaim,
  type Certificate,
  type Multipliers,
  type Proof,
  headerText,
  magic,
  version,
} from '../certificate/format.js';
import { CertificateError, DataError } from '../errors.js';
import type { Model } from '../model/index.js';
import { claimNorms } from './norm-claims.js';

/** What proves one row on the part of the region where some pre-activations have one side. */
export interface Leaf extends Multipliers {
  /** From the root of the tree: the first split of all leaves is one of the same neuron. */
  readonly splits: readonly { readonly relu: number; readonly neuron: number; readonly active: boolean }[];
}

/** Splits of the engine: ReLU, neuron, side, one after the other. */
export function splitsOf(given: Int32Array): Leaf['splits'] {
  return Array.from({ length: given.length / 3 }, (_, i) => ({
    relu: given[3 * i],
    neuron: given[3 * i + 1],
    active: given[3 * i + 2] === 1,
  }));
}

/** What proves one row: leaves whose splits cover the region; one leaf without splits where none was needed. */
export interface RowEvidence {
  readonly leaves: readonly Leaf[];
}

/** What an image's certificate is made of. */
export interface ImageEvidence {
  /** Index of the image in the data. */
  readonly index: number;
  readonly center: Float64Array;
  readonly label: number;
  readonly region: Ball;
  readonly assurance: Assurance;
  /** In the order of `margins(label)`. */
  readonly rows: readonly RowEvidence[];
  /** Bounds of single pre-activations that the rows rely on, in the order of their ReLUs. */
  readonly boxes?: readonly BoxClaim[];
  /** The bounds that were found for the rows; never claimed where the checker proves less. */
  readonly lower: ArrayLike<number>;
}

/** What proves a bound of one pre-activation; see `boxClaims`. */
export interface NeuronEvidence {
  readonly relu: number;
  readonly feature: number;
  readonly sign: number;
  readonly slope: Float32Array;
  readonly lambda: Float32Array;
  readonly inputLambda: number;
  /** As the engine gives them: not empty for a leaf of a tree, as `boxSubproblems` grows them. */
  readonly splits: Int32Array;
}

/** The ending of certificate files. */
export const certificateSuffix = '.cert';

/** Larger files are rejected unread, and so not written. */
export const mostBytes = 2 ** 28;
/** More than a file has beside its proofs. */
const frameBytes = 2 ** 20;

/** Makes the certificates of one model. Deriving its norms takes seconds, once. */
export class CertificateMaker {
  readonly #model: Model;
  readonly #checker: CertificateChecker;
  readonly #norms: readonly number[];

  /** @throws UnsupportedError or CertificateError for a model that the checker cannot handle. */
  constructor(model: Model) {
    this.#model = model;
    this.#checker = new CertificateChecker(model);
    this.#norms = claimNorms(this.#checker);
  }

  /**
   * Box claims from what proves them: entries for the same bound of the same neuron are the leaves of one
   * tree of splits.
   *
   * @throws CertificateError if multipliers have another number than their ReLUs, or leaves do not cover the
   *   region.
   */
  boxClaims(boxes: readonly NeuronEvidence[]): BoxClaim[] {
    const trees = new Map<string, NeuronEvidence[]>();
    for (const box of boxes) {
      const key = `${box.relu} ${box.feature} ${box.sign}`;
      const tree = trees.get(key);
      if (tree) tree.push(box);
      else trees.set(key, [box]);
    }
    return [...trees.values()].map((tree) => {
      const [{ relu, feature, sign }] = tree;
      const leaves = tree.map((box) => this.#boxLeaf(box));
      const proof = proofOf(leaves, `the box of neuron ${feature} of ReLU ${relu}`);
      return { relu, neuron: feature, active: sign > 0, proof };
    });
  }

  /**
   * The engine gives multipliers of only those ReLUs that lead to a pre-activation; the file has room for
   * all ReLUs before it, and what does not lead there has no effect.
   */
  #boxLeaf(box: NeuronEvidence): Leaf {
    const { relu } = box;
    const { layers, reluSizes } = this.#checker;
    const leads = new Set([layers.findIndex((layer) => layer.relu === relu)]);
    for (const at of leads) for (const from of layers[at].from) leads.add(from);
    const leading = new Set([...leads].map((at) => layers[at].relu));
    const slope: number[] = [];
    const lambda: number[] = [];
    let [features, relus] = [0, 0];
    reluSizes.slice(0, relu).forEach((size, index) => {
      const given = leading.has(index);
      for (let i = 0; i < size; i += 1) slope.push(given ? box.slope[features++] : 0);
      lambda.push(given ? box.lambda[relus++] : 0);
    });
    if (features !== box.slope.length || relus !== box.lambda.length) {
      throw new CertificateError(
        `a box of ReLU ${relu} has ${box.slope.length} slope and ${box.lambda.length} lambda, expected ${features} and ${relus}`,
      );
    }
    return {
      splits: splitsOf(box.splits),
      slope: Float32Array.from(slope),
      lambda: Float32Array.from(lambda),
      inputLambda: box.inputLambda,
    };
  }

  /**
   * A certificate that the checker accepts: it claims for each row the smaller of the bound found and
   * the bound that the checker derives from the multipliers (the same on every machine, float64
   * arithmetic being fixed).
   *
   * @returns undefined if the checker's bound of a row is not positive.
   * @throws CertificateError if the evidence does not fit the model, does not cover the region, or fills more
   *   than {@link mostBytes}.
   */
  make(evidence: ImageEvidence): Certificate | undefined {
    const { normalization } = this.#model;
    const { index, center, label, region, assurance, lower, boxes = [] } = evidence;
    const rows = evidence.rows.map(({ leaves }, row) => proofOf(leaves, `row ${row}`));
    const proofs = [...boxes.map(({ proof }) => proof), ...rows];
    const bytes = frameBytes + proofs.reduce((sum, proof) => sum + sizeOf(proof), 0);
    if (bytes > mostBytes) {
      throw new CertificateError(
        `the certificate of image ${index} may have ${bytes} bytes, at most ${mostBytes} are read`,
      );
    }
    const certificate = {
      model: this.#model.sha256,
      normalization: normalization ? hashOf(normalization.mean, normalization.std) : null,
      index,
      center: hashOf(center),
      ...region,
      label,
      assurance,
      norms: this.#norms,
      boxes,
      rows,
    };
    const proven = this.#checker.bounds(certificate, center);
    const margins = Array.from(proven, (bound, row) => Math.min(bound, lower[row]));
    return margins.every((margin) => margin > 0) ? { ...certificate, margins } : undefined;
  }
}

/**
 * Writes `<index>.cert` into the folder, which is made if missing; whole or not at all.
 *
 * @returns the file's path.
 * @throws DataError if it cannot be written.
 */
export async function writeCertificate(folder: string, certificate: Certificate): Promise<string> {
  const path = join(folder, `${String(certificate.index).padStart(6, '0')}${certificateSuffix}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(`${path}.part`, encodeCertificate(certificate));
    await rename(`${path}.part`, path);
  } catch (cause) {
    throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
  return path;
}

/**
 * The tree that leaves are the ends of: all split the same neuron next, and each side is such a tree.
 *
 * @throws CertificateError where they do not cover the region exactly once.
 */
function proofOf(leaves: readonly Leaf[], what: string, depth = 0): Proof {
  const [first] = leaves;
  if (leaves.length === 1 && first.splits.length === depth) {
    const { slope, lambda, inputLambda } = first;
    return { slope, lambda, inputLambda };
  }
  const next = leaves.map(({ splits }) => splits[depth]);
  const { relu, neuron } = next[0] ?? {};
  if (relu === undefined || !next.every((split) => split?.relu === relu && split.neuron === neuron)) {
    throw new CertificateError(`the leaves of ${what} do not cover the region exactly once`);
  }
  const side = (active: boolean): Proof =>
    proofOf(
      leaves.filter((_, i) => next[i].active === active),
      what,
      depth + 1,
    );
  return { relu, neuron: neuron!, sides: [side(true), side(false)] };
}

/** The file's bytes, checksum included. */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  const text = Buffer.from(headerText(certificate));
  const parts: Uint8Array[] = [Buffer.from(magic, 'latin1'), words([version, text.length]), text];
  parts.push(words([certificate.boxes.length]));
  for (const { relu, neuron, active, proof } of certificate.boxes)
    parts.push(words([relu, neuron, active ? 1 : 0]), ...proofBytes(proof));
  for (const proof of certificate.rows) parts.push(...proofBytes(proof));
  const body = Buffer.concat(parts);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/** At least the bytes that {@link proofBytes} takes, and those before a box's proof. */
function sizeOf(proof: Proof): number {
  if ('slope' in proof) return 4 * (proof.slope.length + proof.lambda.length + 5);
  return 24 + proof.sides.reduce((sum, side) => sum + sizeOf(side), 0);
}

/** Split by split, the active side first. */
function* proofBytes(root: Proof): Generator<Uint8Array> {
  const pending = [root];
  for (let proof = pending.pop(); proof; proof = pending.pop()) {
    if ('slope' in proof) {
      yield words([0]);
      yield floats(proof.slope);
      yield floats(proof.lambda);
      yield floats([proof.inputLambda]);
    } else {
      yield words([1, proof.relu, proof.neuron]);
      pending.push(...proof.sides.toReversed());
    }
  }
}

function words(values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}

function floats(values: ArrayLike<number>): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  for (let i = 0; i < values.length; i += 1) bytes.writeFloatLE(values[i], 4 * i);
  return bytes;
}
