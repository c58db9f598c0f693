/** Reading a certificate file, version 1; docs/certificate-format.md describes it byte by byte. */
import { createHash } from 'node:crypto';
import { CertificateError } from '../errors.js';

export const magic = 'BULWARK\n';
export const version = 1;
const mostHeader = 2 ** 24;
const hashBytes = 32;

export type Assurance = 'real' | 'float32';

export interface Header {
  /** SHA-256 of the ONNX bytes, and of mean and std as float64 (null without normalization), in hexadecimal. */
  readonly model: string;
  readonly normalization: string | null;
  /** Index of the image in the data, and SHA-256 of its float64 values. */
  readonly index: number;
  readonly center: string;
  readonly region: {
    readonly kind: 'l1' | 'l2' | 'linf';
    readonly eps: number;
    readonly clip: readonly [number, number] | null;
  };
  /** The rows are the margins of a label, or `c y + d`. */
  readonly specification:
    | { readonly label: number }
    | { readonly c: readonly (readonly number[])[]; readonly d: readonly number[] };
  readonly assurance: Assurance;
  /** What is claimed: every row is at least its margin, which is above 0. */
  readonly margins: readonly number[];
  /** Upper bounds of the spectral norms of the affine steps. */
  readonly norms: readonly number[];
  /** Features of each ReLU. */
  readonly relus: readonly number[];
}

/** The multipliers that prove one bound. */
export interface Leaf {
  /** Neurons whose pre-activation is taken to be >= 0 (`active`) or <= 0 in this leaf. */
  readonly splits: readonly { readonly relu: number; readonly neuron: number; readonly active: boolean }[];
  /** v = slope * c, one for each feature of each ReLU (of those before the target, for a box). */
  readonly slope: Float32Array;
  /** The price >= 0 of the ball around each ReLU's pre-activations. */
  readonly lambda: Float32Array;
  /** The price >= 0 of the ball around the centre of a clipped l2 region. */
  readonly inputLambda: number;
}

/** Says that `leaf` proves a lower (`active`: of z, else of -z) bound of one pre-activation z. */
export interface BoxClaim {
  readonly relu: number;
  readonly neuron: number;
  readonly active: boolean;
  readonly leaf: Leaf;
}

export interface Certificate extends Header {
  readonly boxes: readonly BoxClaim[];
  readonly rows: readonly (readonly Leaf[])[];
}

/**
 * @param sizes features of each ReLU of the model: leaves of other sizes are not even read.
 * @throws CertificateError for anything but a whole certificate file, naming what is wrong.
 */
export function readCertificate(bytes: Uint8Array, sizes: readonly number[]): Certificate {
  const end = bytes.length - hashBytes;
  if (end < magic.length + 8) throw new CertificateError(`the file has only ${bytes.length} bytes`);
  if (Buffer.from(bytes.subarray(0, magic.length)).toString('latin1') !== magic) {
    throw new CertificateError('the file does not begin like a certificate');
  }
  const reader = new Reader(bytes.subarray(0, end), magic.length);
  const found = reader.uint32();
  if (found !== version) throw new CertificateError(`the format version is ${found}, expected ${version}`);
  const hash = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!hash.equals(bytes.subarray(end))) {
    throw new CertificateError('the checksum differs: the file is damaged, cut short or changed');
  }
  const header = parseHeader(reader.text(reader.uint32()));
  const { relus, margins } = header;
  if (relus.length !== sizes.length || relus.some((size, i) => size !== sizes[i])) {
    throw new CertificateError(`the sizes of the ReLUs differ: the model's are ${sizes.join(', ')}`);
  }
  const boxes = reader.many(8, () => {
    const claim = neuronOf(reader, relus);
    return { ...claim, leaf: leafOf(reader, relus, relus.slice(0, claim.relu)) };
  });
  const rows = margins.map(() => reader.many(8, () => leafOf(reader, relus, relus)));
  reader.finish();
  return { ...header, boxes, rows };
}

/** Takes values off the front; every length is checked against what is left before anything is made. */
class Reader {
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  #take(bytes: number): number {
    const [at, left] = [this.#at, this.#view.byteLength - this.#at];
    if (bytes > left)
      throw new CertificateError(`the file ends early: ${bytes} bytes expected at ${at}, ${left} left`);
    this.#at += bytes;
    return at;
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  text(bytes: number): string {
    if (bytes > mostHeader)
      throw new CertificateError(`the header has ${bytes} bytes, at most ${mostHeader} are read`);
    const { buffer, byteOffset } = this.#view;
    return Buffer.from(buffer, byteOffset + this.#take(bytes), bytes).toString('utf8');
  }

  /** @throws CertificateError for NaN, infinities, and below `least`. */
  floats(count: number, what: string, least: number): Float32Array {
    const at = this.#take(4 * count);
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const value = this.#view.getFloat32(at + 4 * i, true);
      if (!(Number.isFinite(value) && value >= least)) throw new CertificateError(`a ${what} is ${value}`);
      values[i] = value;
    }
    return values;
  }

  /** A count, and so many items of at least `size` bytes. */
  many<T>(size: number, item: () => T): T[] {
    const count = this.uint32();
    const left = this.#view.byteLength - this.#at;
    if (count * size > left)
      throw new CertificateError(`the file ends early: ${count} items in ${left} bytes`);
    return Array.from({ length: count }, item);
  }

  finish(): void {
    const left = this.#view.byteLength - this.#at;
    if (left > 0) throw new CertificateError(`${left} bytes too many lie behind the last leaf`);
  }
}

function neuronOf(
  reader: Reader,
  relus: readonly number[],
): { relu: number; neuron: number; active: boolean } {
  const relu = reader.uint32();
  const code = reader.uint32();
  const neuron = Math.floor(code / 2);
  if (relu >= relus.length || neuron >= relus[relu]) {
    throw new CertificateError(`there is no neuron ${neuron} in ReLU ${relu}`);
  }
  return { relu, neuron, active: code % 2 === 1 };
}

/** @param own the ReLUs that the leaf has multipliers for. */
function leafOf(reader: Reader, relus: readonly number[], own: readonly number[]): Leaf {
  const splits = reader.many(8, () => neuronOf(reader, relus));
  const slope = reader.floats(
    own.reduce((a, b) => a + b, 0),
    'slope',
    -Infinity,
  );
  const lambda = reader.floats(own.length, 'lambda', 0);
  return { splits, slope, lambda, inputLambda: reader.floats(1, 'lambda', 0)[0] };
}

function parseHeader(text: string): Header {
  let header: Header;
  try {
    header = JSON.parse(text) as Header;
  } catch (cause) {
    throw new CertificateError('the header is not JSON', { cause });
  }
  const hash = (x: unknown): boolean => typeof x === 'string' && /^[0-9a-f]{64}$/.test(x);
  const natural = (x: unknown): boolean => Number.isSafeInteger(x) && (x as number) >= 0;
  const list = (x: unknown, each: (entry: unknown) => boolean): boolean => Array.isArray(x) && x.every(each);
  const finite = Number.isFinite as (x: unknown) => boolean;
  const vector = (x: unknown): boolean => list(x, finite);
  const { region, specification: spec } = (typeof header === 'object' && header) || {};
  const known: [string, boolean][] = [
    ['model', hash(header?.model)],
    ['normalization', header?.normalization === null || hash(header?.normalization)],
    ['index', natural(header?.index)],
    ['center', hash(header?.center)],
    ['region.kind', ['l1', 'l2', 'linf'].includes(region?.kind as string)],
    ['region.eps', finite(region?.eps) && region!.eps >= 0],
    ['region.clip', region?.clip === null || (vector(region?.clip) && region!.clip!.length === 2)],
    ['specification', isRows(spec) ? list(spec.c, vector) && vector(spec.d) : natural(spec?.label)],
    ['assurance', ['real', 'float32'].includes(header?.assurance)],
    ['margins', vector(header?.margins) && header.margins.every((margin) => margin > 0)],
    ['norms', vector(header?.norms)],
    ['relus', list(header?.relus, natural)],
  ];
  const bad = known.find(([, valid]) => !valid);
  if (bad) throw new CertificateError(`the header's '${bad[0]}' is missing or has no meaning`);
  return header;
}

export function isRows(
  spec: Header['specification'] | undefined,
): spec is Exclude<typeof spec, { label: number } | undefined> {
  return typeof spec === 'object' && spec !== null && 'c' in spec;
}
