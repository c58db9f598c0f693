/**
 * The independent checker. A certificate is accepted if, for every row of its specification, a lower
 * bound that is derived here, from nothing but the model, the image, the region and the certificate's
 * multipliers, is at least the margin that it claims. Nothing else in the file is believed: norms are
 * proven, boxes are derived, and the leaves of a row must cover the region.
 */
import { createHash } from 'node:crypto';
import { CertificateError } from '../errors.js';
import type { Model } from '../model/index.js';
import { sizeOf } from '../tensor.js';
import { type Region, ball } from '../problem/region.js';
import { margins, rows } from '../problem/specification.js';
import type { Box } from './arithmetic.js';
import { float32Error } from './float32.js';
import {
  type BoxClaim,
  type Certificate,
  type Header,
  type Leaf,
  isRows,
  readCertificate,
} from './format.js';
import { ImageFacts, LowerSum } from './image.js';
import { Norms, type Steps, stepsOf } from './network.js';

/** The image that a certificate is about, in the units of the data. */
export interface CheckedImage {
  readonly center: Float64Array;
  /** Where known, a certificate for another label is refused. */
  readonly label?: number;
}

export class CertificateChecker {
  readonly steps: Steps;
  readonly #model: Model;
  readonly norms: Norms;
  /** Features of each ReLU, in graph order. */
  readonly reluSizes: readonly number[];
  #plainSteps: Steps | undefined;

  /**
   * @param model with the normalization, if there is one.
   * @throws UnsupportedError or CertificateError for weights that the checker does not compute with.
   */
  constructor(model: Model) {
    this.#model = model;
    this.steps = stepsOf(model.graph, true);
    this.norms = new Norms(this.steps);
    this.reluSizes = model.graph.nodes.flatMap(({ op, shape }) => (op === 'relu' ? [sizeOf(shape)] : []));
  }

  /**
   * Checks one file.
   *
   * @param imageAt the image of an index; undefined if there is none.
   * @returns what it proves.
   * @throws CertificateError if it is rejected, with the reason.
   */
  check(bytes: Uint8Array, imageAt: (index: number) => CheckedImage | undefined): Certificate {
    const certificate = readCertificate(bytes, this.reluSizes);
    const image = imageAt(certificate.index);
    if (!image) throw new CertificateError(`the data have no image ${certificate.index}`);
    this.#identify(certificate, image);
    const bounds = this.bounds(certificate, image.center);
    certificate.margins.forEach((claim, row) => {
      if (Number.isFinite(bounds[row]) && bounds[row] >= claim && claim > 0) return;
      throw new CertificateError(
        `row ${row} is claimed to be at least ${claim}, but ${bounds[row]} is proven`,
      );
    });
    return certificate;
  }

  /** The bounds of the rows that a certificate's multipliers prove, whatever it claims. */
  bounds(certificate: Omit<Certificate, 'margins'>, center: Float64Array): Float64Array {
    const { steps } = this;
    const { region: regionHeader, boxes } = certificate;
    const { kind, eps, clip } = regionHeader;
    const region: Region = usage(() => ball(kind, center, eps, clip ? { clip } : {}));
    const spec = certificate.specification;
    const native = usage(() =>
      (isRows(spec) ? rows(spec.c, spec.d) : margins(spec.label)).resolve(1, this.#model.outputSize),
    );
    same('rows', certificate.rows.length, native.rowCount);
    boxes.forEach(({ leaf, relu }, i) => {
      if (leaf.splits.length > 0) throw new CertificateError(`box claim ${i} has splits`);
      if (i > 0 && relu < boxes[i - 1].relu)
        throw new CertificateError('box claims are not in the order of the ReLUs');
    });
    const norms = this.norms.prove(certificate.norms);
    const facts = new ImageFacts(steps, region, norms, (known, relu, step, box) =>
      tightened(
        known,
        step,
        box,
        boxes.filter((claim) => claim.relu === relu),
      ),
    );
    const output = steps.length - 1;
    const size = this.#model.outputSize;
    const deviation =
      certificate.assurance === 'float32' ? this.#deviation(facts, norms) : new Float64Array(size);
    return Float64Array.from(certificate.rows, (leaves, row) => {
      if (!covers(leaves, 0))
        throw new CertificateError(`the leaves of row ${row} do not cover the region exactly once`);
      const c = native.c.subarray(row * size, (row + 1) * size);
      const bound = new LowerSum();
      bound.add(
        leaves.reduce(
          (least, leaf) => Math.min(least, facts.lowerBound(output, c, native.d[row], leaf)),
          Infinity,
        ),
      );
      c.forEach((entry, i) => bound.lose(Math.abs(entry) * deviation[i]));
      return bound.value();
    });
  }

  /** How far float32 outputs can be from the real ones. */
  #deviation(facts: ImageFacts, norms: readonly number[]): Float64Array {
    this.#plainSteps ??= stepsOf(this.#model.graph, false);
    const unfolded = this.steps.flatMap((step, i) =>
      step?.affine?.folds === 0 ? [[step.node, norms[i]] as const] : [],
    );
    const relus = this.steps.flatMap((step) => (step?.op === 'relu' ? [facts.at(step.from[0]).box] : []));
    return float32Error(this.#plainSteps, new Map(unfolded), facts.at(0).box, relus);
  }

  /** That the certificate is about this model and this image. */
  #identify(header: Header, { center, label }: CheckedImage): void {
    const { sha256, normalization } = this.#model;
    same('model (SHA-256)', header.model, sha256);
    same(
      'normalization',
      header.normalization,
      normalization ? hashOf(normalization.mean, normalization.std) : null,
    );
    same('image (SHA-256)', header.center, hashOf(center));
    const { specification: spec } = header;
    if (label !== undefined && !isRows(spec)) same('label', spec.label, label);
  }
}

/** The SHA-256 of float64 numbers, little-endian, in hexadecimal. */
export function hashOf(...arrays: Float64Array[]): string {
  const hash = createHash('sha256');
  for (const values of arrays) {
    const view = new DataView(new ArrayBuffer(8 * values.length));
    values.forEach((value, i) => view.setFloat64(8 * i, value, true));
    hash.update(new Uint8Array(view.buffer));
  }
  return hash.digest('hex');
}

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new CertificateError(`the ${what} differs: the certificate has ${a}, expected ${b}`);
}

/** What problem/ refuses (a centre outside the clip range, a label that there is not) is a reason to reject. */
function usage<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new CertificateError((cause as Error).message, { cause });
  }
}

/** Cuts a box by what its claims prove; all boxes before it are final. */
function tightened(facts: ImageFacts, step: number, box: Box, claims: readonly BoxClaim[]): Box {
  const [lower, upper] = [box.lower.slice(), box.upper.slice()];
  for (const { neuron, active, leaf } of claims) {
    const unitRow = new Float64Array(lower.length);
    unitRow[neuron] = active ? 1 : -1;
    const bound = facts.lowerBound(step, unitRow, 0, leaf);
    if (active) lower[neuron] = Math.max(lower[neuron], bound);
    else upper[neuron] = Math.min(upper[neuron], -bound);
    if (!(lower[neuron] <= upper[neuron]))
      throw new CertificateError(`box claims of neuron ${neuron} leave nothing`);
  }
  return { lower, upper };
}

/**
 * Whether the leaves, which agree on their first `depth` splits, cover what those leave: one leaf with no
 * more splits, or two such sets that split the same neuron next, one each way.
 */
function covers(leaves: readonly Leaf[], depth: number): boolean {
  if (leaves.length === 0 || depth > 1000) return false;
  if (leaves.some(({ splits }) => splits.length === depth)) return leaves.length === 1;
  const { relu, neuron } = leaves[0].splits[depth];
  const next = leaves.map(({ splits }) => splits[depth]);
  if (next.some((split) => split.relu !== relu || split.neuron !== neuron)) return false;
  return [true, false].every((side) =>
    covers(
      leaves.filter((_, i) => next[i].active === side),
      depth + 1,
    ),
  );
}
