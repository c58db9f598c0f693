/** Branch and bound on ReLUs, for boxes of too many inputs to bisect. */
import type { Problem } from '../problem/problem.js';
import type { MethodOptions } from '../verify/options.js';
import { descend } from './descent.js';
import { batchOf } from './regions.js';
import { type Counterexample, type Search, secondsLeft } from './solver.js';

/** A problem with the terms that are not ruled out; the rows of each, most promising first. */
export interface OpenProblem {
  readonly problem: Problem;
  readonly terms: readonly (readonly number[])[];
  /** The engine takes a point for a counterexample that `Search.accept` does not: it is not to end searches. */
  readonly disputed?: boolean;
}

/** What a search leaves open, or the counterexample that it came upon. */
export interface Searched {
  readonly open: readonly OpenProblem[];
  readonly counterexample?: Counterexample;
}

/** How much a search may take. */
export type Effort = Required<Pick<MethodOptions, 'boxes' | 'boxSubproblems' | 'subproblems'>>;

/** Problems in one native call. */
const mostAtOnce = 32;
/** From a point that is almost a counterexample, or one but for rounding, down to one: `firstStep` of the box. */
const lastDescent = { steps: 20, firstStep: 0.02 };

/**
 * Rules out every term one of whose rows is proven positive on the whole box, by a bound without splits,
 * and orders the rows of the others by their bounds.
 */
export async function boundRows(
  search: Search,
  open: readonly OpenProblem[],
): Promise<readonly OpenProblem[]> {
  const method = { method: 'joint', boxes: 'crown', stopWhenProven: true } as const;
  return (await proveRows(search, open, (term) => term, 1, method)).open;
}

/**
 * The same by a search. A term of several rows takes several: the k-th is spent on the k-th row of every
 * term, each with its part of the time. Where all terms have one row, for which to be negative is to be a
 * counterexample, an attack runs beside it.
 */
export async function searchRows(
  search: Search,
  open: readonly OpenProblem[],
  effort: Effort,
): Promise<Searched> {
  let rest = open;
  const longest = Math.max(0, ...open.flatMap(({ terms }) => terms.map((term) => term.length)));
  for (let k = 0; k < longest && rest.length > 0; k += 1) {
    const method = { method: 'complete', falsify: longest === 1, ...effort } as const;
    const searched = await proveRows(search, rest, (term) => term.slice(k, k + 1), longest - k, method);
    if (searched.counterexample) return searched;
    rest = searched.open;
  }
  return { open: rest };
}

/** `parts`: calls like this that the time left is for. */
async function proveRows(
  search: Search,
  open: readonly OpenProblem[],
  rowsOf: (term: readonly number[]) => readonly number[],
  parts: number,
  method: MethodOptions,
): Promise<Searched> {
  const { verifier, model, signal, assurance } = search;
  const rest: OpenProblem[] = [];
  for (let begin = 0; begin < open.length; begin += mostAtOnce) {
    const part = open.slice(begin, begin + mostAtOnce);
    const wanted = part.map(({ problem, terms }) => ({
      ...problem,
      problem,
      terms: terms.map(rowsOf),
    }));
    const calls = parts * Math.ceil((open.length - begin) / mostAtOnce);
    const seconds = secondsLeft(search) / calls;
    if (seconds <= 0 || wanted.every(({ terms }) => terms.every((term) => term.length === 0))) {
      rest.push(...part);
      continue;
    }
    const { region, specification, rowCount, places } = batchOf(wanted, model.outputSize);
    const { lower, attack } = await verifier.bounds(model, region, {
      ...method,
      ...(method.falsify && { falsify: !part.some(({ disputed }) => disputed) }),
      specification,
      assurance,
      timeLimit: Number.isFinite(seconds) ? seconds : 0,
      signal,
    });
    const disputed = new Set<number>();
    for (const [image, { problem, terms }] of part.entries()) {
      if (!attack || !(attack.margin[image] < 0)) continue;
      const x = attack.point.slice(image * region.size, (image + 1) * region.size);
      const term = terms.find(([row]) => places[image].get(row) === attack.row[image]) ?? terms[0];
      const counterexample =
        search.accept(problem, x) ?? (await descend(search, [{ problem, term, x }], lastDescent));
      if (counterexample) return { open: [], counterexample };
      disputed.add(image);
    }
    part.forEach(({ problem, terms, ...known }, image) => {
      const boundOf = (row: number): number => {
        const place = places[image].get(row);
        return place === undefined ? -Infinity : lower[image * rowCount + place];
      };
      const left = terms.filter((term) => !term.some((row) => boundOf(row) > 0));
      if (left.length === 0) return;
      const ordered = left.map((term) => sorted(term, boundOf));
      rest.push({ problem, terms: ordered, disputed: known.disputed || disputed.has(image) });
    });
  }
  return { open: rest };
}

/** Greatest bound first; where nothing is known of any, as they were. */
function sorted(term: readonly number[], boundOf: (row: number) => number): readonly number[] {
  const compare = (a: number, b: number): number => (a === b ? 0 : a > b ? -1 : 1);
  return [...term].sort((a, b) => compare(boundOf(a), boundOf(b)));
}
