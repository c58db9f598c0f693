/** Branch and bound on the inputs, for l-infinity balls of few of them: bisecting these beats splitting ReLUs. */
import { InvalidArgumentError } from '../errors.js';
import { evaluate } from '../model/evaluate.js';
import { type Problem, rowValues } from '../problem/problem.js';
import type { Region } from '../problem/region.js';
import { sumDown, sumUp } from '../problem/rounding.js';
import { margins } from '../problem/specification.js';
import { InputSplitter } from '../vnnlib/input-split.js';
import type { Search } from '../vnnlib/solver.js';
import type { SearchLimit } from '../verify/verifier.js';

/** What is proven when nothing is left open: every margin above this part of the least one at the centre. */
const goalShare = 1e-6;

export interface InputDecision {
  /** A bound of every margin, where they are proven. */
  readonly lower?: readonly number[];
  /** The least margin of the counterexample, where one was found: in the ball, evaluated in float64. */
  readonly margin?: number;
  /** Boxes bounded. */
  readonly subproblems: number;
  readonly limit: SearchLimit;
}

/**
 * Whether a region of one image, an l-infinity ball, holds an input of another class than `label`.
 *
 * @param most boxes to be bounded, up to a fraction of a second's.
 * @throws InvalidArgumentError if the region is no box; otherwise as `Verifier.inputSearch`.
 */
export async function decideByInputs(
  search: Omit<Search, 'accept'>,
  region: Region,
  label: number,
  most: number,
): Promise<InputDecision> {
  const { model } = search;
  const { lower, upper } = region;
  if (!lower || !upper) {
    throw new InvalidArgumentError(`the region is an ${region.kind} ball, only inputs in a box can be split`);
  }
  const { rowCount, c, d } = margins(label).resolve(1, model.outputSize);
  const least = (x: Float64Array): number =>
    Math.min(...rowValues({ rowCount, c, d }, evaluate(model.graph, x)));
  const goal = goalShare * least(region.center);
  if (!(goal > 0)) return { subproblems: 0, limit: 'none' };
  const problem = {
    lower,
    upper,
    rowCount,
    c,
    d: d.map((constant) => constant - goal),
    terms: Array.from({ length: rowCount }, (_, row) => [row]),
  };
  let margin = Infinity;
  const accept: Search['accept'] = (box, candidate) => {
    const x = insideBall(candidate, region, box);
    margin = least(x);
    return margin < 0 ? { x, y: evaluate(model.graph, x) } : undefined;
  };
  const { verdict, boxes } = await new InputSplitter({ ...search, accept }, [problem]).run({ most });
  if (verdict === 'sat') return { margin, subproblems: boxes, limit: 'none' };
  if (verdict === 'unsat') {
    return { lower: Array.from({ length: rowCount }, () => goal), subproblems: boxes, limit: 'none' };
  }
  const limit = verdict === 'timeout' ? 'time' : boxes >= most ? 'subproblems' : 'splits';
  return { subproblems: boxes, limit };
}

/** The region's ends are rounded outward, a counterexample lies strictly inside the ball. */
function insideBall(
  x: Float64Array,
  { center, eps }: Region,
  { lower, upper }: Pick<Problem, 'lower' | 'upper'>,
): Float64Array {
  return x.map((value, i) => {
    const low = Math.max(lower[i], sumUp(center[i], -eps[0]));
    const high = Math.min(upper[i], sumDown(center[i], eps[0]));
    return Math.min(Math.max(value, low), high);
  });
}
