/** The typed face of what the addon offers to training: one arithmetic, on the CPU or on a GPU. */

/** An array in a GPU's memory, made by the arithmetic that may use it. */
export interface NativeDeviceArray {
  readonly length: number;
  /** Waits for what uses it and gives the memory back. */
  free(): void;
}

/**
 * Row-major float32 arithmetic; see `autodiff/arithmetic.ts` for what the calls compute. Every call checks the
 * arrays' types and lengths against its sizes.
 *
 * On the CPU calls are synchronous and arrays the caller's Float32Arrays. On a GPU they are queued, and where it says
 * Float32Array (but for `upload` and `download`) arrays are those of `allocate`.
 */
export interface NativeDense {
  readonly threads: number;
  /** Steps of a training that may be queued before the host looks at what they gave. */
  readonly stepsAhead: number;
  /** Zeros on the device; on the CPU there is no need for it. */
  allocate(length: number): NativeDeviceArray;
  upload(values: Float32Array, y: NativeDeviceArray, at: number): void;
  /** Fills `values` with what x holds from `at` on; waits for the device. */
  download(x: NativeDeviceArray, at: number, values: Float32Array): void;
  fill(y: NativeDeviceArray, value: number): void;
  copy(x: Float32Array, xAt: number, y: Float32Array, yAt: number, count: number): void;
  /** flags: 1 = a transposed, 2 = b transposed, 4 = add to c, 8 = ReLU; bias: `[n]`, added to every row. */
  gemm(
    a: Float32Array,
    b: Float32Array,
    c: Float32Array,
    m: number,
    n: number,
    k: number,
    flags: number,
    bias?: Float32Array,
  ): void;
  unary(kind: number, x: Float32Array, y: Float32Array): void;
  binary(kind: number, a: Float32Array, b: Float32Array, y: Float32Array, layout: Int32Array): void;
  addReduced(x: Float32Array, y: Float32Array, layout: Int32Array): void;
  scale(x: Float32Array, y: Float32Array, factor: number, shift: number): void;
  combine(x: Float32Array, y: Float32Array, factor: number, keep: number): void;
  normalise(x: Float32Array, length: Float32Array): void;
  clipFactor(squares: Float32Array, most: number, factor: Float32Array): void;
  gather(x: Float32Array, indices: Int32Array, y: Float32Array): void;
  scatterAdd(x: Float32Array, indices: Int32Array, y: Float32Array): void;
  largestOfRows(x: Float32Array, rows: number, columns: number, y: Float32Array): void;
  largestGradient(
    x: Float32Array,
    y: Float32Array,
    weights: Float32Array,
    rows: number,
    columns: number,
    gradient: Float32Array,
  ): void;
  countCorrect(logits: Float32Array, labels: Int32Array, columns: number, count: Float32Array): void;
  keepLarger(scores: Float32Array, x: Float32Array, best: Float32Array, kept: Float32Array): void;
  logSumExpOfRows(x: Float32Array, rows: number, columns: number, y: Float32Array): void;
  gateRows(x: Float32Array, y: Float32Array, columns: number, gated: Float32Array, sums?: Float32Array): void;
  crossEntropies(
    logits: Float32Array,
    labels: Int32Array,
    columns: number,
    smoothing: number,
    normalisers: Float32Array,
    losses: Float32Array,
  ): void;
  crossEntropyGradient(
    logits: Float32Array,
    labels: Int32Array,
    columns: number,
    smoothing: number,
    normalisers: Float32Array,
    weights: Float32Array,
    gradient: Float32Array,
  ): void;
  /** Convolutions: `[images, channels, height, width, outputs, kernel (2), strides (2), pads (2)]`. */
  convolve(x: Float32Array, weight: Float32Array, y: Float32Array, convolution: Int32Array): void;
  convolveInput(y: Float32Array, weight: Float32Array, x: Float32Array, convolution: Int32Array): void;
  convolveWeight(x: Float32Array, y: Float32Array, weight: Float32Array, convolution: Int32Array): void;
  /** The corrections are 1 / (1 - beta^step); average = fresh * weight + decay * average, where one is given;
   * `scale` `[1]` is a further factor on the gradient.
   */
  adam(
    gradient: Float32Array,
    weight: Float32Array,
    first: Float32Array,
    second: Float32Array,
    rate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decay: number,
    firstCorrection: number,
    secondCorrection: number,
    gradientScale: number,
    average?: Float32Array,
    fresh?: number,
    decayOfAverage?: number,
    scale?: Float32Array,
  ): void;
  signStep(
    gradient: Float32Array,
    centre: Float32Array,
    x: Float32Array,
    step: number,
    radius: number,
    low: number,
    high: number,
  ): void;
  /** The same along the gradient a b, a: `[m, k]`, b: `[k, n]`. */
  signStepAlong(
    a: Float32Array,
    b: Float32Array,
    centre: Float32Array,
    x: Float32Array,
    m: number,
    n: number,
    k: number,
    step: number,
    radius: number,
    low: number,
    high: number,
  ): void;
  uniform(y: Float32Array, seed: number, low: number, high: number): void;
  gaussian(y: Float32Array, seed: number, deviation: number): void;
}
