/** One round of bounds on a batch of subproblems. */
import type { MethodOptions } from '../verify/options.js';
import { type Subproblem, batchOf } from './regions.js';
import { type Affine, bestCombination, clip, hull } from './relaxation.js';
import { type Search, timeLimit } from './solver.js';

/** A subproblem that bounds left open: fewer terms, a smaller box, and what they say about it. */
export interface Open extends Subproblem {
  /** An affine function <= 0 at every counterexample of one open term, the one with the least bound. */
  readonly guide: Affine;
  /** `[inputs]` the greatest absolute slope of any open row: how much a cut along each input may tell. */
  readonly sensitivity: Float64Array;
}

/**
 * Bounds the rows of every open term; a term is ruled out where one of its rows, or a nonnegative
 * combination of their affine bounds, is positive on the whole box. What stays open is clipped to where
 * those affine bounds allow a counterexample.
 *
 * @returns the open rest of each item, undefined where every term is ruled out.
 */
export async function refute(
  search: Search,
  items: readonly Subproblem[],
  method: MethodOptions,
): Promise<(Open | undefined)[]> {
  const { verifier, model, signal, assurance } = search;
  const { region, specification, rowCount, places } = batchOf(items, model.outputSize);
  const { lower, slope, offset } = await verifier.bounds(model, region, {
    ...method,
    specification,
    coefficients: true,
    assurance,
    timeLimit: timeLimit(search),
    signal,
  });
  const size = region.size;
  return items.map((item, image) => {
    const at = (row: number): number => image * rowCount + places[image].get(row)!;
    const affine = (row: number): Affine => ({
      slope: slope!.subarray(at(row) * size, (at(row) + 1) * size),
      offset: offset![at(row)],
    });
    return openRest(item, (row) => lower[at(row)], affine);
  });
}

function openRest(
  item: Subproblem,
  lowerOf: (row: number) => number,
  affineOf: (row: number) => Affine,
): Open | undefined {
  const open: {
    term: readonly number[];
    bound: number;
    box: { lower: Float64Array; upper: Float64Array };
    guide: Affine;
  }[] = [];
  for (const term of item.terms) {
    const bound = term.reduce((greatest, row) => Math.max(greatest, lowerOf(row)), -Infinity);
    if (bound > 0) continue;
    const rows = term.map(affineOf).filter(isUsable);
    if (rows.length === 0) {
      const guide = { slope: new Float64Array(item.lower.length), offset: 0 };
      open.push({ term, bound, box: item, guide });
      continue;
    }
    const guide = bestCombination(rows, item);
    const box = clip(rows, guide, item);
    if (box) open.push({ term, bound, box, guide });
  }
  if (open.length === 0) return undefined;
  const worst = open.reduce((least, candidate) => (candidate.bound < least.bound ? candidate : least));
  const { lower, upper } = hull(open.map(({ box }) => box));
  const terms = open.map(({ term }) => term);
  const sensitivity = new Float64Array(lower.length);
  for (const row of new Set(terms.flat())) {
    affineOf(row).slope.forEach((a, i) => (sensitivity[i] = Math.max(sensitivity[i], Math.abs(a))));
  }
  return { ...item, terms, lower, upper, guide: worst.guide, sensitivity };
}

/** Rows that a time limit cut short come without bounds. */
function isUsable({ slope, offset }: Affine): boolean {
  return Number.isFinite(offset) && slope.every(Number.isFinite);
}
