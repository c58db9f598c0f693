import type { NativeRows } from '../binding.js';
import { distanceUp } from '../problem/distance.js';
import {
  type BallOptions,
  type Norm,
  type Region,
  type Vectors,
  ball,
  packVectors,
} from '../problem/region.js';
import { type Specification, forImages } from '../problem/specification.js';
import type { Model } from '../model/index.js';
import { lowerRadius, upperRadius } from './closed-form.js';
import { secondsLeft, timeLimit } from './deadline.js';
import { decideByInputs, decidesByInputs } from './input-decision.js';
import {
  type BoundsOptions,
  type CallOptions,
  type Method,
  type MethodOptions,
  type ProofLevel,
  oneOf,
  positive,
  resolveSearchOptions,
  seconds,
} from './options.js';
import type { Bounds, Verifier } from './verifier.js';

export interface RadiusOptions extends MethodOptions, CallOptions {
  /** Norm of the ball. */
  norm: Norm;
  /** The rows that must stay positive; usually `margins(labels)`. */
  specification: Specification;
  /** Only inputs in this range count, see {@link BallOptions}. */
  clip?: BallOptions['clip'];
  /** The search ends when proven and unproven radius are this close; default 1e-3, in the units of the input. */
  tolerance?: number;
  /** No radius above this is looked at; default 1e6. */
  max?: number;
}

export interface Radii {
  /** `[images]` largest radius proven: every row is positive on the ball. 0 where a row is not positive at the centre. */
  readonly lower: Float64Array;
  /**
   * `[images]` a radius at which some row is not positive, from the affine upper bounds or a counterexample;
   * Infinity where none is known.
   */
  readonly upper: Float64Array;
  /** `[images]` bounds computed for each. */
  readonly evaluations: Int32Array;
}

/** Methods at least as tight as CROWN; the opening bracket may use CROWN for them. */
const aboveCrown: readonly Method[] = ['crown', 'alpha-crown', 'sdp-crown', 'joint'];

/** The first domain is so many tolerances wide, and grows by the factor while it is proven. */
const firstTolerances = 64;
const growth = 4;

/**
 * The largest ball around each centre on which the method proves all rows positive, to a tolerance.
 *
 * The closed forms of Theorem 3.1 / B.4, applied to CROWN's affine bounds on growing domains, open the
 * bracket: `r_LB` is within reach, `r_UB` is not. Bisection with the chosen method closes it, each step with
 * the closed form of its own affine bounds too. Only what is proven at the assurance asked for counts.
 *
 * Method complete only has to decide each ball: where inputs are few and balls are l-infinity ones, it bisects the
 * inputs. Without assurance it splits ReLUs. Either way a counterexample ends a step at once.
 *
 * @param center one or several inputs.
 * @throws as `Verifier.bounds`.
 */
export async function certifiedRadius(
  verifier: Verifier,
  model: Model,
  center: Vectors,
  options: RadiusOptions,
): Promise<Radii> {
  const search = new RadiusSearch(verifier, model, center, options);
  await search.open();
  await search.close();
  return search.result();
}

class RadiusSearch {
  readonly #verifier: Verifier;
  readonly #model: Model;
  readonly #options: RadiusOptions;
  readonly #centers: Float64Array[];
  readonly #rows: NativeRows;
  readonly #tolerance: number;
  readonly #max: number;
  readonly #deadline: number;
  readonly #closedForm: boolean;
  /** Where balls are decided by splits of inputs: what that proves, and most boxes for each. */
  readonly #inputs: { readonly assurance: ProofLevel; readonly most: number } | undefined;
  /** Proven radius, smallest radius that was tried in vain, and smallest radius known to be wrong. */
  readonly #proven: Float64Array;
  readonly #failed: Float64Array;
  readonly #refuted: Float64Array;
  readonly #evaluations: Int32Array;

  constructor(verifier: Verifier, model: Model, center: Vectors, options: RadiusOptions) {
    const { data, count, size } = packVectors(center, 'center');
    this.#verifier = verifier;
    this.#model = model;
    this.#options = options;
    oneOf('norm', options.norm, ['l1', 'l2', 'linf']);
    this.#tolerance = positive('tolerance', options.tolerance ?? 1e-3);
    this.#max = positive('max', options.max ?? 1e6);
    const limit = seconds('timeLimit', options.timeLimit ?? 0);
    this.#deadline = limit > 0 ? performance.now() + 1000 * limit : Infinity;
    this.#closedForm = aboveCrown.includes(options.method ?? 'joint');
    if (options.method === 'complete') {
      const { assurance, subproblems } = resolveSearchOptions(options, options.norm);
      if (decidesByInputs(model, options.norm, assurance)) this.#inputs = { assurance, most: subproblems };
    }
    this.#centers = Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
    this.#rows = options.specification.resolve(count, model.outputSize);
    this.#proven = new Float64Array(count);
    this.#failed = new Float64Array(count).fill(Infinity);
    this.#refuted = new Float64Array(count).fill(Infinity);
    this.#evaluations = new Int32Array(count);
  }

  /** The opening bracket: images that are wrong at the centre leave, the closed forms fill the rest in. */
  async open(): Promise<void> {
    await this.#checkCenters();
    if (!this.#closedForm) return;
    let domain = Math.min(this.#max, firstTolerances * this.#tolerance);
    let images = this.#undecided();
    while (images.length > 0 && domain > 0 && this.#timeLeft()) {
      const radii = images.map(() => domain);
      await this.#evaluate(images, radii, {
        method: 'crown',
        assurance: this.#options.assurance,
        boxes: this.#options.norm === 'l2' ? 'cheap' : 'crown',
        coefficients: true,
        upper: true,
      });
      images = images.filter((image) => this.#proven[image] >= domain && this.#refuted[image] > domain);
      if (domain >= this.#max) break;
      domain = Math.min(this.#max, domain * growth);
    }
    // A radius that CROWN could not prove may still be proven by the method asked for.
    this.#failed.fill(Infinity);
  }

  /** Gallops to the first radius that the method cannot prove, then bisects. */
  async close(): Promise<void> {
    const first = Math.min(this.#max, firstTolerances * this.#tolerance);
    for (let images = this.#undecided(); images.length > 0 && this.#timeLeft(); images = this.#undecided()) {
      const radii = images.map((image) => {
        const proven = this.#proven[image];
        const ceiling = Math.min(this.#failed[image], this.#refuted[image]);
        return ceiling < Infinity ? (proven + ceiling) / 2 : Math.min(this.#max, Math.max(first, 2 * proven));
      });
      if (this.#inputs) await this.#decide(images, radii, this.#inputs);
      else {
        await this.#evaluate(images, radii, {
          ...this.#options,
          coefficients: this.#closedForm,
          upper: false,
          falsify: true,
        });
      }
    }
  }

  result(): Radii {
    return { lower: this.#proven, upper: this.#refuted, evaluations: this.#evaluations };
  }

  /** The images whose bracket is still too wide, or has no upper end yet. */
  #undecided(): number[] {
    return Array.from(this.#proven.keys()).filter((image) => {
      const proven = this.#proven[image];
      const ceiling = Math.min(this.#failed[image], this.#refuted[image]);
      if (ceiling === Infinity) return proven < this.#max;
      const middle = (proven + ceiling) / 2;
      return ceiling - proven > this.#tolerance && middle > proven && middle < ceiling;
    });
  }

  #timeLeft(): boolean {
    return secondsLeft({ deadline: this.#deadline }) > 0;
  }

  async #checkCenters(): Promise<void> {
    const { data, shape } = await this.#verifier.forward(this.#model, this.#centers, {
      signal: this.#options.signal,
    });
    const { rowCount, c, d, shared } = this.#rows;
    for (let image = 0; image < shape[0]; image += 1) {
      const y = data.subarray(image * shape[1], (image + 1) * shape[1]);
      for (let row = 0; row < rowCount; row += 1) {
        const at = shared ? row : image * rowCount + row;
        const value = y.reduce((sum, output, j) => sum + c[at * y.length + j] * output, d[at]);
        if (!(value > 0)) this.#refuted[image] = 0;
      }
    }
  }

  async #evaluate(
    images: readonly number[],
    radii: number[],
    method: Omit<BoundsOptions, 'specification'>,
  ): Promise<void> {
    const bounds = await this.#verifier.bounds(this.#model, this.#balls(images, radii), {
      ...method,
      specification: forImages(this.#rows, images, this.#model.outputSize),
      stopWhenProven: true,
      timeLimit: timeLimit({ deadline: this.#deadline }),
      signal: this.#options.signal,
      onProgress: undefined,
    });
    images.forEach((image, index) => {
      this.#evaluations[image] += 1;
      this.#learn(image, bounds, index, radii[index]);
    });
    this.#report();
  }

  #balls(images: readonly number[], radii: number[]): Region {
    const { norm, clip } = this.#options;
    const centers = images.map((image) => this.#centers[image]);
    return ball(norm, centers, radii, clip ? { clip } : {});
  }

  #report(): void {
    this.#options.onProgress?.(this.#proven.length - this.#undecided().length, this.#proven.length);
  }

  async #decide(
    images: readonly number[],
    radii: readonly number[],
    { assurance, most }: { assurance: ProofLevel; most: number },
  ): Promise<void> {
    const { signal } = this.#options;
    const search = {
      verifier: this.#verifier,
      model: this.#model,
      assurance,
      signal,
      deadline: this.#deadline,
    };
    for (const [index, image] of images.entries()) {
      if (!this.#timeLeft()) return;
      const radius = radii[index];
      const rows = forImages(this.#rows, [image], this.#model.outputSize).resolve(1, this.#model.outputSize);
      const found = await decideByInputs(search, this.#balls([image], [radius]), rows, most);
      this.#evaluations[image] += 1;
      if (found.lower) this.#proven[image] = radius;
      else if (found.counterexample) {
        this.#refute(image, radius, found.counterexample.x);
      } else this.#failed[image] = radius;
      this.#report();
    }
  }

  /** A counterexample in the ball of this radius, perhaps well inside. */
  #refute(image: number, radius: number, x: Float64Array): void {
    const away = distanceUp(this.#options.norm, x, this.#centers[image]);
    this.#refuted[image] = Math.min(this.#refuted[image], radius, away);
  }

  /** Takes what bounds on the ball of this radius say about the image: proven there, or how far inside. */
  #learn(image: number, bounds: Bounds, index: number, radius: number): void {
    const rowCount = bounds.shape[1];
    const center = this.#centers[image];
    const { norm } = this.#options;
    let allPositive = true;
    let nearest = radius;
    if (bounds.attack && bounds.attack.margin[index] < 0) {
      this.#refute(
        image,
        radius,
        bounds.attack.point.subarray(index * center.length, (index + 1) * center.length),
      );
    }
    for (let at = index * rowCount; at < (index + 1) * rowCount; at += 1) {
      const span = [at * center.length, (at + 1) * center.length] as const;
      const proven = bounds.lower[at] > 0;
      if (!proven) {
        allPositive = false;
        const affine = bounds.slope &&
          bounds.offset && { slope: bounds.slope.subarray(...span), offset: bounds.offset[at] };
        nearest = Math.min(nearest, affine ? lowerRadius(affine, center, norm, radius) : 0);
      }
      if (bounds.upperSlope && bounds.upperOffset) {
        const affine = { slope: bounds.upperSlope.subarray(...span), offset: bounds.upperOffset[at] };
        this.#refuted[image] = Math.min(this.#refuted[image], upperRadius(affine, center, norm, radius));
      }
    }
    if (allPositive) this.#proven[image] = Math.max(this.#proven[image], radius);
    else {
      this.#failed[image] = Math.min(this.#failed[image], radius);
      this.#proven[image] = Math.max(this.#proven[image], nearest);
    }
  }
}
