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
  convolutionOutput,
} from './arithmetic.js';

const unary: Readonly<Record<UnaryKind, (x: number) => number>> = {
  relu: (x) => (x < 0 ? 0 : x),
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  square: (x) => x * x,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  step: (x) => (x > 0 ? 1 : 0),
  sign: Math.sign,
};

const binary: Readonly<Record<BinaryKind, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  max: (a, b) => (a < b ? b : a),
  min: (a, b) => (a > b ? b : a),
  gate: (a, b) => (b > 0 ? a : 0),
  greater: (a, b) => (a > b ? 1 : 0),
};

/** float64 in plain loops: slow, and the yardstick of the native kernels and of every gradient. */
export class ReferenceArithmetic implements Arithmetic {
  readonly stepsAhead = 1;

  allocate(length: number): Float64Array {
    return new Float64Array(length);
  }

  free(): void {
    // The collector's.
  }

  upload(values: ArrayLike<number>, y: Numbers): void {
    y.set(values);
  }

  download(x: Numbers): Numbers {
    return x;
  }

  fill(y: Numbers, value: number): void {
    y.fill(value);
  }

  copy(x: Numbers, y: Numbers, stretch?: { from: number; to: number; count: number }): void {
    const { from, to, count } = stretch ?? { from: 0, to: 0, count: x.length };
    y.set(x.subarray(from, from + count), to);
  }

  product(
    a: Numbers,
    b: Numbers,
    c: Numbers,
    form: ProductForm,
    accumulate: boolean,
    { bias: added, relu = false }: ProductEnd = {},
  ): void {
    const bias = added as Numbers | undefined;
    const { m, n, k, transposeA, transposeB } = form;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = accumulate ? c[i * n + j] : 0;
        for (let l = 0; l < k; l++) {
          sum += a[transposeA ? l * m + i : i * k + l] * b[transposeB ? j * k + l : l * n + j];
        }
        if (bias) sum += bias[j];
        c[i * n + j] = relu ? unary.relu(sum) : sum;
      }
    }
  }

  unary(kind: UnaryKind, x: Numbers, y: Numbers): void {
    const f = unary[kind];
    for (let i = 0; i < x.length; i++) y[i] = f(x[i]);
  }

  binary(kind: BinaryKind, a: Numbers, b: Numbers, y: Numbers, layout: Int32Array): void {
    const f = binary[kind];
    walk(layout, (at, atA, atB) => (y[at] = f(a[atA], b[atB])));
  }

  addReduced(x: Numbers, y: Numbers, layout: Int32Array): void {
    walk(layout, (at, atY) => (y[atY] += x[at]));
  }

  scale(x: Numbers, y: Numbers, factor: number, shift: number): void {
    for (let i = 0; i < x.length; i++) y[i] = factor * x[i] + shift;
  }

  combine(x: Numbers, y: Numbers, factor: number, keep: number): void {
    for (let i = 0; i < x.length; i++) y[i] = factor * x[i] + keep * y[i];
  }

  gather(x: Numbers, indices: Int32Array, y: Numbers): void {
    for (let i = 0; i < y.length; i++) y[i] = indices[i] < 0 ? 0 : x[indices[i]];
  }

  scatterAdd(x: Numbers, indices: Int32Array, y: Numbers): void {
    for (let i = 0; i < x.length; i++) if (indices[i] >= 0) y[indices[i]] += x[i];
  }

  normalise(x: Numbers, length: Numbers): void {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] ** 2;
    length[0] = Math.sqrt(sum);
    if (sum > 0) for (let i = 0; i < x.length; i++) x[i] /= length[0];
  }

  clipFactor(squares: Numbers, most: number, factor: Numbers): void {
    let sum = 0;
    for (let i = 0; i < squares.length; i++) sum += squares[i];
    factor[0] = Math.min(1, most / Math.sqrt(sum));
  }

  largestOfRows(x: Numbers, rows: number, columns: number, y: Numbers): void {
    for (let row = 0; row < rows; row++) {
      y[row] = x[row * columns];
      for (let i = 1; i < columns; i++) y[row] = Math.max(y[row], x[row * columns + i]);
    }
  }

  largestGradient(
    x: Numbers,
    y: Numbers,
    weights: Numbers,
    rows: number,
    columns: number,
    gradient: Numbers,
  ): void {
    gradient.fill(0);
    for (let row = 0; row < rows; row++) {
      const at = x.subarray(row * columns, (row + 1) * columns).indexOf(y[row]);
      if (at >= 0) gradient[row * columns + at] = weights[row];
    }
  }

  countCorrect(logits: Numbers, labels: Int32Array, columns: number, count: Numbers): void {
    count[0] = 0;
    labels.forEach((label, row) => {
      const own = logits.subarray(row * columns, (row + 1) * columns);
      if (own.indexOf(Math.max(...own)) === label) count[0]++;
    });
  }

  keepLarger(scores: Numbers, x: Numbers, best: Numbers, kept: Numbers): void {
    const columns = x.length / scores.length;
    for (let row = 0; row < scores.length; row++) {
      if (scores[row] <= best[row]) continue;
      best[row] = scores[row];
      kept.set(x.subarray(row * columns, (row + 1) * columns), row * columns);
    }
  }

  logSumExpOfRows(x: Numbers, rows: number, columns: number, y: Numbers): void {
    for (let row = 0; row < rows; row++) {
      let largest = -Infinity;
      for (let i = 0; i < columns; i++) largest = Math.max(largest, x[row * columns + i]);
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += Math.exp(x[row * columns + i] - largest);
      y[row] = Number.isFinite(largest) ? largest + Math.log(sum) : largest;
    }
  }

  gateRows(x: Numbers, y: Numbers, columns: number, gated: Numbers, sums?: Numbers): void {
    for (let i = 0; i < x.length; i++) {
      gated[i] = binary.gate(x[i], y[i]);
      if (sums) sums[i % columns] += gated[i];
    }
  }

  crossEntropies(
    logits: Numbers,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Numbers,
    losses: Numbers,
  ): void {
    this.logSumExpOfRows(logits, labels.length, columns, normalisers);
    labels.forEach((label, row) => {
      let target = (1 - smoothing) * logits[row * columns + label];
      for (let i = 0; i < columns; i++) target += (smoothing / columns) * logits[row * columns + i];
      losses[row] = normalisers[row] - target;
    });
  }

  crossEntropyGradient(
    logits: Numbers,
    { labels, columns, smoothing }: CrossEntropyForm,
    normalisers: Numbers,
    weights: Numbers,
    gradient: Numbers,
  ): void {
    labels.forEach((label, row) => {
      for (let i = 0; i < columns; i++) {
        const at = row * columns + i;
        const target = smoothing / columns + (i === label ? 1 - smoothing : 0);
        gradient[at] = weights[row] * (Math.exp(logits[at] - normalisers[row]) - target);
      }
    });
  }

  convolve(x: Numbers, weight: Numbers, y: Numbers, form: ConvolutionForm): void {
    y.fill(0);
    eachTerm(form, (atX, atWeight, atY) => (y[atY] += x[atX] * weight[atWeight]));
  }

  convolveInput(y: Numbers, weight: Numbers, x: Numbers, form: ConvolutionForm): void {
    x.fill(0);
    eachTerm(form, (atX, atWeight, atY) => (x[atX] += y[atY] * weight[atWeight]));
  }

  convolveWeight(x: Numbers, y: Numbers, weight: Numbers, form: ConvolutionForm): void {
    weight.fill(0);
    eachTerm(form, (atX, atWeight, atY) => (weight[atWeight] += x[atX] * y[atY]));
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
    const scale = typeof gradientScale === 'number' ? gradientScale : (gradientScale as Numbers)[0];
    const average = kept?.average as Numbers | undefined;
    for (let i = 0; i < weight.length; i++) {
      const g = scale * gradient[i] + decay * weight[i];
      first[i] = beta1 * first[i] + (1 - beta1) * g;
      second[i] = beta2 * second[i] + (1 - beta2) * g * g;
      const move = first[i] / (1 - beta1 ** step) / (Math.sqrt(second[i] / (1 - beta2 ** step)) + epsilon);
      weight[i] -= rate * move;
      if (kept && average) average[i] = (1 - kept.decay) * weight[i] + kept.decay * average[i];
    }
  }

  signStep(gradient: Numbers, centre: Numbers, x: Numbers, form: SignStepForm): void {
    const { step, radius, low, high } = form;
    for (let i = 0; i < x.length; i++) {
      const moved = x[i] + step * Math.sign(gradient[i]);
      const least = Math.max(centre[i] - radius, low);
      x[i] = Math.min(Math.max(moved, least), Math.min(centre[i] + radius, high));
    }
  }

  signStepAlong(
    a: Numbers,
    b: Numbers,
    centre: Numbers,
    x: Numbers,
    { m, n, k }: Pick<ProductForm, 'm' | 'n' | 'k'>,
    form: SignStepForm,
  ): void {
    const gradient = this.allocate(m * n);
    this.product(a, b, gradient, { m, n, k, transposeA: false, transposeB: false }, false);
    this.signStep(gradient, centre, x, form);
  }

  uniform(y: Numbers, seed: number, low: number, high: number): void {
    const keys = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
    for (let i = 0; i < y.length; i++) {
      let h = Math.imul(i, 0x9e3779b9);
      for (const key of [keys[0], keys[1]]) {
        h ^= key;
        h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
        h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
        h ^= h >>> 16;
      }
      y[i] = low + (high - low) * ((h >>> 8) / 2 ** 24);
    }
  }

  gaussian(y: Numbers, seed: number, deviation: number): void {
    const u = this.allocate(2 * Math.ceil(y.length / 2));
    this.uniform(u, seed, 0, 1);
    for (let i = 0; i < y.length; i++) {
      const pair = 2 * (i >> 1);
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - u[pair]));
      const angle = 2 * Math.PI * u[pair + 1];
      y[i] = radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
    }
  }
}

/** Visits every element of a layout: its place in the dense array and in each strided operand. */
function walk(layout: Int32Array, visit: (at: number, first: number, second: number) => void): void {
  const rank = layout[0];
  const dims = layout.subarray(1, 1 + rank);
  const size = dims.reduce((product, dim) => product * dim, 1);
  for (let at = 0; at < size; at++) {
    let rest = at;
    let first = 0;
    let second = 0;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const place = rest % dims[axis];
      rest = (rest - place) / dims[axis];
      first += place * layout[1 + rank + axis];
      second += place * (layout[1 + 2 * rank + axis] ?? 0);
    }
    visit(at, first, second);
  }
}

function eachTerm(form: ConvolutionForm, visit: (x: number, weight: number, y: number) => void): void {
  const { images, channels, height, width, outputs, kernel, strides, pads } = form;
  const [outHeight, outWidth] = convolutionOutput(form);
  let atY = 0;
  for (let image = 0; image < images; image++) {
    for (let output = 0; output < outputs; output++) {
      for (let oy = 0; oy < outHeight; oy++) {
        for (let ox = 0; ox < outWidth; ox++, atY++) {
          let atWeight = output * channels * kernel[0] * kernel[1];
          for (let channel = 0; channel < channels; channel++) {
            for (let ky = 0; ky < kernel[0]; ky++) {
              for (let kx = 0; kx < kernel[1]; kx++, atWeight++) {
                const y = oy * strides[0] - pads[0] + ky;
                const x = ox * strides[1] - pads[1] + kx;
                if (y < 0 || y >= height || x < 0 || x >= width) continue;
                visit(((image * channels + channel) * height + y) * width + x, atWeight, atY);
              }
            }
          }
        }
      }
    }
  }
}
