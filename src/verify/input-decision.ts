/** Whether all rows are positive on a region of few inputs: bisecting these beats splitting ReLUs. */
import type { NativeRows } from '../binding.js';
import { InvalidArgumentError } from '../errors.js';
import { evaluate } from '../model/evaluate.js';
import type { Model } from '../model/index.js';
import { type Problem, rowValues } from '../problem/problem.js';
import type { Region, RegionKind } from '../problem/region.js';
import { sumDown, sumUp } from '../problem/rounding.js';
import { type InputSplitSearch, InputSplitter, hasFewInputs } from './input-split.js';
import type { Assurance, ProofLevel } from './options.js';
import type { SearchLimit } from './verifier.js';

/** What is proven when nothing is left open: every row above this part of the least one at the centre. */
const goalShare = 1e-6;

/**
 * Whether {@link decideByInputs} is how to decide: few inputs, in a box, and what it says is proven, never only
 * believed. It leaves no multipliers behind: who needs those splits ReLUs.
 */
export function decidesByInputs(
  model: Model,
  kind: RegionKind,
  assurance: Assurance,
): assurance is ProofLevel {
  return (kind === 'linf' || kind === 'box') && hasFewInputs(model) && assurance !== 'none';
}

export interface InputDecision {
  /** A bound of every row, where they are proven. */
  readonly lower?: readonly number[];
  /** An input of the region at which a row is negative, and the least row there, in float64. */
  readonly counterexample?: { readonly x: Float64Array; readonly margin: number };
  /** Boxes bounded. */
  readonly subproblems: number;
  readonly limit: SearchLimit;
}

/**
 * Whether every row is positive on a region of one image, or some row is negative in it.
 *
 * @param rows of that image.
 * @param most boxes to be bounded, up to a fraction of a second's.
 * @throws InvalidArgumentError if the region is not one box; otherwise as `Verifier.inputSearch`.
 */
export async function decideByInputs(
  search: Omit<InputSplitSearch<never>, 'accept'>,
  region: Region,
  { rowCount, c, d }: NativeRows,
  most: number,
): Promise<InputDecision> {
  const { model } = search;
  const { kind, count, lower, upper } = region;
  if ((kind !== 'linf' && kind !== 'box') || !lower || !upper || count !== 1) {
    throw new InvalidArgumentError(
      `the region is ${count} of kind '${kind}', only the inputs of one 'linf' ball or 'box' can be split`,
    );
  }
  const least = (x: Float64Array): number =>
    Math.min(...rowValues({ rowCount, c, d }, evaluate(model.graph, x)));
  const goal = goalShare * least(region.center);
  if (!(goal > 0)) return { subproblems: 0, limit: 'none' };
  const problem = {
    lower,
    upper,
    rowCount,
    c,
    // What is positive with this constant is above the goal with its own.
    d: d.map((constant) => sumDown(constant, -goal)),
    terms: Array.from({ length: rowCount }, (_, row) => [row]),
  };
  const accept = (box: Problem, candidate: Float64Array): InputDecision['counterexample'] => {
    const x = kind === 'box' ? candidate : insideBall(candidate, region, box);
    const margin = least(x);
    return margin < 0 ? { x, margin } : undefined;
  };
  const answer = await new InputSplitter({ ...search, accept }, [problem]).run({ most });
  const { verdict, boxes } = answer;
  if (verdict === 'sat')
    return { counterexample: answer.counterexample, subproblems: boxes, limit: 'falsified' };
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
