/**
 * Spectral norms: whether `||A||_2 <= claim`, decided with its rounding. `||A||_2^2` is the largest
 * eigenvalue of the Gram matrix G = A^T A (or A A^T, whichever is smaller), and mu is not below it if
 * `M = mu I - G` has a Cholesky factorisation.
 *
 * Lemma 3. (Demmel; Higham, Theorem 10.3; Rump 2006.) If Cholesky's method, in floating point and with
 * sums in any order, runs to its end with positive pivots on a symmetric n x n matrix M, then
 * M + E = R^T R for some |E_ij| <= g sqrt(m_ii m_jj), g = (n + 1) u / (1 - 2 (n + 1) u). So no eigenvalue
 * of M is below -g trace(M), up to underflow (below n `tiny` for traces within 2^+-200).
 */
import type { Shape } from '../tensor.js';
import { gamma, largest, tiny } from './arithmetic.js';
import { type Matrix, foldRows, forEach, transpose } from './matrix.js';

/** Multiplications that a proof may take, about 40 s, and numbers that a factor may have. */
const mostWork = 2e10;
const mostNumbers = 2 ** 26;

/**
 * @param error bounds the Frobenius norm of what `matrix` differs by from A.
 * @param shapes of output and input: they only order the features, so that G is nearly a band.
 */
export function hasNorm(matrix: Matrix, error: number, shapes: readonly Shape[], claim: number): boolean {
  const own = (claim - error) * (1 - gamma(3));
  if (!(own > 0)) return false;
  // ||A||^2 <= ||A||_1 ||A||_inf: loose, but enough for layers too large to factor, if the claim allows it.
  const transposed = transpose(matrix);
  const sums = [matrix, transposed].map((side) => largest(foldRows(side, (sum, a) => sum + Math.abs(a))));
  if (own >= Math.sqrt(sums[0] * sums[1] + tiny) * (1 + gamma(matrix.rows + matrix.columns))) return true;

  // G = terms^T terms, and the place of each of its features in an order that keeps neighbours near: by pixels.
  const [terms, shape] = matrix.rows < matrix.columns ? [transposed, shapes[0]] : [matrix, shapes[1]];
  const n = terms.columns;
  const channels = shape.length === 3 ? shape[0] : n;
  const pixels = n / channels;
  const place = new Int32Array(n).map((_, i) => (i % pixels) * channels + Math.floor(i / pixels));
  // How far features that a row joins are apart: G, and so its factor, has nothing further from its diagonal.
  const first = foldRows(terms, (low, _, j) => Math.min(low, place[j]), n);
  const last = foldRows(terms, (high, _, j) => Math.max(high, place[j]));
  const band = last.reduce((most, high, row) => Math.max(most, high - first[row]), 0);
  const counts = foldRows(terms, (count) => count + 1);
  const work = counts.reduce((sum, count) => sum + count ** 2, n * band ** 2);
  const squares = terms.value.reduce((sum, value) => sum + value * value, 0);
  const trace = (squares + tiny) * (1 + gamma(terms.value.length));
  if (work > mostWork || n * (band + 1) > mostNumbers || squares < 2 ** -200 || trace > 2 ** 200)
    return false;

  // The computed G is off by gamma |A^T| |A| (Lemma 1), whose norm is at most its trace, that of G; the
  // roundings of mu - G_ii are below u mu; the trace of M is at most n mu.
  const mu = (own * own - gamma(terms.rows) * trace - n * tiny) / (1 + gamma(n) * n);
  return isPositiveDefinite(gram(terms, place, band), band, mu * (1 - gamma(3)));
}

/** The lower triangle of G: row i holds the entries of columns i - band to i. */
function gram(terms: Matrix, place: Int32Array, band: number): Float64Array[] {
  const { start, column, value } = terms;
  const rows = Array.from(place, () => new Float64Array(band + 1));
  forEach(terms, (row, from, a) => {
    const i = place[from];
    for (let k = start[row]; k < start[row + 1]; k++) {
      const j = place[column[k]];
      if (j <= i) rows[i][band + j - i] += a * value[k];
    }
  });
  return rows;
}

/** Cholesky's method on `mu I - G`, row by row and in place; false at the first pivot not above 0. */
function isPositiveDefinite(rows: Float64Array[], band: number, mu: number): boolean {
  for (const [i, row] of rows.entries()) {
    const first = Math.max(i - band, 0);
    for (let j = first; j <= i; j++) {
      const other = rows[j];
      let rest = (i === j ? mu : 0) - row[band + j - i];
      for (let k = first; k < j; k++) rest -= row[band + k - i] * other[band + k - j];
      if (j < i) row[band + j - i] = rest / other[band];
      else if (rest > 0) row[band] = Math.sqrt(rest);
      else return false;
    }
  }
  return true;
}
