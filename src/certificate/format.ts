/** Reading a certificate file, version 3; docs/certificate-format.md describes it byte by byte. */
import { createHash } from 'node:crypto';
import { CertificateError } from '../errors.js';
import { checked, demand } from './arithmetic.js';

export const magic = 'BULWARK\n';
export const version = 3;
const hashBytes = 32;
const headerAt = 16;
const mostHeader = 2 ** 24;
/** Splits above one leaf. */
const mostDepth = 1000;

const number = (x: unknown): x is number => Number.isFinite(x);
const numbers = (x: unknown): x is readonly number[] => Array.isArray(x) && x.every(number);
const natural = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
const hash = (x: unknown): x is string => typeof x === 'string' && /^[0-9a-f]{64}$/.test(x);

/** What is valid for each key of the header, in the order of the file. */
const valid = {
  /** SHA-256 of the ONNX bytes, and of mean and std as float64 (null without normalization), in hexadecimal. */
  model: hash,
  normalization: (x: unknown): x is string | null => x === null || hash(x),
  /** Index of the image in the data, and SHA-256 of its float64 values. */
  index: natural,
  center: hash,
  /** The ball around the image, intersected with the clip range if there is one, in the units of the data. */
  kind: (x: unknown): x is 'l1' | 'l2' | 'linf' => x === 'l1' || x === 'l2' || x === 'linf',
  eps: (x: unknown): x is number => number(x) && x >= 0,
  clip: (x: unknown): x is readonly [number, number] | null => x === null || (numbers(x) && x.length === 2),
  /** The rows are `y_label - y_j`, j ascending without the label. */
  label: natural,
  assurance: (x: unknown): x is 'real' | 'float32' => x === 'real' || x === 'float32',
  /** What is claimed: every row is at least its margin, which is above 0. */
  margins: (x: unknown): x is readonly number[] => numbers(x) && x.every((margin) => margin > 0),
  /** For each layer of the model: if it is affine, an upper bound of the spectral norm of its chain. */
  norms: numbers,
};

type Guarded<Guard> = Guard extends (x: unknown) => x is infer T ? T : never;
export type Header = { readonly [Key in keyof typeof valid]: Guarded<(typeof valid)[Key]> };
export type Ball = Pick<Header, 'kind' | 'eps' | 'clip'>;
export type Assurance = Header['assurance'];

/** What proves one bound. */
export interface Multipliers {
  /** v = slope * g, one for each feature of each ReLU before the target. */
  readonly slope: Float32Array;
  /** The price >= 0 of the ball around each of these ReLUs' pre-activations. */
  readonly lambda: Float32Array;
  /** The price >= 0 of the ball around the centre of a clipped l2 region. */
  readonly inputLambda: number;
}

interface Neuron {
  readonly relu: number;
  readonly neuron: number;
}

/** Multipliers, or a split: one proof for where a pre-activation is >= 0, one for where it is <= 0. */
export type Proof = Multipliers | (Neuron & { readonly sides: readonly [Proof, Proof] });

/** Says that the proof bounds a pre-activation z from below (`active`), or -z. */
export type BoxClaim = Neuron & { readonly active: boolean; readonly proof: Proof };

export type Certificate = Header & { readonly boxes: readonly BoxClaim[]; readonly rows: readonly Proof[] };

/** The one form that a header has in a file: no key twice or besides, no number that others may read otherwise. */
export function headerText(header: Header): string {
  return JSON.stringify(header, Object.keys(valid));
}

/**
 * Every length is checked against what is left before anything is made.
 *
 * @param sizes features of each ReLU of the model.
 * @throws CertificateError for anything but a whole certificate file, naming what is wrong.
 */
export function readCertificate(bytes: Uint8Array, sizes: readonly number[]): Certificate {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = file.length - hashBytes;
  demand(end >= headerAt, `the file has only ${file.length} bytes`);
  demand(file.toString('latin1', 0, 8) === magic, 'the file does not begin like a certificate');
  const [found, length] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  demand(found === version, `the format version is ${found}, expected ${version}`);
  const checksum = createHash('sha256').update(file.subarray(0, end)).digest();
  demand(checksum.equals(file.subarray(end)), 'the checksum differs: the file is damaged or changed');
  const most = Math.min(end - headerAt, mostHeader);
  demand(length <= most, `the header has ${length} bytes, at most ${most} are read`);
  const header = parseHeader(file.toString('utf8', headerAt, headerAt + length));

  // A copy, so that it is aligned; what a machine that is not little-endian reads here, it rejects.
  const payload = new Uint8Array(file.subarray(headerAt + length, end)).buffer;
  demand(payload.byteLength % 4 === 0, `the payload has ${payload.byteLength} bytes, not words of four`);
  const [words, floats] = [new Uint32Array(payload), new Float32Array(payload)];
  let next = 0;
  const word = (): number => {
    demand(next < words.length, `the file ends early, after ${next} words of payload`);
    return words[next++];
  };
  const neuronOf = (relus: readonly number[]): Neuron => {
    const [relu, neuron] = [word(), word()];
    demand(neuron < relus[relu], `there is no neuron ${neuron} in ReLU ${relu}`);
    return { relu, neuron };
  };
  /** Over ReLUs of these sizes. */
  const proof = (relus: readonly number[], depth = 0): Proof => {
    demand(depth <= mostDepth, `a proof has more than ${mostDepth} splits in a row`);
    if (word() !== 0)
      return { ...neuronOf(relus), sides: [proof(relus, depth + 1), proof(relus, depth + 1)] };
    // Where the payload ends within them, these are short, and `next` is behind its end from then on.
    const features = relus.reduce((a, b) => a + b, 0);
    const slope = checked(floats.subarray(next, (next += features)), 'a slope');
    const lambda = checked(floats.subarray(next, (next += relus.length + 1)), 'a lambda');
    demand(!lambda.some((price) => price < 0), 'a lambda is below 0');
    return { slope, lambda: lambda.subarray(0, relus.length), inputLambda: lambda[relus.length] };
  };
  const boxes: BoxClaim[] = [];
  for (let count = word(); count > 0; count--) {
    const at = neuronOf(sizes);
    boxes.push({ ...at, active: word() !== 0, proof: proof(sizes.slice(0, at.relu)) });
  }
  const rows = header.margins.map(() => proof(sizes));
  demand(next === words.length, `the file has ${words.length} words of payload, but the proofs take ${next}`);
  return { ...header, boxes, rows };
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
