/**
 * Spectral norms: whether `||A||_2 <= claim`, decided with its rounding. `||A||_2^2` is the largest
 * eigenvalue of the Gram matrix G = A^T A (or A A^T, whichever costs less), and mu is not below it if
 * `M = mu I - G` has a Cholesky factorisation.
 *
 * Lemma 3. (Demmel; Higham, Theorem 10.3; Rump 2006.) If Cholesky's method, in floating point and with
 * sums in any order, runs to its end with positive pivots on a symmetric n x n matrix M, then
 * M + E = R^T R for some |E_ij| <= g sqrt(m_ii m_jj), g = (n + 1) u / (1 - 2 (n + 1) u). So no eigenvalue
 * of M is below -g trace(M), up to underflow (below n `tiny` for traces within 2^+-200).
 */
import { gamma, tiny } from './arithmetic.js';
import { type Matrix, foldRows, forEach, transpose } from './matrix.js';

/** Multiplications that a proof may take, about 40 s, and numbers that a factor may have. */
const mostWork = 2e10;
const mostNumbers = 2 ** 26;

/**
 * @param error bounds the Frobenius norm of what `matrix` differs by from A.
 * @param shapes of output and input: they only order the features, so that G is nearly a band.
 */
export function hasNorm(
  matrix: Matrix,
  error: number,
  shapes: readonly [readonly number[], readonly number[]],
  claim: number,
): boolean {
  const squares = matrix.value.reduce((sum, value) => sum + value * value, 0);
  const trace = (squares + tiny) * (1 + gamma(matrix.value.length));
  const own = (claim - error) * (1 - gamma(3));
  if (!(own > 0)) return false;
  // ||A||^2 <= ||A||_1 ||A||_inf: loose, but enough for layers too large to factor, if the claim allows it.
  const transposed = transpose(matrix);
  const most = [matrix, transposed].map((side) =>
    foldRows(side, (total, magnitude) => total + magnitude).reduce((a, b) => Math.max(a, b), 0),
  );
  if (own >= Math.sqrt(most[0] * most[1] + tiny) * (1 + gamma(matrix.rows + matrix.columns))) return true;
  const sides = [envelope(transposed, shapes[0]), envelope(matrix, shapes[1])];
  const side = sides[0].work <= sides[1].work ? sides[0] : sides[1];
  const n = side.first.length;
  const fits = side.work <= mostWork && side.numbers <= mostNumbers;
  if (!fits || squares < 2 ** -200 || trace > 2 ** 200) return false;
  // The computed G is off by gamma |A^T| |A| (Lemma 1), whose norm is at most its trace, that of G; the
  // roundings of mu - G_ii are below u mu; the trace of M is at most n mu.
  const mu = (own * own - gamma(side.terms.rows) * trace - n * tiny) / (1 + gamma(n) * n);
  return isPositiveDefinite(gram(side), side.first, mu * (1 - gamma(3)));
}

/**
 * G = terms^T terms with its features in an order that keeps neighbours near: `order` is the place of each
 * feature in G, pixel by pixel; `first` the first entry of each row of G that is not zero (a factor has no
 * others); `numbers` and `work` are what a factor holds and takes.
 */
type Side = ReturnType<typeof envelope>;

function envelope(terms: Matrix, shape: readonly number[]) {
  const channels = shape.length === 3 ? shape[0] : terms.columns;
  const pixels = terms.columns / channels;
  const order = new Int32Array(terms.columns).map((_, i) => (i % pixels) * channels + Math.floor(i / pixels));
  const first = order.map((_, i) => i);
  let [work, numbers] = [0, 0];
  for (let row = 0; row < terms.rows; row++) {
    const together = terms.column.subarray(terms.start[row], terms.start[row + 1]).map((i) => order[i]);
    const low = together.reduce((a, b) => Math.min(a, b), Infinity);
    for (const i of together) first[i] = Math.min(first[i], low);
    work += together.length ** 2;
  }
  first.forEach((low, i) => {
    work += (i - low) ** 2;
    numbers += i - low + 1;
  });
  return { terms, order, first, work, numbers };
}

/** The rows of G's lower triangle, each from its first entry to the diagonal. */
function gram({ terms, order, first }: Side): Float64Array[] {
  const { start, column, value } = terms;
  const rows = Array.from(first, (low, i) => new Float64Array(i - low + 1));
  forEach(terms, (row, from, a) => {
    const i = order[from];
    for (let k = start[row]; k < start[row + 1]; k++) {
      const j = order[column[k]];
      if (j <= i) rows[i][j - first[i]] += a * value[k];
    }
  });
  return rows;
}

/** Cholesky's method on `mu I - G`, row by row and in place; false at the first pivot not above 0. */
function isPositiveDefinite(rows: Float64Array[], first: Int32Array, mu: number): boolean {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    for (let j = first[i]; j <= i; j++) {
      const other = rows[j];
      const [here, there] = [first[i], first[j]];
      let rest = (i === j ? mu : 0) - row[j - here];
      for (let k = Math.max(here, there); k < j; k++) rest -= row[k - here] * other[k - there];
      if (j < i) row[j - here] = rest / other[j - there];
      else if (rest > 0) row[j - here] = Math.sqrt(rest);
      else return false;
    }
  }
  return true;
}
