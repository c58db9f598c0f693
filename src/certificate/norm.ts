/**
 * Spectral norms: whether `||A||_2 <= claim`, decided with its rounding. `||A||_2^2` is the largest
 * eigenvalue of the Gram matrix G = A A^T (or A^T A, whichever costs less), and mu is not below it if
 * `M = mu I - G` has a Cholesky factorisation.
 *
 * Lemma 3. (Demmel; Higham, Theorem 10.3; Rump 2006.) If Cholesky's method, in floating point and with
 * sums in any order, runs to its end with positive pivots on a symmetric n x n matrix M of half bandwidth
 * b, then M + E = R^T R for some |E_ij| <= g sqrt(m_ii m_jj), g = (b + 2) u / (1 - 2 (b + 2) u). So no
 * eigenvalue of M is below -g trace(M), up to underflow (below n `tiny` for traces within 2^+-200).
 */
import { gamma, tiny } from './arithmetic.js';
import { type Affine, type Matrix, widest } from './sparse.js';

/** Multiplications that a factorisation may take, about 20 s, and numbers that its band may hold. */
const mostWork = 2e10;
const mostBand = 2 ** 26;

/** @param outShape shapes of output and input only order the features, so that G is banded. */
export function hasNorm(
  { matrix, folds }: Affine,
  transposed: Matrix,
  outShape: readonly number[],
  inShape: readonly number[],
  claim: number,
): boolean {
  const squares = matrix.value.reduce((sum, value) => sum + value * value, 0);
  const trace = (squares + tiny) * (1 + gamma(matrix.value.length));
  // Entries are within gamma(folds) of the true ones, so A is within that times its Frobenius norm.
  const own = (claim - gamma(folds) * Math.sqrt(trace)) * (1 - gamma(3));
  if (!(own > 0)) return false;
  // ||A||^2 <= ||A||_1 ||A||_inf: loose, but enough for layers too large to factor, if the claim allows it.
  const simple = Math.sqrt(largestSum(matrix) * largestSum(transposed) + tiny) * (1 + gamma(3));
  if (own >= simple) return true;
  const sides = [plan(matrix, transposed, outShape), plan(transposed, matrix, inShape)];
  const side = sides[0].work <= sides[1].work ? sides[0] : sides[1];
  const n = side.order.length;
  const fits = side.work <= mostWork && n * (side.band + 1) <= mostBand;
  if (!fits || squares < 2 ** -200 || trace > 2 ** 200) return false;
  // The computed G is off by gamma |A||A|^T (Lemma 1), whose norm is at most its trace, that of G; the
  // roundings of mu - G_ii are below u mu; the trace of M is at most n mu.
  const mu = (own * own - gamma(widest(side.matrix)) * trace - n * tiny) / (1 + gamma(side.band) * n);
  return isPositiveDefinite(gramBand(side), n, side.band, mu * (1 - gamma(3)));
}

interface Side {
  readonly matrix: Matrix;
  readonly transposed: Matrix;
  /** Position in G of each row of the matrix: pixel by pixel, so that neighbours are near. */
  readonly order: Int32Array;
  /** Rows that share a column are at most so far apart. */
  readonly band: number;
  readonly work: number;
}

function plan(matrix: Matrix, transposed: Matrix, shape: readonly number[]): Side {
  const [channels, pixels] = shape.length === 3 ? [shape[0], shape[1] * shape[2]] : [matrix.rows, 1];
  const order = Int32Array.from(
    { length: matrix.rows },
    (_, row) => (row % pixels) * channels + Math.floor(row / pixels),
  );
  let band = 0;
  for (let j = 0; j < transposed.rows; j++) {
    let [low, high] = [Infinity, -Infinity];
    for (let k = transposed.start[j]; k < transposed.start[j + 1]; k++) {
      low = Math.min(low, order[transposed.column[k]]);
      high = Math.max(high, order[transposed.column[k]]);
    }
    band = Math.max(band, high - low);
  }
  return { matrix, transposed, order, band, work: (matrix.rows * band * band) / 2 };
}

/** The largest sum of a row's absolute values, rounded up. */
function largestSum({ rows, start, value }: Matrix): number {
  let most = 0;
  for (let i = 0; i < rows; i++) {
    const sum = value.subarray(start[i], start[i + 1]).reduce((total, v) => total + Math.abs(v), 0);
    most = Math.max(most, sum * (1 + gamma(start[i + 1] - start[i])));
  }
  return most;
}

/** The lower band of G: entry (i, j), i - band <= j <= i, at `i band + band + j`. */
function gramBand({ transposed: { rows, start, column, value }, order, band }: Side): Float64Array {
  const gram = new Float64Array(order.length * (band + 1));
  for (let c = 0; c < rows; c++) {
    for (let k = start[c]; k < start[c + 1]; k++) {
      const i = order[column[k]];
      for (let m = start[c]; m < start[c + 1]; m++) {
        const j = order[column[m]];
        if (j <= i) gram[i * band + band + j] += value[k] * value[m];
      }
    }
  }
  return gram;
}

/** Cholesky's method on `mu I - gram`, row by row inside the band; false at the first pivot not above 0. */
function isPositiveDefinite(gram: Float64Array, n: number, band: number, mu: number): boolean {
  const factor = gram.map((value) => -value);
  for (let i = 0; i < n; i++) {
    const row = i * band + band;
    factor[row + i] += mu;
    const first = Math.max(0, i - band);
    for (let j = first; j <= i; j++) {
      const other = j * band + band;
      let [even, odd] = [0, 0];
      let k = Math.max(first, j - band);
      for (; k + 1 < j; k += 2) {
        even += factor[row + k] * factor[other + k];
        odd += factor[row + k + 1] * factor[other + k + 1];
      }
      if (k < j) even += factor[row + k] * factor[other + k];
      const rest = factor[row + j] - (even + odd);
      if (j < i) factor[row + j] = rest / factor[other + j];
      else if (rest > 0) factor[row + j] = Math.sqrt(rest);
      else return false;
    }
  }
  return true;
}
