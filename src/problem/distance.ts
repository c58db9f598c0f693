import type { Norm } from './region.js';
import { nextUp, sumUp } from './rounding.js';

/** At least the distance of two points in a norm, every step rounded up. */
export function distanceUp(norm: Norm, x: Float64Array, y: Float64Array): number {
  const away = x.map((value, i) => Math.max(0, sumUp(value, -y[i]), sumUp(y[i], -value)));
  if (norm === 'linf') return away.reduce((greatest, each) => Math.max(greatest, each), 0);
  if (norm === 'l1') return away.reduce((sum, each) => sumUp(sum, each), 0);
  const square = away.reduce((sum, each) => (each === 0 ? sum : sumUp(sum, nextUp(each * each))), 0);
  return square === 0 ? 0 : nextUp(Math.sqrt(square));
}
