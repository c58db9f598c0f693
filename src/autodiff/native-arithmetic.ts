import type { NativeDense } from '../binding.js';
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
  type UnaryKind,
  binaryKinds,
  unaryKinds,
} from './arithmetic.js';

const codes = (kinds: readonly string[]): Map<string, number> =>
  new Map(kinds.map((kind, code) => [kind, code]));
const unaryCodes = codes(unaryKinds);
const binaryCodes = codes(binaryKinds);

/** The tape's arrays under this arithmetic are Float32Arrays; the addon refuses any other. */
const floats = (x: Numbers): Float32Array => x as Float32Array;

/** float32 on the addon's kernels. */
export class NativeArithmetic implements Arithmetic {
  readonly #dense: NativeDense;

  /** @param threads worker threads of large products; 0 for as many as the machine has cores. */
  constructor({ threads = 0 }: { threads?: number } = {}) {
    this.#dense = loadNative().createDense({ threads });
  }

  allocate(length: number): Float32Array {
    return new Float32Array(length);
  }

  product(
    a: Numbers,
    b: Numbers,
    c: Numbers,
    form: ProductForm,
    accumulate: boolean,
    { bias, relu = false }: ProductEnd = {},
  ): void {
    const { m, n, k, transposeA, transposeB } = form;
    const flags = (transposeA ? 1 : 0) + (transposeB ? 2 : 0) + (accumulate ? 4 : 0) + (relu ? 8 : 0);
    this.#dense.gemm(floats(a), floats(b), floats(c), m, n, k, flags, bias && floats(bias));
  }

  unary(kind: UnaryKind, x: Numbers, y: Numbers): void {
    this.#dense.unary(unaryCodes.get(kind)!, floats(x), floats(y));
  }

  binary(kind: BinaryKind, a: Numbers, b: Numbers, y: Numbers, layout: Int32Array): void {
    this.#dense.binary(binaryCodes.get(kind)!, floats(a), floats(b), floats(y), layout);
  }

  addReduced(x: Numbers, y: Numbers, layout: Int32Array): void {
    this.#dense.addReduced(floats(x), floats(y), layout);
  }

  scale(x: Numbers, y: Numbers, factor: number, shift: number): void {
    this.#dense.scale(floats(x), floats(y), factor, shift);
  }

  combine(x: Numbers, y: Numbers, factor: number, keep: number): void {
    this.#dense.combine(floats(x), floats(y), factor, keep);
  }

  gather(x: Numbers, indices: Int32Array, y: Numbers): void {
    this.#dense.gather(floats(x), indices, floats(y));
  }

  scatterAdd(x: Numbers, indices: Int32Array, y: Numbers): void {
    this.#dense.scatterAdd(floats(x), indices, floats(y));
  }

  largestOfRows(x: Numbers, rows: number, columns: number, y: Numbers, where: Int32Array): void {
    this.#dense.largestOfRows(floats(x), rows, columns, floats(y), where);
  }

  logSumExpOfRows(x: Numbers, rows: number, columns: number, y: Numbers): void {
    this.#dense.logSumExpOfRows(floats(x), rows, columns, floats(y));
  }

  gateRows(x: Numbers, y: Numbers, columns: number, gated: Numbers, sums?: Numbers): void {
    this.#dense.gateRows(floats(x), floats(y), columns, floats(gated), sums && floats(sums));
  }

  crossEntropies(
    logits: Numbers,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Numbers,
    losses: Numbers,
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
    logits: Numbers,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Numbers,
    weights: Numbers,
    gradient: Numbers,
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

  convolve(x: Numbers, weight: Numbers, y: Numbers, form: ConvolutionForm): void {
    this.#dense.convolve(floats(x), floats(weight), floats(y), geometry(form));
  }

  convolveInput(y: Numbers, weight: Numbers, x: Numbers, form: ConvolutionForm): void {
    this.#dense.convolveInput(floats(y), floats(weight), floats(x), geometry(form));
  }

  convolveWeight(x: Numbers, y: Numbers, weight: Numbers, form: ConvolutionForm): void {
    this.#dense.convolveWeight(floats(x), floats(y), floats(weight), geometry(form));
  }

  adam(
    gradient: Numbers,
    weight: Numbers,
    first: Numbers,
    second: Numbers,
    form: AdamForm,
    kept?: AverageForm,
  ): void {
    const { rate, beta1, beta2, epsilon, decay, step, gradientScale } = form;
    const arrays = [floats(gradient), floats(weight), floats(first), floats(second)] as const;
    const corrections = [1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)] as const;
    const settings = [rate, beta1, beta2, epsilon, decay, ...corrections, gradientScale] as const;
    if (kept === undefined) this.#dense.adam(...arrays, ...settings);
    else this.#dense.adam(...arrays, ...settings, floats(kept.average), 1 - kept.decay, kept.decay);
  }

  signStep(gradient: Numbers, centre: Numbers, x: Numbers, form: SignStepForm): void {
    const { step, radius, low, high } = form;
    this.#dense.signStep(floats(gradient), floats(centre), floats(x), step, radius, low, high);
  }

  signStepAlong(
    a: Numbers,
    b: Numbers,
    centre: Numbers,
    x: Numbers,
    { m, n, k }: Pick<ProductForm, 'm' | 'n' | 'k'>,
    { step, radius, low, high }: SignStepForm,
  ): void {
    const arrays = [floats(a), floats(b), floats(centre), floats(x)] as const;
    this.#dense.signStepAlong(...arrays, m, n, k, step, radius, low, high);
  }

  uniform(y: Numbers, seed: number, low: number, high: number): void {
    this.#dense.uniform(floats(y), seed, low, high);
  }

  gaussian(y: Numbers, seed: number, deviation: number): void {
    this.#dense.gaussian(floats(y), seed, deviation);
  }
}

function geometry(form: ConvolutionForm): Int32Array {
  const { images, channels, height, width, outputs, kernel, strides, pads } = form;
  return Int32Array.of(images, channels, height, width, outputs, ...kernel, ...strides, ...pads);
}
