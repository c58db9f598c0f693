/**
 * The arithmetic under the tape: dense row-major arrays, no shapes, no gradients. Two implementations: the
 * native one (float32, to train with) and plain loops (float64, to check gradients and small problems with).
 */
export type Numbers = Float32Array | Float64Array;

/** Codes of the native side, in its order. `step` is 1 where x > 0, else 0. */
export const unaryKinds = [
  'relu',
  'abs',
  'exp',
  'log',
  'sqrt',
  'reciprocal',
  'square',
  'softplus',
  'sigmoid',
  'step',
  'sign',
] as const;
export type UnaryKind = (typeof unaryKinds)[number];

/** `gate`: a where b > 0, else 0. `greater`: 1 where a > b, else 0. */
export const binaryKinds = [
  'add',
  'subtract',
  'multiply',
  'divide',
  'max',
  'min',
  'gate',
  'greater',
] as const;
export type BinaryKind = (typeof binaryKinds)[number];

/** `c = op(a) op(b)` with op(a) `[m, k]`, op(b) `[k, n]`; a transposed operand is stored as its transpose. */
export interface ProductForm {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** A 2-D convolution of `[images, channels, height, width]`; padding is zeros, the same at both ends of an axis. */
export interface ConvolutionForm {
  readonly images: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number];
}

/** What follows a product in the same pass: `bias` `[n]` added to every row, then ReLU. */
export interface ProductEnd {
  readonly bias?: Numbers;
  readonly relu?: boolean;
}

/** Rows of logits and their labels, `smoothing` (0 to 1) of whose weight is spread over all columns. */
export interface CrossEntropyForm {
  /** One of 0 to columns - 1 for every row. */
  readonly labels: Int32Array;
  readonly columns: number;
  readonly smoothing: number;
}

/** A moving average of weights: `decay * average + (1 - decay) * weight`. */
export interface AverageForm {
  readonly average: Numbers;
  readonly decay: number;
}

/** Adam on `gradientScale * gradient + decay * weight`; `step` counts from 1. */
export interface AdamForm {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly decay: number;
  readonly step: number;
  readonly gradientScale: number;
}

/** One step of an l-infinity attack: x + step * sign(gradient), into the ball around the centre and the range. */
export interface SignStepForm {
  readonly step: number;
  readonly radius: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Layouts are `[rank, dims..., strides...]`: how strided operands step through a dense array of shape
 * `dims`; a stride of 0 repeats an operand, and the last axis' strides are 0 or 1.
 */
export interface Arithmetic {
  allocate(length: number): Numbers;
  product(a: Numbers, b: Numbers, c: Numbers, form: ProductForm, accumulate: boolean, end?: ProductEnd): void;
  unary(kind: UnaryKind, x: Numbers, y: Numbers): void;
  /** y dense; the layout holds the strides of a, then those of b. */
  binary(kind: BinaryKind, a: Numbers, b: Numbers, y: Numbers, layout: Int32Array): void;
  /** Adds x (dense) to y (strided). */
  addReduced(x: Numbers, y: Numbers, layout: Int32Array): void;
  /** y = factor * x + shift. */
  scale(x: Numbers, y: Numbers, factor: number, shift: number): void;
  /** y = factor * x + keep * y. */
  combine(x: Numbers, y: Numbers, factor: number, keep: number): void;
  /** y[i] = x[indices[i]], 0 where the index is -1. */
  gather(x: Numbers, indices: Int32Array, y: Numbers): void;
  /** y[indices[i]] += x[i], nothing where the index is -1. */
  scatterAdd(x: Numbers, indices: Int32Array, y: Numbers): void;
  /** The largest entry of each row of `[rows, columns]` and its column (the first of equals). */
  largestOfRows(x: Numbers, rows: number, columns: number, y: Numbers, where: Int32Array): void;
  logSumExpOfRows(x: Numbers, rows: number, columns: number, y: Numbers): void;
  /** gated = x where y > 0, else 0; its columns are added to `sums` `[columns]`, where given. */
  gateRows(x: Numbers, y: Numbers, columns: number, gated: Numbers, sums?: Numbers): void;
  /** Softmax cross entropy of every row of logits, and the log sum exp that it is made of. */
  crossEntropies(logits: Numbers, form: CrossEntropyForm, normalisers: Numbers, losses: Numbers): void;
  /** gradient = that of the losses with respect to the logits, row by row times `weights`. */
  crossEntropyGradient(
    logits: Numbers,
    form: CrossEntropyForm,
    normalisers: Numbers,
    weights: Numbers,
    gradient: Numbers,
  ): void;
  convolve(x: Numbers, weight: Numbers, y: Numbers, form: ConvolutionForm): void;
  /** x = adjoint of the convolution applied to y. */
  convolveInput(y: Numbers, weight: Numbers, x: Numbers, form: ConvolutionForm): void;
  /** weight = gradient of <y, convolve(x)> with respect to the weights. */
  convolveWeight(x: Numbers, y: Numbers, weight: Numbers, form: ConvolutionForm): void;
  /** `average` is moved towards the new weights in the same pass. */
  adam(
    gradient: Numbers,
    weight: Numbers,
    first: Numbers,
    second: Numbers,
    form: AdamForm,
    average?: AverageForm,
  ): void;
  signStep(gradient: Numbers, centre: Numbers, x: Numbers, form: SignStepForm): void;
  /** The same along the gradient `a b` of a product without transposes, which nothing else sees. */
  signStepAlong(
    a: Numbers,
    b: Numbers,
    centre: Numbers,
    x: Numbers,
    product: Pick<ProductForm, 'm' | 'n' | 'k'>,
    form: SignStepForm,
  ): void;
  /** Uniform in [low, high): a function of seed (a whole number below 2^53) and position alone. */
  uniform(y: Numbers, seed: number, low: number, high: number): void;
  /** Normal with mean 0: a function of seed and position alone. */
  gaussian(y: Numbers, seed: number, deviation: number): void;
}

/** Rows and columns of a convolution's output. */
export function convolutionOutput(form: ConvolutionForm): [number, number] {
  const extent = (size: number, axis: 0 | 1): number =>
    Math.floor((size + 2 * form.pads[axis] - form.kernel[axis]) / form.strides[axis]) + 1;
  return [extent(form.height, 0), extent(form.width, 1)];
}
