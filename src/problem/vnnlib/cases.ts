/** From the cases of a specification to problems: boxes of inputs, rows of outputs. */
import type { Problem } from '../problem.js';
import { nextDown, nextUp } from '../rounding.js';
import type { Source } from './expressions.js';
import type { Comparison } from './formula.js';
import type { Coefficients } from './linear.js';

/** A bound on one input, both ends in one map so that cases with equal boxes are recognised. */
type Ends = ReadonlyMap<number, { readonly lower: number; readonly upper: number }>;

interface Row {
  readonly y: Coefficients;
  readonly constant: number;
}

/** The input's bounds and the output's rows of a conjunction; undefined where it contradicts itself. */
interface Conjunction {
  readonly ends: Ends;
  readonly rows: readonly Row[];
}

/** More numbers than this in all the boxes together are refused instead of filling the memory. */
const mostNumbers = 2 ** 26;

/**
 * One problem per box, cases of one box becoming its terms. Cases that contradict themselves are
 * dropped: nothing satisfies them.
 *
 * @throws DataError naming an input without a bound.
 * @throws UnsupportedError for a comparison of inputs with outputs or of several inputs.
 */
export function toProblems(
  always: readonly Comparison[],
  cases: readonly (readonly Comparison[])[],
  sizes: { inputs: number; outputs: number },
  source: Source,
): Problem[] {
  const common = conjunction(always, new Map(), source);
  if (common === undefined) return [];
  const byBox = new Map<string, { ends: Ends; terms: (readonly Row[])[] }>();
  for (const comparisons of cases) {
    const own = conjunction(comparisons, common.ends, source);
    if (own === undefined) continue;
    const key = [...own.ends]
      .sort(([i], [j]) => i - j)
      .map(([i, { lower, upper }]) => `${i}:${lower}:${upper}`)
      .join(' ');
    const group = byBox.get(key) ?? { ends: own.ends, terms: [] };
    group.terms.push([...common.rows, ...own.rows]);
    byBox.set(key, group);
  }
  if (byBox.size * sizes.inputs * 2 > mostNumbers) {
    throw source.unsupported(0, `${byBox.size} boxes of ${sizes.inputs} inputs are more than bulwark keeps`);
  }
  return [...byBox.values()].map(({ ends, terms }) => {
    const box = boxOf(common.ends, ends, sizes.inputs, source);
    return { ...box, ...shareRows(terms, sizes.outputs) };
  });
}

/** `outer` are bounds that hold as well; the result repeats those of the inputs bounded here. */
function conjunction(
  comparisons: readonly Comparison[],
  outer: Ends,
  source: Source,
): Conjunction | undefined {
  const ends = new Map<number, { lower: number; upper: number }>();
  const rows: Row[] = [];
  for (const { linear, strict, offset } of comparisons) {
    const { x, y, constant } = linear;
    if (x.length > 0 && y.length > 0) {
      throw source.unsupported(offset, 'a comparison between inputs and outputs is not supported');
    }
    if (x.length > 1) {
      throw source.unsupported(offset, 'a comparison of several inputs is not supported, only bounds of one');
    }
    if (x.length === 1) {
      const [[index, coefficient]] = x;
      const end = ends.get(index) ?? { ...(outer.get(index) ?? { lower: -Infinity, upper: Infinity }) };
      // Outward: what is proven on the box then holds for the exact quotient.
      if (coefficient > 0) end.upper = Math.min(end.upper, quotient(-constant, coefficient, nextUp));
      else end.lower = Math.max(end.lower, quotient(-constant, coefficient, nextDown));
      ends.set(index, end);
      if (end.lower > end.upper) return undefined;
    } else if (y.length > 0) rows.push({ y, constant });
    else if (strict ? constant >= 0 : constant > 0) return undefined;
  }
  return { ends, rows };
}

function quotient(a: number, b: number, outward: (value: number) => number): number {
  const value = a / b;
  return Math.abs(b) === 1 ? value + 0 : outward(value);
}

function boxOf(common: Ends, own: Ends, inputs: number, source: Source): Pick<Problem, 'lower' | 'upper'> {
  const lower = new Float64Array(inputs).fill(-Infinity);
  const upper = new Float64Array(inputs).fill(Infinity);
  for (const ends of [common, own]) {
    for (const [index, end] of ends) {
      lower[index] = end.lower;
      upper[index] = end.upper;
    }
  }
  const free = lower.findIndex((low, index) => low === -Infinity || upper[index] === Infinity);
  if (free >= 0) {
    const missing = lower[free] === -Infinity ? 'lower' : 'upper';
    throw source.error(
      0,
      `input X_${free} has no ${missing} bound in some case; every input must be bounded`,
    );
  }
  return { lower, upper };
}

/** Equal rows of different terms become one row. */
function shareRows(terms: readonly (readonly Row[])[], outputs: number): Omit<Problem, 'lower' | 'upper'> {
  const rows: Row[] = [];
  const known = new Map<string, number>();
  const indices = terms.map((term) => {
    const members = term.map((row) => {
      const key = `${row.y.join(' ')} ${row.constant}`;
      const index = known.get(key) ?? rows.push(row) - 1;
      known.set(key, index);
      return index;
    });
    return [...new Set(members)];
  });
  const c = new Float64Array(rows.length * outputs);
  rows.forEach(({ y }, row) => {
    for (const [output, coefficient] of y) c[row * outputs + output] = coefficient;
  });
  return { rowCount: rows.length, c, d: Float64Array.from(rows, ({ constant }) => constant), terms: indices };
}
