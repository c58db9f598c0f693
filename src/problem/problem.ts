/** A question about a network that has a yes or no answer, as a solver takes it. */

/**
 * Does the box `lower <= x <= upper` hold an input that some term calls a counterexample?
 *
 * A term is a conjunction of rows, given by their indices: x is a counterexample for it when
 * `c_r y + d_r <= 0` for all its rows r, where y is the network's output at x. To prove a term
 * impossible it is enough that one of its rows is positive on the whole box; in general a nonnegative
 * combination of its rows has to be, or the box has to be split. Robustness of a class is the case of
 * one row per term; a term without rows calls every input a counterexample.
 */
export interface Problem {
  /** `[inputs]`, finite, `lower <= upper`. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly rowCount: number;
  /** `[rowCount * outputs]` */
  readonly c: Float64Array;
  /** `[rowCount]` */
  readonly d: Float64Array;
  readonly terms: readonly (readonly number[])[];
}

/** What decides a term at one point: the greatest of its rows there; a counterexample where it is <= 0. */
export function termValue(term: readonly number[], values: ArrayLike<number>): number {
  return term.reduce((greatest, row) => Math.max(greatest, values[row]), -Infinity);
}

/** The rows `C y + d` at an output y, in order. */
export function rowValues(
  { c, d, rowCount }: Pick<Problem, 'c' | 'd' | 'rowCount'>,
  y: Float64Array,
): Float64Array {
  return Float64Array.from({ length: rowCount }, (_, row) => {
    let sum = d[row];
    for (let j = 0; j < y.length; j += 1) sum += c[row * y.length + j] * y[j];
    return sum;
  });
}
