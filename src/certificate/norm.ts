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
import { gamma, largest, squareSum, tiny } from './arithmetic.js';
import { type Matrix, magnitudes, product, times, transpose } from './matrix.js';
import type { Affine } from './network.js';

/** Features that G may have, and multiplications that a proof may take, about 40 s: less than 2^26 numbers. */
const mostFeatures = 2 ** 17;
const mostWork = 2e10;

/** @param shapes of output and input: they only order the features, so that G is nearly a band. */
export function hasNorm({ chain, adjoint, sizes }: Affine, shapes: readonly Shape[], claim: number): boolean {
  const square = claim * claim * (1 - gamma(3));
  if (!(claim > 0)) return false;
  // || A ||^2 is at most the largest row sum of |A|^T |A|: loose, but enough for a claim that allows it.
  const ones = new Float64Array(chain.columns).fill(1);
  const sums = times(magnitudes(adjoint), times(sizes[1], ones));
  if (square >= (largest(sums) + tiny) * (1 + gamma(chain.rows + chain.columns))) return true;

  // G = terms terms^T, its features in an order that keeps neighbours near: by pixels.
  const [terms, shape] = chain.rows < chain.columns ? [chain, shapes[0]] : [adjoint, shapes[1]];
  const n = terms.rows;
  const [channels, pixels] = shape.length === 3 ? [shape[0], n / shape[0]] : [n, 1];
  const row = terms.row.map((i) => (i % pixels) * channels + Math.floor(i / pixels));
  const gram = product({ ...terms, row }, transpose({ ...terms, row }));
  const trace = (squareSum(terms.value) + tiny) * (1 + gamma(terms.value.length));
  if (!gram || trace < 2 ** -200 || trace > 2 ** 200) return false;

  // The computed G is off by gamma |A^T| |A| (Lemma 1), whose norm is at most its trace, that of G; the
  // roundings of mu - G_ii are below u mu; the trace of M is at most n mu.
  const mu = (square - gamma(terms.columns) * trace - n * tiny) / (1 + gamma(n) * n);
  return isAbove(mu * (1 - gamma(3)), gram);
}

/** Whether Cholesky's method on `mu I - G`, row by row, gets to its end; false at the first pivot not above 0. */
function isAbove(mu: number, { columns: n, start, row: entries, value }: Matrix): boolean {
  // Row i of G, which is symmetric, and of its factor has nothing before column i's first entry (any, if none).
  const first = start.subarray(0, n).map((at, i) => Math.min(i, entries[at] ?? i));
  const work = first.reduce((sum, from, i) => sum + (i - from + 1) ** 2, 0);
  if (n > mostFeatures || work > mostWork) return false;
  const factor: Float64Array[] = [];
  for (const [i, from] of first.entries()) {
    const row = new Float64Array(i - from + 1);
    for (let k = start[i]; k < start[i + 1] && entries[k] <= i; k++) row[entries[k] - from] = value[k];
    factor.push(row);
    for (let j = from; j <= i; j++) {
      const [other, begin] = [factor[j], first[j]];
      let rest = (i === j ? mu : 0) - row[j - from];
      for (let k = Math.max(from, begin); k < j; k++) rest -= row[k - from] * other[k - begin];
      if (j < i) row[j - from] = rest / other[j - begin];
      else if (rest > 0) row[j - from] = Math.sqrt(rest);
      else return false;
    }
  }
  return true;
}
