import type { NativeRegion } from '../binding.js';
import { InvalidArgumentError, ShapeError } from '../errors.js';
import { sumDown, sumUp } from './rounding.js';

/** One vector. */
export type Vector = readonly number[] | Float32Array | Float64Array;
/** One vector, or one per image. */
export type Vectors = Vector | readonly Vector[];

export type RegionKind = 'l1' | 'l2' | 'linf' | 'box';
export type Norm = 'l1' | 'l2' | 'linf';

/**
 * A set of inputs for each of `count` images, in the units of the model's input. `lower` and `upper`
 * (`[count * size]`) are the ends of a box: always there for `'linf'` and `'box'`; for `'l1'` and
 * `'l2'` only where a clip range was given, and then the region is the ball intersected with the box.
 */
export interface Region {
  readonly kind: RegionKind;
  readonly count: number;
  /** Features of one image. */
  readonly size: number;
  /** `[count * size]` */
  readonly center: Float64Array;
  /** `[count]` radii; empty for `'box'`. */
  readonly eps: Float64Array;
  readonly lower?: Float64Array;
  readonly upper?: Float64Array;
}

export interface BallOptions {
  /**
   * Range of valid inputs `[lo, hi]`, each a number or one number per feature. The region is the ball
   * intersected with it, so the centre must lie inside.
   */
  clip?: readonly [number | Vector, number | Vector];
}

/**
 * The l1 ball `{x : sum |x_i - center_i| <= eps}`, intersected with the clip range if there is one.
 *
 * @param center one or several centres, `size` numbers each.
 * @param eps radius in the units of the input, one for all or one per image.
 * @throws InvalidArgumentError if eps is negative or not finite, a centre is not finite or outside the clip range.
 * @throws ShapeError if lengths do not fit together.
 */
export function ballL1(center: Vectors, eps: number | Vector, options: BallOptions = {}): Region {
  return ball('l1', center, eps, options);
}

/** The l2 ball `{x : ||x - center||_2 <= eps}`; arguments and errors as for {@link ballL1}. */
export function ballL2(center: Vectors, eps: number | Vector, options: BallOptions = {}): Region {
  return ball('l2', center, eps, options);
}

/**
 * The l-infinity ball `{x : |x_i - center_i| <= eps}`; arguments and errors as for {@link ballL1}. It is
 * kept as a box whose ends are rounded outward in float64, intersected with the clip range.
 */
export function ballLinf(center: Vectors, eps: number | Vector, options: BallOptions = {}): Region {
  return ball('linf', center, eps, options);
}

/** The ball of the given norm; see {@link ballL1}. */
export function ball(kind: Norm, center: Vectors, eps: number | Vector, options: BallOptions = {}): Region {
  const { data, count, size } = packVectors(center, 'center');
  const radii = typeof eps === 'number' ? new Float64Array(count).fill(eps) : Float64Array.from(eps);
  if (radii.length !== count)
    throw new ShapeError(`eps has ${radii.length} entries, expected one or ${count} (one per image)`);
  radii.forEach((radius, image) => {
    if (Number.isFinite(radius) && radius >= 0) return;
    throw new InvalidArgumentError(`eps of image ${image} is ${radius}, expected a finite number >= 0`);
  });
  const clip = options.clip && clipRange(options.clip, data, size);
  if (kind !== 'linf') {
    if (!clip) return Object.freeze({ kind, count, size, center: data, eps: radii });
    const lower = data.map((_, i) => clip.lower[i % size]);
    const upper = data.map((_, i) => clip.upper[i % size]);
    return Object.freeze({ kind, count, size, center: data, eps: radii, lower, upper });
  }
  const lower = data.map((x, i) => sumDown(x, -radii[Math.floor(i / size)]));
  const upper = data.map((x, i) => sumUp(x, radii[Math.floor(i / size)]));
  if (clip) {
    for (let i = 0; i < data.length; i += 1) {
      lower[i] = Math.max(lower[i], clip.lower[i % size]);
      upper[i] = Math.min(upper[i], clip.upper[i % size]);
    }
  }
  return Object.freeze({ kind, count, size, center: data, eps: radii, lower, upper });
}

/**
 * The box `{x : lower_i <= x_i <= upper_i}`; its centre is the midpoint.
 *
 * @param lower one or several vectors of lower ends.
 * @param upper as many vectors of upper ends.
 * @throws InvalidArgumentError if an end is not finite or a lower end is above its upper end.
 * @throws ShapeError if lengths do not fit together.
 */
export function box(lower: Vectors, upper: Vectors): Region {
  const low = packVectors(lower, 'lower');
  const high = packVectors(upper, 'upper');
  if (low.count !== high.count || low.size !== high.size) {
    throw new ShapeError(
      `lower is [${low.count}, ${low.size}], upper is [${high.count}, ${high.size}], expected equal shapes`,
    );
  }
  const center = low.data.map((l, i) => {
    const u = high.data[i];
    if (l > u) {
      const at = `feature ${i % low.size} of image ${Math.floor(i / low.size)}`;
      throw new InvalidArgumentError(`lower end ${l} is above upper end ${u} at ${at}`);
    }
    return Math.min(Math.max(l / 2 + u / 2, l), u);
  });
  const { count, size } = low;
  return Object.freeze({
    kind: 'box',
    count,
    size,
    center,
    eps: new Float64Array(0),
    lower: low.data,
    upper: high.data,
  });
}

/** The region of some images only. */
export function regionOf(region: Region, images: readonly number[]): Region {
  const { kind, size, eps, lower, upper } = region;
  const some = (values: Float64Array, each: number): Float64Array => {
    const out = new Float64Array(images.length * each);
    images.forEach((image, i) => out.set(values.subarray(image * each, (image + 1) * each), i * each));
    return out;
  };
  const ends = lower && upper ? { lower: some(lower, size), upper: some(upper, size) } : {};
  const radii = eps.length === 0 ? eps : some(eps, 1);
  return Object.freeze({
    kind,
    count: images.length,
    size,
    center: some(region.center, size),
    eps: radii,
    ...ends,
  });
}

/** The region as the native engine takes it: an l-infinity ball is a box with a radius there. */
export function toNativeRegion(region: Region): NativeRegion {
  const { count, center, eps, lower, upper } = region;
  const kind = region.kind === 'linf' ? 'box' : region.kind;
  const ends = lower && upper ? { lower, upper } : {};
  return region.kind === 'box' ? { kind, count, center, ...ends } : { kind, count, center, eps, ...ends };
}

function isVector(value: Vectors): value is Vector {
  return ArrayBuffer.isView(value) || typeof value[0] === 'number';
}

/** Checks one or several vectors and puts them behind each other. */
export function packVectors(
  value: Vectors,
  name: string,
): { data: Float64Array; count: number; size: number } {
  const vectors = isVector(value) ? [value] : value;
  const count = vectors.length;
  const size = vectors[0]?.length ?? 0;
  if (count === 0 || size === 0)
    throw new InvalidArgumentError(`${name} is empty, expected at least one vector of at least one number`);
  const data = new Float64Array(count * size);
  vectors.forEach((vector, image) => {
    if (vector.length !== size) {
      throw new ShapeError(
        `${name} of image ${image} has ${vector.length} numbers, that of image 0 has ${size}`,
      );
    }
    data.set(vector, image * size);
  });
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    const at = `feature ${bad % size} of image ${Math.floor(bad / size)}`;
    throw new InvalidArgumentError(`${name} has the value ${data[bad]} at ${at}, expected finite numbers`);
  }
  return { data, count, size };
}

function clipRange(clip: NonNullable<BallOptions['clip']>, center: Float64Array, size: number) {
  const [lower, upper] = clip.map((end, side) => {
    const values = typeof end === 'number' ? new Float64Array(size).fill(end) : Float64Array.from(end);
    if (values.length === size) return values;
    throw new ShapeError(
      `the ${side === 0 ? 'lower' : 'upper'} clip end has ${values.length} numbers, expected one or ${size}`,
    );
  });
  center.forEach((x, i) => {
    const feature = i % size;
    if (x >= lower[feature] && x <= upper[feature]) return;
    throw new InvalidArgumentError(
      `the centre of image ${Math.floor(i / size)} is ${x} at feature ${feature}, ` +
        `outside the clip range [${lower[feature]}, ${upper[feature]}]`,
    );
  });
  return { lower, upper };
}
