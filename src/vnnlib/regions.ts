/** Subproblems of different problems as one batch for the engine. */
import type { Problem } from '../problem/problem.js';
import type { Region } from '../problem/region.js';
import type { Specification } from '../problem/specification.js';

export interface Box {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** A part of a problem's box, and the terms that are not yet ruled out on it. */
export interface Subproblem extends Box {
  readonly problem: Problem;
  readonly terms: readonly (readonly number[])[];
}

export interface Batch {
  readonly region: Region;
  readonly specification: Specification;
  /** Rows of each image in the batch, padded to the longest. */
  readonly rowCount: number;
  /** For each image: the place of a problem's row among the image's rows. */
  readonly places: readonly ReadonlyMap<number, number>[];
}

/** Boxes and the rows of their open terms; images with fewer rows are filled up with the row `0 y + 1`. */
export function batchOf(items: readonly Subproblem[], outputSize: number): Batch {
  const places = items.map(({ terms }) => {
    const rows = new Map<number, number>();
    for (const row of terms.flat()) if (!rows.has(row)) rows.set(row, rows.size);
    return rows;
  });
  const rowCount = Math.max(1, ...places.map((rows) => rows.size));
  const c = new Float64Array(items.length * rowCount * outputSize);
  const d = new Float64Array(items.length * rowCount).fill(1);
  items.forEach(({ problem }, image) => {
    for (const [row, place] of places[image]) {
      const target = image * rowCount + place;
      c.set(problem.c.subarray(row * outputSize, (row + 1) * outputSize), target * outputSize);
      d[target] = problem.d[row];
    }
  });
  const native = { rowCount, c, d, shared: false };
  return {
    region: regionOf(items),
    specification: { description: 'rows', resolve: () => native },
    rowCount,
    places,
  };
}

function regionOf(boxes: readonly Box[]): Region {
  const size = boxes[0].lower.length;
  const lower = new Float64Array(boxes.length * size);
  const upper = new Float64Array(boxes.length * size);
  boxes.forEach((box, image) => {
    lower.set(box.lower, image * size);
    upper.set(box.upper, image * size);
  });
  const center = lower.map((low, i) => Math.min(Math.max(low / 2 + upper[i] / 2, low), upper[i]));
  return { kind: 'box', count: boxes.length, size, center, eps: new Float64Array(0), lower, upper };
}
