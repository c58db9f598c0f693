/** Attacks: looking for points where all rows of some term are <= 0. */
import type { Problem } from '../problem/problem.js';
import { type Box, type Subproblem, batchOf } from './regions.js';
import { type Counterexample, type Search, secondsLeft, timeLimit } from './solver.js';

export interface Start {
  readonly problem: Problem;
  readonly term: readonly number[];
  readonly x: Float64Array;
}

export interface Effort {
  readonly steps: number;
  readonly restarts: number;
  readonly seed: number;
  /** Lets the engine give up rows that look hopeless as well as those it has falsified. */
  readonly stopWhenFalsified: boolean;
}

/** Problems in one native call. */
const mostAtOnce = 256;

/**
 * The engine's projected gradient descent on the terms of a single row each, where its aim, one small
 * row, is the aim here as well.
 */
export async function attackSingleRows(
  search: Search,
  problems: readonly Problem[],
  effort: Effort,
): Promise<Counterexample | undefined> {
  const { verifier, model, signal } = search;
  const items = problems.flatMap((problem): Subproblem[] => {
    const terms = problem.terms.filter((term) => term.length === 1);
    return terms.length === 0 ? [] : [{ ...problem, problem, terms }];
  });
  for (let begin = 0; begin < items.length && secondsLeft(search) > 0; begin += mostAtOnce) {
    const part = items.slice(begin, begin + mostAtOnce);
    const { region, specification } = batchOf(part, model.outputSize);
    const { margin, point } = await verifier.attack(model, region, {
      ...effort,
      specification,
      timeLimit: timeLimit(search),
      signal,
    });
    for (const [image, { problem }] of part.entries()) {
      if (!(margin[image] <= 0)) continue;
      const found = search.accept(problem, point.slice(image * region.size, (image + 1) * region.size));
      if (found) return found;
    }
  }
  return undefined;
}

/**
 * Descends on the greatest row of each start's term: steps against the sign of its gradient, scaled by
 * the widths of the problem's box: `firstStep` of them at first, shrinking geometrically. On a box that is one point the affine
 * bound of a row is its value and gradient there, so one batch of bounds is one step for all starts.
 */
export async function descend(
  search: Search,
  starts: readonly Start[],
  { steps, firstStep }: { steps: number; firstStep: number },
): Promise<Counterexample | undefined> {
  const { verifier, model, signal } = search;
  const points = starts.map(({ x }) => x.slice());
  for (let step = 0; step < steps && secondsLeft(search) > 0; step += 1) {
    const items = starts.map(({ problem, term }, i): Subproblem => {
      return { problem, terms: [term], lower: points[i], upper: points[i] };
    });
    const { region, specification, rowCount, places } = batchOf(items, model.outputSize);
    const { lower, slope } = await verifier.bounds(model, region, {
      method: 'crown',
      boxes: 'cheap',
      iterations: 0,
      coefficients: true,
      assurance: 'none',
      specification,
      timeLimit: timeLimit(search),
      signal,
    });
    if (secondsLeft(search) <= 0) break;
    const size = firstStep * 0.9 ** step;
    for (const [i, { problem, term }] of starts.entries()) {
      const values = term.map((row) => lower[i * rowCount + places[i].get(row)!]);
      const greatest = Math.max(...values);
      if (greatest <= 0) {
        const found = search.accept(problem, points[i]);
        if (found) return found;
      }
      const row = i * rowCount + values.indexOf(greatest);
      move(points[i], slope!.subarray(row * region.size, (row + 1) * region.size), size, problem);
    }
  }
  return undefined;
}

function move(x: Float64Array, gradient: Float64Array, step: number, { lower, upper }: Box): void {
  for (let i = 0; i < x.length; i += 1) {
    const moved = x[i] - step * Math.sign(gradient[i]) * (upper[i] - lower[i]);
    x[i] = Math.min(Math.max(moved, lower[i]), upper[i]);
  }
}

/** The centre and random points for every term of several rows, in turn until there are `count`. */
export function randomStarts(problems: readonly Problem[], count: number, seed: number): Start[] {
  const random = generator(seed);
  const targets = problems.flatMap((problem) =>
    problem.terms.filter((term) => term.length !== 1).map((term) => ({ problem, term })),
  );
  if (targets.length === 0) return [];
  return Array.from({ length: count }, (_, i) => {
    const { problem, term } = targets[i % targets.length];
    const { lower, upper } = problem;
    const x = lower.map((low, j) => {
      const share = i < targets.length ? 0.5 : random();
      return Math.min(Math.max(low + share * (upper[j] - low), low), upper[j]);
    });
    return { problem, term, x };
  });
}

/** mulberry32: uniform in [0, 1), the same on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
