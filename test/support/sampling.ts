/** Points of a region, exactly inside it, spread over inside, border and corners. */
import type { Region } from '../../src/index.js';
import type { Random } from './random-networks.js';

/** `count` points of image `image`; the first is the centre. */
export function samplePoints(random: Random, region: Region, image: number, count: number): Float64Array[] {
  const { size } = region;
  const from = image * size;
  const center = region.center.subarray(from, from + size);
  const points: Float64Array[] = [Float64Array.from(center)];
  while (points.length < count) points.push(samplePoint(random, region, image, points.length));
  return points;
}

function samplePoint(random: Random, region: Region, image: number, style: number): Float64Array {
  const { size, kind } = region;
  const from = image * size;
  const corner = style % 3 === 0;
  if (kind === 'linf' || kind === 'box') {
    const point = Float64Array.from({ length: size }, (_, i) => {
      const [low, high] = [region.lower![from + i], region.upper![from + i]];
      if (corner) return random.uniform() < 0.5 ? low : high;
      return Math.min(Math.max(random.uniform(low, high), low), high);
    });
    return point;
  }
  const direction = directionOf(random, kind, size, style);
  const eps = region.eps[image];
  // On the border two times out of three; a little less than the whole step, for the rounding below.
  const length = eps * (1 - 1e-12) * (style % 3 === 1 ? random.uniform() ** (1 / size) : 1);
  return direction.map((d, i) => {
    const moved = region.center[from + i] + length * d;
    // Coordinates that are moved back to the range come closer to the centre, which lies in it.
    if (!region.lower || !region.upper) return moved;
    return Math.min(Math.max(moved, region.lower[from + i]), region.upper[from + i]);
  });
}

/** A vector of norm 1: a vertex or a sparse face of the ball, or any direction. */
function directionOf(random: Random, kind: 'l1' | 'l2', size: number, style: number): Float64Array {
  const sparse = style % 3 === 0;
  const direction = new Float64Array(size);
  if (sparse) {
    const entries = kind === 'l1' && style % 2 === 0 ? 1 : random.integer(1, size);
    for (let entry = 0; entry < entries; entry += 1) {
      direction[random.integer(0, size - 1)] = random.uniform() < 0.5 ? -1 : 1;
    }
  } else {
    for (let i = 0; i < size; i += 1) {
      direction[i] =
        kind === 'l1' ? Math.log(1 - random.uniform()) * (random.uniform() < 0.5 ? -1 : 1) : random.normal();
    }
  }
  const norm = kind === 'l1' ? direction.reduce((sum, d) => sum + Math.abs(d), 0) : Math.hypot(...direction);
  return direction.map((d) => d / norm);
}
