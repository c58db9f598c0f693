/**
 * Floating-point facts that the checker rests on. All arithmetic is IEEE float64, rounded to nearest:
 * `fl(a op b) = (a op b)(1 + d) + t` with |d| <= u = 2^-53, and |t| <= 2^-1075 for products and
 * quotients only (underflow).
 *
 * Lemma 1. Let s be the computed sum of n terms, each a product of at most two given numbers, in any
 * order, and m the computed sum of their absolute values. Then s is within `gamma(n) * m + n 2^-1074`
 * of the true sum, and the true sum of absolute values is at most `m * (1 + gamma(n)) + n 2^-1074`.
 * Proof: the errors are at most `g = n u / (1 - n u)` times the true sum of absolute values (Higham,
 * Accuracy and Stability, section 3.1), which is at most m / (1 - g). `gamma(n)` is more than twice
 * `(n + 8) u`, so it also pays for the roundings of m, of a few numbers added to it, and of the products
 * in the statement itself, for every n below 10^13.
 *
 * Lemma 2. No number that the checker computes with exceeds 2^150 (`checked` refuses larger ones, and
 * NaN), and no sum has more than 2^25 terms. So what underflows in a sum, multiplied by two more such
 * numbers and summed again, is below 2^50 2^-1074 2^300 < `tiny`; every bound is widened by `tiny`.
 */
import { CertificateError } from '../errors.js';

export const unit = 2 ** -53;
export const tiny = 2 ** -700;

export function gamma(n: number): number {
  return 2.3e-16 * (n + 8);
}

/** @throws CertificateError unless the condition holds. */
export function demand(condition: unknown, otherwise: string): asserts condition {
  if (!condition) throw new CertificateError(otherwise);
}

/** @throws CertificateError for a NaN, or a number above 2^150. */
export function checked<Numbers extends Float32Array | Float64Array>(x: Numbers, what: string): Numbers {
  const bad = x.find((value) => !(Math.abs(value) <= 2 ** 150));
  demand(bad === undefined, `${what} is ${bad}, which the checker does not compute with`);
  return x;
}

export function squareSum(x: Float64Array): number {
  return x.reduce((sum, value) => sum + value * value, 0);
}

/** An upper bound of the euclidean norm (Lemma 1). */
export function normUp(x: Float64Array): number {
  return Math.sqrt(squareSum(x) + tiny) * (1 + gamma(x.length));
}

export function largest(x: Float64Array): number {
  return x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * A lower bound of a sum (Lemmas 1 and 2).
 *
 * @param terms each a number, a product of two numbers, or a lower bound up to its own underflow.
 */
export function lowerSum(terms: readonly number[]): number {
  const sum = terms.reduce((total, term) => total + term, 0);
  const magnitude = terms.reduce((total, term) => total + Math.abs(term), 0);
  return sum - (gamma(terms.length) * magnitude + terms.length * tiny) * (1 + gamma(1));
}
