/**
 * The independent checker. A certificate is accepted if, for every row of its specification, a lower
 * bound that is derived here, from nothing but the model, the image, the region and the certificate's
 * multipliers, is at least the margin that it claims. Nothing else in the file is believed: norms are
 * proven, boxes are derived, and splits cover the region because each comes with both of its sides.
 */
import { createHash } from 'node:crypto';
import type { Model } from '../model/index.js';
import { sizeOf } from '../tensor.js';
import { demand } from './arithmetic.js';
import { lowerBound } from './dual.js';
import { type Fact, type Known, type Problem, derive, regionOf } from './facts.js';
import { type BoxClaim, type Certificate, type Proof, readCertificate } from './format.js';
import { type Layer, layersOf } from './network.js';
import { hasNorm } from './norm.js';

/** The image that a certificate is about, in the units of the data. */
export interface CheckedImage {
  readonly center: Float64Array;
  /** Where known, a certificate for another label is refused. */
  readonly label?: number;
}

export class CertificateChecker {
  readonly layers: readonly Layer[];
  /** Features of each ReLU, in graph order. */
  readonly reluSizes: readonly number[];
  /** For each affine node the smallest norm of its chain that is proven. */
  readonly #norms: number[] = [];

  /**
   * @param model with the normalization, if there is one.
   * @throws UnsupportedError or CertificateError for weights that the checker does not compute with.
   */
  constructor(private readonly model: Model) {
    this.layers = layersOf(model.graph);
    this.reluSizes = this.layers.flatMap(({ op, shape }) => (op === 'relu' ? [sizeOf(shape)] : []));
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
    demand(image !== undefined, `the data have no image ${certificate.index}`);
    const { sha256, normalization } = this.model;
    same('model (SHA-256)', certificate.model, sha256);
    const constants = normalization ? hashOf(normalization.mean, normalization.std) : null;
    same('normalization', certificate.normalization, constants);
    same('image (SHA-256)', certificate.center, hashOf(image.center));
    if (image.label !== undefined) same('label', certificate.label, image.label);
    const bounds = this.bounds(certificate, image.center);
    certificate.margins.forEach((claim, row) => {
      const fine = Number.isFinite(bounds[row]) && bounds[row] >= claim && claim > 0;
      demand(fine, `row ${row} is claimed to be at least ${claim}, but ${bounds[row]} is proven`);
    });
    return certificate;
  }

  /** Whether `claim` is proven to be an upper bound of the norm of the chain that ends in an affine node. */
  provesNorm(at: number, claim: number): boolean {
    if (claim >= this.#norms[at]) return true;
    const { affine, shape } = this.layers[at];
    if (!hasNorm(affine!, [shape, this.layers[affine!.start].shape], claim)) return false;
    this.#norms[at] = claim;
    return true;
  }

  /** The bounds of the rows that a certificate's multipliers prove, whatever it claims. */
  bounds(certificate: Omit<Certificate, 'margins'>, center: Float64Array): Float64Array {
    const { layers } = this;
    const { label, assurance, norms, boxes, rows } = certificate;
    const [inputs, outputs] = [layers[0], layers[layers.length - 1]].map(({ shape }) => sizeOf(shape));
    same('features of the image', center.length, inputs);
    same('number of rows', rows.length, outputs - 1);
    same('number of norms', norms.length, layers.length);
    demand(label < outputs, `the label is ${label} of ${outputs} classes`);
    layers.forEach(({ affine }, at) => {
      const fine = !affine || this.provesNorm(at, norms[at]);
      demand(fine, `norm ${at} is claimed to be ${norms[at]}, which could not be proven`);
    });
    const problem = { layers, norms, assurance, region: regionOf(certificate, center) };
    const known = { ...problem, facts: factsOf(problem, boxes) };
    return Float64Array.from(rows, (proof, row) => {
      const c = new Float64Array(outputs);
      c[label] = 1;
      c[row < label ? row : row + 1] = -1;
      return proven(known, layers.length - 1, c, proof);
    });
  }
}

/**
 * What is known of every layer; before a ReLU, the box of what it takes is cut by what its claims prove.
 *
 * @throws CertificateError if the claims leave nothing of a box.
 */
export function factsOf(problem: Problem, boxes: readonly BoxClaim[]): Fact[] {
  const facts: Fact[] = [];
  const known = { ...problem, facts };
  problem.layers.forEach(({ from: [at], relu }, layer) => {
    for (const { neuron, active, proof } of boxes.filter((box) => box.relu === relu)) {
      const row = new Float64Array(facts[at].lower.length);
      row[neuron] = active ? 1 : -1;
      const bound = proven(known, at, row, proof);
      const cut = cutAt(facts[at], neuron, active, bound);
      demand(cut, `a box claim of ReLU ${relu} is ${bound}, which leaves nothing of neuron ${neuron}`);
      facts[at] = cut;
    }
    facts.push(derive(known, layer));
  });
  return facts;
}

/** The fact where a side of one feature is at least `bound`; undefined where that leaves nothing. */
export function cutAt(fact: Fact, neuron: number, active: boolean, bound: number): Fact | undefined {
  const [lower, upper] = [fact.lower.slice(), fact.upper.slice()];
  if (active) lower[neuron] = Math.max(lower[neuron], bound);
  else upper[neuron] = Math.min(upper[neuron], -bound);
  return lower[neuron] <= upper[neuron] ? { ...fact, lower, upper } : undefined;
}

/** The least bound of `row^T z`, z the values of a layer, over a proof's leaves; Infinity for those without a point. */
function proven(known: Known, target: number, row: Float64Array, proof: Proof): number {
  if ('slope' in proof) return lowerBound(known, target, row, proof);
  const [at] = known.layers.find(({ relu }) => relu === proof.relu)!.from;
  const bounds = proof.sides.map((side, i) => {
    const cut = cutAt(known.facts[at], proof.neuron, i === 0, 0);
    return cut ? proven({ ...known, facts: known.facts.with(at, cut) }, target, row, side) : Infinity;
  });
  return Math.min(...bounds);
}

/** The SHA-256 of float64 numbers, little-endian as machines have them, in hexadecimal. */
export function hashOf(...arrays: Float64Array[]): string {
  const hash = createHash('sha256');
  for (const array of arrays) hash.update(array);
  return hash.digest('hex');
}

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  demand(a === b, `the ${what} differs: the certificate has ${a}, expected ${b}`);
}
