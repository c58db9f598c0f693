/** Spectral norms that certificates claim: guessed here, proven by the checker. */
import { largest } from '../certificate/arithmetic.js';
import { type Matrix, perColumn, times } from '../certificate/matrix.js';
import type { CertificateChecker } from '../certificate/index.js';
import type { Affine } from '../certificate/network.js';
import { CertificateError } from '../errors.js';

/** Lanczos steps; the guess is then usually right to ten digits. */
const mostSteps = 200;

/**
 * One claim for each node of the graph, as small as the checker can prove it; 0 where it is not affine.
 *
 * @throws CertificateError if no bound of a layer can be proven.
 */
export function claimNorms(checker: CertificateChecker): number[] {
  return checker.layers.map(({ affine }, at) => {
    if (!affine) return 0;
    const guess = Math.sqrt(largestEigenvalue(affine));
    const claimed = (slack: number): number => guess * (1 + slack) + 1e-100;
    const proven = (slack: number): boolean => checker.provesNorm(at, claimed(slack));
    if (proven(1e-7)) return claimed(1e-7);
    // Where even twice the guess is not proven, the layer is too large to factor, and every attempt takes long.
    if (proven(1)) return claimed([4e-7, 1.6e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1].find(proven)!);
    const simple = Math.sqrt(largestSum(affine.adjoint) * largestSum(affine.chain));
    const claim = simple * (1 + 1e-9) + 1e-100;
    if (checker.provesNorm(at, claim)) return claim;
    throw new CertificateError(`no bound on the norm of the chain at node ${at} could be proven`);
  });
}

function largestSum(matrix: Matrix): number {
  return largest(perColumn(matrix, (entries) => entries.reduce((sum, entry) => sum + Math.abs(entry), 0)));
}

/** The largest eigenvalue of A A^T, from below, by the Lanczos method. */
function largestEigenvalue({ chain, adjoint }: Affine): number {
  const { rows } = chain;
  const diagonal: number[] = [];
  const beside: number[] = [];
  let state = 1;
  let now: Float64Array = Float64Array.from({ length: rows }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  let before: Float64Array = new Float64Array(rows);
  let size = norm(now);
  for (let step = 0; step < Math.min(rows, mostSteps) && size > 1e-14 * (diagonal[0] ?? 0); step += 1) {
    for (let i = 0; i < rows; i += 1) now[i] /= size;
    const next = times(chain, times(adjoint, now));
    const along = next.reduce((sum, value, i) => sum + value * now[i], 0);
    for (let i = 0; i < rows; i += 1) next[i] -= along * now[i] + (beside.at(-1) ?? 0) * before[i];
    diagonal.push(along);
    size = norm(next);
    beside.push(size);
    [before, now] = [now, next];
  }
  return largestOfTridiagonal(diagonal, beside);
}

/** By bisection on whether all pivots of `middle I - T` are positive. */
function largestOfTridiagonal(diagonal: readonly number[], beside: readonly number[]): number {
  let low = 0;
  let high = 4 * Math.max(...diagonal, ...beside);
  // 100 halvings leave nothing but rounding; among subnormal numbers the interval never gets smaller.
  for (let halving = 0; halving < 100 && high - low > 1e-13 * high; halving += 1) {
    const middle = (low + high) / 2;
    let pivot = middle - diagonal[0];
    for (let i = 1; i < diagonal.length && pivot > 0; i += 1) {
      pivot = middle - diagonal[i] - beside[i - 1] ** 2 / pivot;
    }
    if (pivot > 0) high = middle;
    else low = middle;
  }
  return high;
}

function norm(x: Float64Array): number {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
}
