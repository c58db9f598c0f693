import type { NativeDense } from '../binding-dense.js';
import { type DeviceKind, chooseDevice } from '../device.js';
import { DeviceError } from '../errors.js';
import { loadNative } from '../native.js';
import {
  type AdamForm,
  type Arithmetic,
  type AverageForm,
  type BinaryKind,
  type ConvolutionForm,
  type CrossEntropyForm,
  type Numbers,
  type ProductEnd,
  type ProductForm,
  type SignStepForm,
  type Stored,
  type UnaryKind,
  binaryKinds,
  onHost,
  unaryKinds,
} from './arithmetic.js';

const codes = (kinds: readonly string[]): Map<string, number> =>
  new Map(kinds.map((kind, code) => [kind, code]));
const unaryCodes = codes(unaryKinds);
const binaryCodes = codes(binaryKinds);

/** The tape's arrays under this arithmetic are Float32Arrays, or all its device's; the addon refuses any other. */
const floats = (x: Stored): Float32Array => x as Float32Array;

export interface NativeArithmeticOptions {
  /** Worker threads of large products on the CPU; 0 for as many as the machine has cores. */
  readonly threads?: number;
  /** `'auto'` takes a CUDA device where there is one, else the CPU. Default `'cpu'`. */
  readonly device?: DeviceKind | 'auto';
}

/**
 * float32 on the addon's kernels. On a GPU the calls are queued and return at once; only `download` waits. Its
 * memory comes from one arena, which engines on the same GPU share (docs/gpu.md).
 */
export class NativeArithmetic implements Arithmetic {
  readonly #dense: NativeDense;
  readonly device: DeviceKind;
  readonly stepsAhead: number;

  /** @throws DeviceError if `'cuda'` is asked for and there is none. */
  constructor({ threads = 0, device = 'cpu' }: NativeArithmeticOptions = {}) {
    const binding = loadNative();
    this.device = chooseDevice(device, binding);
    this.#dense = onDevice(() => binding.createDense({ threads, device: this.device }));
    this.stepsAhead = this.#dense.stepsAhead;
  }

  /** @throws DeviceError when the device's memory is full. */
  allocate(length: number): Stored {
    return this.device === 'cpu' ? new Float32Array(length) : onDevice(() => this.#dense.allocate(length));
  }

  free(x: Stored): void {
    if (!onHost(x)) x.free();
  }

  upload(values: ArrayLike<number>, y: Stored): void {
    if (onHost(y)) y.set(values);
    else this.#dense.upload(values instanceof Float32Array ? values : Float32Array.from(values), y, 0);
  }

  download(x: Stored): Numbers {
    if (onHost(x)) return x;
    const values = new Float32Array(x.length);
    this.#dense.download(x, 0, values);
    return values;
  }

  fill(y: Stored, value: number): void {
    if (onHost(y)) y.fill(value);
    else this.#dense.fill(y, value);
  }

  copy(x: Stored, y: Stored, stretch?: { from: number; to: number; count: number }): void {
    if (onHost(x) && onHost(y)) {
      if (stretch === undefined) y.set(x);
      else y.set(x.subarray(stretch.from, stretch.from + stretch.count), stretch.to);
    } else {
      const { from, to, count } = stretch ?? { from: 0, to: 0, count: x.length };
      this.#dense.copy(floats(x), from, floats(y), to, count);
    }
  }

  product(
    a: Stored,
    b: Stored,
    c: Stored,
    form: ProductForm,
    accumulate: boolean,
    { bias, relu = false }: ProductEnd = {},
  ): void {
    const { m, n, k, transposeA, transposeB } = form;
    const flags = (transposeA ? 1 : 0) + (transposeB ? 2 : 0) + (accumulate ? 4 : 0) + (relu ? 8 : 0);
    this.#dense.gemm(floats(a), floats(b), floats(c), m, n, k, flags, bias && floats(bias));
  }

  unary(kind: UnaryKind, x: Stored, y: Stored): void {
    this.#dense.unary(unaryCodes.get(kind)!, floats(x), floats(y));
  }

  binary(kind: BinaryKind, a: Stored, b: Stored, y: Stored, layout: Int32Array): void {
    this.#dense.binary(binaryCodes.get(kind)!, floats(a), floats(b), floats(y), layout);
  }

  addReduced(x: Stored, y: Stored, layout: Int32Array): void {
    this.#dense.addReduced(floats(x), floats(y), layout);
  }

  scale(x: Stored, y: Stored, factor: number, shift: number): void {
    this.#dense.scale(floats(x), floats(y), factor, shift);
  }

  combine(x: Stored, y: Stored, factor: number, keep: number): void {
    this.#dense.combine(floats(x), floats(y), factor, keep);
  }

  gather(x: Stored, indices: Int32Array, y: Stored): void {
    this.#dense.gather(floats(x), indices, floats(y));
  }

  scatterAdd(x: Stored, indices: Int32Array, y: Stored): void {
    this.#dense.scatterAdd(floats(x), indices, floats(y));
  }

  normalise(x: Stored, length: Stored): void {
    this.#dense.normalise(floats(x), floats(length));
  }

  clipFactor(squares: Stored, most: number, factor: Stored): void {
    this.#dense.clipFactor(floats(squares), most, floats(factor));
  }

  largestOfRows(x: Stored, rows: number, columns: number, y: Stored): void {
    this.#dense.largestOfRows(floats(x), rows, columns, floats(y));
  }

  largestGradient(
    x: Stored,
    y: Stored,
    weights: Stored,
    rows: number,
    columns: number,
    gradient: Stored,
  ): void {
    this.#dense.largestGradient(floats(x), floats(y), floats(weights), rows, columns, floats(gradient));
  }

  countCorrect(logits: Stored, labels: Int32Array, columns: number, count: Stored): void {
    this.#dense.countCorrect(floats(logits), labels, columns, floats(count));
  }

  keepLarger(scores: Stored, x: Stored, best: Stored, kept: Stored): void {
    this.#dense.keepLarger(floats(scores), floats(x), floats(best), floats(kept));
  }

  logSumExpOfRows(x: Stored, rows: number, columns: number, y: Stored): void {
    this.#dense.logSumExpOfRows(floats(x), rows, columns, floats(y));
  }

  gateRows(x: Stored, y: Stored, columns: number, gated: Stored, sums?: Stored): void {
    this.#dense.gateRows(floats(x), floats(y), columns, floats(gated), sums && floats(sums));
  }

  crossEntropies(
    logits: Stored,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Stored,
    losses: Stored,
  ): void {
    this.#dense.crossEntropies(
      floats(logits),
      labels,
      columns,
      smoothing,
      floats(normalisers),
      floats(losses),
    );
  }

  crossEntropyGradient(
    logits: Stored,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Stored,
    weights: Stored,
    gradient: Stored,
  ): void {
    this.#dense.crossEntropyGradient(
      floats(logits),
      labels,
      columns,
      smoothing,
      floats(normalisers),
      floats(weights),
      floats(gradient),
    );
  }

  convolve(x: Stored, weight: Stored, y: Stored, form: ConvolutionForm): void {
    this.#dense.convolve(floats(x), floats(weight), floats(y), geometry(form));
  }

  convolveInput(y: Stored, weight: Stored, x: Stored, form: ConvolutionForm): void {
    this.#dense.convolveInput(floats(y), floats(weight), floats(x), geometry(form));
  }

  convolveWeight(x: Stored, y: Stored, weight: Stored, form: ConvolutionForm): void {
    this.#dense.convolveWeight(floats(x), floats(y), floats(weight), geometry(form));
  }

  adam(
    gradient: Stored,
    weight: Stored,
    first: Stored,
    second: Stored,
    form: AdamForm,
    kept?: AverageForm,
  ): void {
    const { rate, beta1, beta2, epsilon, decay, step, gradientScale } = form;
    const arrays = [floats(gradient), floats(weight), floats(first), floats(second)] as const;
    const corrections = [1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)] as const;
    const plain = typeof gradientScale === 'number';
    const scale = plain ? undefined : floats(gradientScale);
    const settings = [rate, beta1, beta2, epsilon, decay, ...corrections, plain ? gradientScale : 1] as const;
    if (kept === undefined) this.#dense.adam(...arrays, ...settings, undefined, 0, 0, scale);
    else this.#dense.adam(...arrays, ...settings, floats(kept.average), 1 - kept.decay, kept.decay, scale);
  }

  signStep(gradient: Stored, centre: Stored, x: Stored, form: SignStepForm): void {
    const { step, radius, low, high } = form;
    this.#dense.signStep(floats(gradient), floats(centre), floats(x), step, radius, low, high);
  }

  signStepAlong(
    a: Stored,
    b: Stored,
    centre: Stored,
    x: Stored,
    { m, n, k }: Pick<ProductForm, 'm' | 'n' | 'k'>,
    { step, radius, low, high }: SignStepForm,
  ): void {
    const arrays = [floats(a), floats(b), floats(centre), floats(x)] as const;
    this.#dense.signStepAlong(...arrays, m, n, k, step, radius, low, high);
  }

  uniform(y: Stored, seed: number, low: number, high: number): void {
    this.#dense.uniform(floats(y), seed, low, high);
  }

  gaussian(y: Stored, seed: number, deviation: number): void {
    this.#dense.gaussian(floats(y), seed, deviation);
  }
}

/** What the addon says of a device, as the error that callers know. */
function onDevice<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DEVICE') throw error;
    throw new DeviceError((error as Error).message, { cause: error });
  }
}

function geometry(form: ConvolutionForm): Int32Array {
  const { images, channels, height, width, outputs, kernel, strides, pads } = form;
  return Int32Array.of(images, channels, height, width, outputs, ...kernel, ...strides, ...pads);
}
