/**
 * The arithmetic under the tape: dense row-major arrays, no shapes, no gradients. Two implementations: the
 * native one (float32, on the CPU or a GPU, to train with) and plain loops (float64, to check gradients and small
 * problems with).
 */
export type Numbers = Float32Array | Float64Array;

/** An array in a device's memory: the host knows its length, and its numbers only by `download`. */
export interface DeviceArray {
  readonly length: number;
  /** Gives the memory back; the array must not be used afterwards. */
  free(): void;
}

/** An array wherever the arithmetic keeps it. */
export type Stored = Numbers | DeviceArray;

export function onHost(x: Stored): x is Numbers {
  return ArrayBuffer.isView(x);
}

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
  readonly bias?: Stored;
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
  readonly average: Stored;
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
  /** A number, or one that is kept as an array of one element. */
  readonly gradientScale: number | Stored;
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
  /** Steps of a training that may be queued before the host looks at what they gave; 1 where nothing is queued. */
  readonly stepsAhead: number;
  /** Zeros. */
  allocate(length: number): Stored;
  /** Gives an array's memory back at once, where it is not the collector's. */
  free(x: Stored): void;
  upload(values: ArrayLike<number>, y: Stored): void;
  /** The numbers of x on the host: x itself where it lies there, else a copy, for which the device is waited for. */
  download(x: Stored): Numbers;
  fill(y: Stored, value: number): void;
  /** `count` numbers of x, another array, to y, from and to the given places; all of x where nothing is given. */
  copy(x: Stored, y: Stored, stretch?: { from: number; to: number; count: number }): void;
  product(a: Stored, b: Stored, c: Stored, form: ProductForm, accumulate: boolean, end?: ProductEnd): void;
  unary(kind: UnaryKind, x: Stored, y: Stored): void;
  /** y dense; the layout holds the strides of a, then those of b. */
  binary(kind: BinaryKind, a: Stored, b: Stored, y: Stored, layout: Int32Array): void;
  /** Adds x (dense) to y (strided). */
  addReduced(x: Stored, y: Stored, layout: Int32Array): void;
  /** y = factor * x + shift. */
  scale(x: Stored, y: Stored, factor: number, shift: number): void;
  /** y = factor * x + keep * y. */
  combine(x: Stored, y: Stored, factor: number, keep: number): void;
  /** y[i] = x[indices[i]], 0 where the index is -1. */
  gather(x: Stored, indices: Int32Array, y: Stored): void;
  /** y[indices[i]] += x[i], nothing where the index is -1. */
  scatterAdd(x: Stored, indices: Int32Array, y: Stored): void;
  /** x divided by its Euclidean length, which `length` `[1]` is given; zeros stay. */
  normalise(x: Stored, length: Stored): void;
  /** factor `[1]` = min(1, most / sqrt(sum of squares)): what takes a vector to a length of at most `most`. */
  clipFactor(squares: Stored, most: number, factor: Stored): void;
  /** The largest entry of each row of `[rows, columns]`. */
  largestOfRows(x: Stored, rows: number, columns: number, y: Stored): void;
  /** gradient = that of the rows' largest entries y, row by row times `weights`; the first of equals takes it. */
  largestGradient(
    x: Stored,
    y: Stored,
    weights: Stored,
    rows: number,
    columns: number,
    gradient: Stored,
  ): void;
  /** count `[1]` = rows of logits whose largest entry (the first of equals) is the label's. */
  countCorrect(logits: Stored, labels: Int32Array, columns: number, count: Stored): void;
  /** Rows of x whose score is not at most their best so far become `kept`, and their score the best. */
  keepLarger(scores: Stored, x: Stored, best: Stored, kept: Stored): void;
  logSumExpOfRows(x: Stored, rows: number, columns: number, y: Stored): void;
  /** gated = x where y > 0, else 0; its columns are added to `sums` `[columns]`, where given. */
  gateRows(x: Stored, y: Stored, columns: number, gated: Stored, sums?: Stored): void;
  /** Softmax cross entropy of every row of logits, and the log sum exp that it is made of. */
  crossEntropies(logits: Stored, form: CrossEntropyForm, normalisers: Stored, losses: Stored): void;
  /** gradient = that of the losses with respect to the logits, row by row times `weights`. */
  crossEntropyGradient(
    logits: Stored,
    form: CrossEntropyForm,
    normalisers: Stored,
    weights: Stored,
    gradient: Stored,
  ): void;
  convolve(x: Stored, weight: Stored, y: Stored, form: ConvolutionForm): void;
  /** x = adjoint of the convolution applied to y. */
  convolveInput(y: Stored, weight: Stored, x: Stored, form: ConvolutionForm): void;
  /** weight = gradient of <y, convolve(x)> with respect to the weights. */
  convolveWeight(x: Stored, y: Stored, weight: Stored, form: ConvolutionForm): void;
  /** `average` is moved towards the new weights in the same pass. */
  adam(
    gradient: Stored,
    weight: Stored,
    first: Stored,
    second: Stored,
    form: AdamForm,
    average?: AverageForm,
  ): void;
  signStep(gradient: Stored, centre: Stored, x: Stored, form: SignStepForm): void;
  /** The same along the gradient `a b` of a product without transposes, which nothing else sees. */
  signStepAlong(
    a: Stored,
    b: Stored,
    centre: Stored,
    x: Stored,
    product: Pick<ProductForm, 'm' | 'n' | 'k'>,
    form: SignStepForm,
  ): void;
  /** Uniform in [low, high): a function of seed (a whole number below 2^53) and position alone. */
  uniform(y: Stored, seed: number, low: number, high: number): void;
  /** Normal with mean 0: a function of seed and position alone. */
  gaussian(y: Stored, seed: number, deviation: number): void;
}

/** Rows and columns of a convolution's output. */
export function convolutionOutput(form: ConvolutionForm): [number, number] {
  const extent = (size: number, axis: 0 | 1): number =>
    Math.floor((size + 2 * form.pads[axis] - form.kernel[axis]) / form.strides[axis]) + 1;
  return [extent(form.height, 0), extent(form.width, 1)];
}
