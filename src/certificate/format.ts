/** Reading a certificate file, version 2; docs/certificate-format.md describes it byte by byte. */
import { createHash } from 'node:crypto';
import { CertificateError } from '../errors.js';
import { demand } from './arithmetic.js';

export const magic = 'BULWARK\n';
export const version = 2;
const hashBytes = 32;
const mostHeader = 2 ** 24;
/** Splits above one leaf. */
const mostDepth = 1000;

export type Assurance = 'real' | 'float32';

/** The ball around an image, intersected with the clip range if there is one, in the units of the data. */
export interface Ball {
  readonly kind: 'l1' | 'l2' | 'linf';
  readonly eps: number;
  readonly clip: readonly [number, number] | null;
}

export interface Header extends Ball {
  /** SHA-256 of the ONNX bytes, and of mean and std as float64 (null without normalization), in hexadecimal. */
  readonly model: string;
  readonly normalization: string | null;
  /** Index of the image in the data, and SHA-256 of its float64 values. */
  readonly index: number;
  readonly center: string;
  /** The rows are `y_label - y_j`, j ascending without the label. */
  readonly label: number;
  readonly assurance: Assurance;
  /** What is claimed: every row is at least its margin, which is above 0. */
  readonly margins: readonly number[];
  /** For each node of the graph: if it is affine, an upper bound of the spectral norm of its chain. */
  readonly norms: readonly number[];
}

/** What proves one bound. */
export interface Multipliers {
  /** v = slope * g, one for each feature of each ReLU before the target. */
  readonly slope: Float32Array;
  /** The price >= 0 of the ball around each of these ReLUs' pre-activations. */
  readonly lambda: Float32Array;
  /** The price >= 0 of the ball around the centre of a clipped l2 region. */
  readonly inputLambda: number;
}

/** Says that the multipliers prove a lower bound of a pre-activation z (`active`), or of -z. */
export interface BoxClaim {
  readonly relu: number;
  readonly neuron: number;
  readonly active: boolean;
  readonly multipliers: Multipliers;
}

/** Multipliers, or a split: one proof for where a pre-activation is >= 0, one for where it is <= 0. */
export type Proof =
  Multipliers | { readonly relu: number; readonly neuron: number; readonly sides: readonly [Proof, Proof] };

export interface Certificate extends Header {
  readonly boxes: readonly BoxClaim[];
  readonly rows: readonly Proof[];
}

const number = Number.isFinite as (x: unknown) => boolean;
const numbers = (x: unknown): x is number[] => Array.isArray(x) && x.every(number);
const natural = (x: unknown): boolean => Number.isSafeInteger(x) && (x as number) >= 0;
const hash = (x: unknown): boolean => typeof x === 'string' && /^[0-9a-f]{64}$/.test(x);

/** What is valid for each key of the header, in the order of the file. */
const valid: Record<keyof Header, (x: unknown) => boolean> = {
  model: hash,
  normalization: (x) => x === null || hash(x),
  index: natural,
  center: hash,
  kind: (x) => x === 'l1' || x === 'l2' || x === 'linf',
  eps: (x) => number(x) && (x as number) >= 0,
  clip: (x) => x === null || (numbers(x) && x.length === 2),
  label: natural,
  assurance: (x) => x === 'real' || x === 'float32',
  margins: (x) => numbers(x) && x.every((margin) => margin > 0),
  norms: numbers,
};

/** The one form that a header has in a file: no key twice or besides, no number that others may read otherwise. */
export function headerText(header: Header): string {
  return JSON.stringify(header, Object.keys(valid));
}

/**
 * @param sizes features of each ReLU of the model.
 * @throws CertificateError for anything but a whole certificate file, naming what is wrong.
 */
export function readCertificate(bytes: Uint8Array, sizes: readonly number[]): Certificate {
  const end = bytes.length - hashBytes;
  demand(end >= magic.length + 8, `the file has only ${bytes.length} bytes`);
  const reader = new Reader(new DataView(bytes.buffer, bytes.byteOffset, end), sizes);
  demand(reader.text(magic.length) === magic, 'the file does not begin like a certificate');
  const found = reader.word();
  demand(found === version, `the format version is ${found}, expected ${version}`);
  const checksum = createHash('sha256').update(bytes.subarray(0, end)).digest();
  const whole = checksum.equals(bytes.subarray(end));
  demand(whole, 'the checksum differs: the file is damaged, cut short or changed');
  const header = parseHeader(reader.text(reader.word()));
  return { ...header, ...reader.payload(header.margins.length) };
}

function parseHeader(text: string): Header {
  let header: Header;
  try {
    header = { ...(JSON.parse(text) as Header) };
  } catch (cause) {
    throw new CertificateError('the header is not JSON', { cause });
  }
  const bad = Object.entries(valid).find(([key, fine]) => !fine(header[key as keyof Header]));
  demand(!bad, `the header's '${bad?.[0]}' is missing or has no meaning`);
  demand(headerText(header) === text, 'the header is not written in its one form');
  return header;
}

/** Takes words off the front; every length is checked against what is left before anything is made. */
class Reader {
  #at = 0;

  constructor(
    private readonly view: DataView,
    private readonly sizes: readonly number[],
  ) {}

  word(): number {
    return this.view.getUint32(this.#take(4), true);
  }

  text(length: number): string {
    demand(length <= mostHeader, `the header has ${length} bytes, at most ${mostHeader} are read`);
    const { buffer, byteOffset } = this.view;
    return Buffer.from(buffer, byteOffset + this.#take(length), length).toString('utf8');
  }

  payload(rowCount: number): Pick<Certificate, 'boxes' | 'rows'> {
    const count = this.word();
    const boxes: BoxClaim[] = [];
    while (boxes.length < count) {
      const at = this.#neuron();
      const active = this.word() !== 0;
      boxes.push({ ...at, active, multipliers: this.#multipliers(this.sizes.slice(0, at.relu)) });
    }
    const rows = Array.from({ length: rowCount }, () => this.#proof(0));
    const left = this.view.byteLength - this.#at;
    demand(left === 0, `${left} bytes too many lie behind the last proof`);
    return { boxes, rows };
  }

  /** The place of the next `bytes` bytes. */
  #take(bytes: number): number {
    const [at, left] = [this.#at, this.view.byteLength - this.#at];
    demand(bytes <= left, `the file ends early: ${bytes} bytes expected at ${at}, ${left} left`);
    this.#at += bytes;
    return at;
  }

  #floats(count: number, what: string, least: number): Float32Array {
    const at = this.#take(4 * count);
    const values = new Float32Array(count).map((_, i) => this.view.getFloat32(at + 4 * i, true));
    const bad = values.findIndex((value) => !(Number.isFinite(value) && value >= least));
    demand(bad < 0, `a ${what} is ${values[bad]}`);
    return values;
  }

  #neuron(): { relu: number; neuron: number } {
    const [relu, neuron] = [this.word(), this.word()];
    demand(neuron < this.sizes[relu], `there is no neuron ${neuron} in ReLU ${relu}`);
    return { relu, neuron };
  }

  #proof(depth: number): Proof {
    demand(depth <= mostDepth, `a proof has more than ${mostDepth} splits in a row`);
    if (this.word() === 0) return this.#multipliers(this.sizes);
    return { ...this.#neuron(), sides: [this.#proof(depth + 1), this.#proof(depth + 1)] };
  }

  #multipliers(sizes: readonly number[]): Multipliers {
    const features = sizes.reduce((a, b) => a + b, 0);
    const slope = this.#floats(features, 'slope', -Infinity);
    const lambda = this.#floats(sizes.length, 'lambda', 0);
    return { slope, lambda, inputLambda: this.#floats(1, 'lambda', 0)[0] };
  }
}
