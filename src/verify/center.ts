/**
 * Where in a domain the certified radius is largest (Appendix A.3 of the closed-form radius paper): affine
 * bounds `a_j^T x + beta_j <= s_j(x)` on a box [L, U] stay fixed, the centre c and the radius r are free.
 * By Proposition B.9 the bounds keep s_j positive on the l_p ball around c as long as `a_j^T c + beta_j >=
 * r ||a_j||_dual`, and the ball lies in the box as long as `L + r <= c <= U - r`, for every p >= 1: with
 * the a_j fixed both are linear in (c, r) whatever the norm, so the best centre is a linear program.
 */
import { ConvexProgram } from '../convex-program.js';
import { InvalidArgumentError, ShapeError } from '../errors.js';
import type { Model } from '../model/index.js';
import type { Norm, Region } from '../problem/region.js';
import { type Affine, borderDistance, dualNorm, lowerRadius } from './closed-form.js';
import type { BoundsOptions } from './options.js';
import type { Verifier } from './verifier.js';

/** A box of inputs; the region's affine bounds hold on all of it. */
export interface Domain {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

export interface OptimalCenter {
  readonly center: Float64Array;
  /**
   * `closedFormRadius` at the centre, so whatever the solver's tolerances the bounds do give it; 0 where
   * they certify no point of the domain.
   */
  readonly radius: number;
}

/**
 * The largest l_p ball around `center` inside the domain on which the bounds keep every row positive:
 * `lowerRadius` (Theorem B.4), smallest over the rows.
 */
export function closedFormRadius(
  bounds: readonly Affine[],
  { lower, upper }: Domain,
  center: Float64Array,
  norm: Norm,
): number {
  const border = Math.max(0, borderDistance(center, lower, upper));
  return bounds.reduce((least, bound) => Math.min(least, lowerRadius(bound, center, norm, border)), border);
}

/**
 * The centre in the domain with the largest `closedFormRadius`.
 *
 * @param bounds lower affine bounds that hold on the domain, one per row that must stay positive.
 * @throws ShapeError if sizes differ; InvalidArgumentError if the domain is not finite or is empty;
 *   SolverError if the linear program is not solved.
 */
export async function optimalCenter(
  bounds: readonly Affine[],
  domain: Domain,
  norm: Norm,
): Promise<OptimalCenter> {
  const { lower, upper } = domain;
  check(bounds, domain);
  const middle = lower.map((low, i) => low + (upper[i] - low) / 2);
  const norms = bounds.map(({ slope }) => dualNorm(slope, norm));
  if (bounds.some(({ offset }, j) => norms[j] === 0 && !(offset > 0))) return { center: middle, radius: 0 };

  const program = new ConvexProgram();
  // Negative where no centre is certified: how far the best one falls short.
  const radius = program.variable({ cost: -1 });
  const center = Array.from(lower, (low, i) => program.variable({ lower: low, upper: upper[i] }));
  center.forEach((c, i) => {
    program.row(
      [
        [c, 1],
        [radius, -1],
      ],
      lower[i],
      Infinity,
    );
    program.row(
      [
        [c, 1],
        [radius, 1],
      ],
      -Infinity,
      upper[i],
    );
  });
  bounds.forEach(({ slope, offset }, j) => {
    if (norms[j] === 0) return;
    const terms = center.map((c, i) => [c, slope[i] / norms[j]] as const);
    program.row([...terms, [radius, -1]], -offset / norms[j], Infinity);
  });
  const { x } = await program.minimise();
  const found = middle.map((_, i) => Math.min(upper[i], Math.max(lower[i], x[center[i]])));
  return { center: found, radius: closedFormRadius(bounds, domain, found, norm) };
}

function check(bounds: readonly Affine[], { lower, upper }: Domain): void {
  if (upper.length !== lower.length) {
    throw new ShapeError(
      `the domain has ${lower.length} lower and ${upper.length} upper ends, expected as many`,
    );
  }
  lower.forEach((low, i) => {
    if (Number.isFinite(low) && Number.isFinite(upper[i]) && low <= upper[i]) return;
    throw new InvalidArgumentError(
      `the domain is [${low}, ${upper[i]}] at feature ${i}, expected finite numbers in order`,
    );
  });
  bounds.forEach(({ slope }, j) => {
    if (slope.length === lower.length) return;
    throw new ShapeError(`bound ${j} has ${slope.length} slopes, the domain has ${lower.length} features`);
  });
}

export interface CenterOptions extends Omit<BoundsOptions, 'upper' | 'coefficients' | 'multipliers'> {
  /** Of the ball around the centre. */
  norm: Norm;
}

export interface CertifiedCenter extends OptimalCenter {
  /** `closedFormRadius`, by the same bounds, at the centre that was given with the region. */
  readonly radiusBefore: number;
}

/**
 * `optimalCenter` of every box, by the engine's affine bounds on it, which are proven at the `assurance` asked
 * for. `Verifier.radius` may prove more around the centre found, by bounds on the ball itself.
 *
 * @param region boxes of inputs: of `box` or `ballLinf`.
 * @throws InvalidArgumentError for another region; otherwise as `Verifier.bounds` and `optimalCenter`.
 */
export async function certifiedCenters(
  verifier: Verifier,
  model: Model,
  region: Region,
  { norm, ...options }: CenterOptions,
): Promise<CertifiedCenter[]> {
  const { kind, count, center, lower, upper } = region;
  if (kind === 'l1' || kind === 'l2' || !lower || !upper) {
    throw new InvalidArgumentError(`the region is of kind '${kind}', expected 'box' or 'linf'`);
  }
  const { slope, offset, shape } = await verifier.bounds(model, region, { ...options, coefficients: true });
  if (!slope || !offset) throw new InvalidArgumentError(`method ${options.method} gives no affine bounds`);
  const size = model.inputSize;
  const found: CertifiedCenter[] = [];
  for (let image = 0; image < count; image += 1) {
    const part = (values: Float64Array): Float64Array => values.subarray(image * size, (image + 1) * size);
    const bounds = Array.from({ length: shape[1] }, (_, row) => {
      const at = image * shape[1] + row;
      return { slope: slope.subarray(at * size, (at + 1) * size), offset: offset[at] };
    });
    const domain = { lower: part(lower), upper: part(upper) };
    found.push({
      ...(await optimalCenter(bounds, domain, norm)),
      radiusBefore: closedFormRadius(bounds, domain, part(center), norm),
    });
  }
  return found;
}
