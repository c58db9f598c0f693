/** Branch and bound in rounds: a few splits on the boxes that a region has by default, then again on better ones. */
import { type Region, regionOf } from '../problem/region.js';
import { forImages } from '../problem/specification.js';
import { secondsLeft, timeLimit } from './deadline.js';
import { type BoundsOptions, resolveSearchOptions } from './options.js';
import type { Attack, Bounds, SearchLimit } from './verifier.js';

/** Most subproblems per image of the first round. */
const fewSubproblems = 32;
/**
 * Better boxes cost as much as some hundred subproblems, and pay where a tree would be larger: they make it several
 * times smaller. After the root, splits hardly move them.
 */
const betterBoxes = { boxes: 'optimised', boxIterations: 5 } as const;

/**
 * Searches each image on its default boxes, and what a few subproblems leave open again on better ones; where the
 * caller names the boxes, once on these. Both rounds share the time and, per image, the subproblems.
 *
 * @param once one search of a region.
 */
export async function searchInRounds(
  once: (region: Region, options: BoundsOptions) => Promise<Bounds>,
  region: Region,
  options: BoundsOptions,
  outputSize: number,
): Promise<Bounds> {
  const asked = resolveSearchOptions(options, region.kind);
  if (options.boxes !== undefined || asked.subproblems <= fewSubproblems) return once(region, options);
  const deadline = asked.timeLimit > 0 ? performance.now() + 1000 * asked.timeLimit : Infinity;
  const first = await once(region, { ...options, subproblems: fewSubproblems });
  const images = leftOpen(first);
  const spent = images.reduce((most, image) => Math.max(most, first.subproblems![image]), 0);
  if (images.length === 0 || spent >= asked.subproblems || secondsLeft({ deadline }) <= 0) return first;
  const rows = options.specification.resolve(region.count, outputSize);
  const { onProgress } = options;
  const settled = (region.count - images.length) * rows.rowCount;
  const next = await once(regionOf(region, images), {
    ...options,
    ...betterBoxes,
    subproblems: asked.subproblems - spent,
    timeLimit: timeLimit({ deadline }),
    specification: forImages(rows, images, outputSize),
    ...(onProgress && { onProgress: (done, total) => onProgress(settled + done, settled + total) }),
  });
  return withNextRound(first, next, images);
}

/** The images that a round left to the next: neither decided nor at an end. */
function leftOpen({ lower, shape, timedOut, limits }: Bounds): number[] {
  const goesOn: readonly SearchLimit[] = ['none', 'subproblems'];
  return timedOut.flatMap((late, image) => {
    const rows = lower.subarray(image * shape[1], (image + 1) * shape[1]);
    return !late && goesOn.includes(limits![image]) && !rows.every((bound) => bound > 0) ? [image] : [];
  });
}

/**
 * A round's result with that of the next for some of its `images`: these are as the next round has them where it
 * did at least as well, their evidence always of one round.
 */
function withNextRound(first: Bounds, next: Bounds, images: readonly number[]): Bounds {
  const rowCount = first.shape[1];
  const lower = first.lower.slice();
  const timedOut = [...first.timedOut];
  const subproblems = first.subproblems!.slice();
  const limits = [...first.limits!];
  const leaves = first.leaves && [...first.leaves];
  const taken = new Map<number, number>();
  images.forEach((image, index) => {
    timedOut[image] = next.timedOut[index];
    subproblems[image] += next.subproblems![index];
    limits[image] = next.limits![index];
    const [old, found] = [first.lower, next.lower].map((all, which) => {
      const at = (which === 0 ? image : index) * rowCount;
      return all.subarray(at, at + rowCount);
    });
    const better = found.map((bound, row) => (bound > old[row] ? bound : old[row]));
    // Evidence of a row speaks for its own boxes alone.
    const whole = leaves === undefined || proven(found) >= proven(old);
    if (!whole) return;
    lower.set(leaves ? found : better, image * rowCount);
    next.leaves?.slice(index * rowCount, (index + 1) * rowCount).forEach((tree, row) => {
      leaves![image * rowCount + row] = tree;
    });
    taken.set(index, image);
  });
  const replaced = new Set(taken.values());
  const boxes = first.boxes && [
    ...first.boxes.filter(({ image }) => !replaced.has(image)),
    ...(next.boxes ?? []).flatMap((box) => {
      const image = taken.get(box.image);
      return image === undefined ? [] : [{ ...box, image }];
    }),
  ];
  return {
    ...first,
    lower,
    timedOut,
    subproblems,
    limits,
    ...(leaves && { leaves }),
    ...(boxes && { boxes }),
    ...(first.attack && next.attack && { attack: smaller(first.attack, next.attack, images) }),
  };
}

function proven(lower: Float64Array): number {
  return lower.reduce((count, bound) => count + Number(bound > 0), 0);
}

function smaller(first: Attack, next: Attack, images: readonly number[]): Attack {
  const rowCount = first.shape[1];
  const size = first.point.length / first.margin.length;
  const [value, margin, row, point] = [
    first.value.slice(),
    first.margin.slice(),
    first.row.slice(),
    first.point.slice(),
  ] as const;
  images.forEach((image, index) => {
    for (let at = 0; at < rowCount; at += 1) {
      const to = image * rowCount + at;
      value[to] = Math.min(value[to], next.value[index * rowCount + at]);
    }
    if (!(next.margin[index] < margin[image])) return;
    margin[image] = next.margin[index];
    row[image] = next.row[index];
    point.set(next.point.subarray(index * size, (index + 1) * size), image * size);
  });
  return { shape: first.shape, value, margin, row, point };
}
