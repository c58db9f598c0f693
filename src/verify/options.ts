import type {
  NativeAssurance,
  NativeAttackOptions,
  NativeBoundsOptions,
  NativeBoxes,
  NativeMethod,
  NativeSearchOptions,
} from '../binding.js';
import { InvalidArgumentError } from '../errors.js';
import type { RegionKind } from '../problem/region.js';
import type { Specification } from '../problem/specification.js';

/**
 * Restrictions of the one dual; `'lip'` is the product of norms, `'weighted'` is joint followed by an ascent with
 * ball multipliers per neuron (l2 balls, assurance `'real'` or `'float32'`, bounds only), `'complete'` is joint
 * followed by branch and bound on the rows that it leaves open. `Verifier.bounds` then splits ReLUs, whatever the
 * region: every row has a bound of its own, proven or not. `radius` and `certify` only have to decide whether all
 * rows are positive, and split the inputs instead where these are few and no multipliers are asked for: that
 * proves all rows of an image together, above a number next to 0, or none.
 */
export type Method = NativeMethod | 'complete';
/** How the pre-activation boxes of the layers before the last are made. */
export type Boxes = NativeBoxes;

/**
 * - `'none'`: the float32 engine's own result; rounding may have moved it past the true bound.
 * - `'real'`: proven for the network as a function of real numbers, all rounding enclosed.
 * - `'float32'`: proven also for the network run in IEEE float32, in any order of summation, with or
 *   without fused multiply-add.
 */
export type Assurance = NativeAssurance;
/** What something is proven of; see {@link Assurance}. */
export type ProofLevel = Exclude<Assurance, 'none'>;

export const assurances: readonly Assurance[] = ['none', 'real', 'float32'];
export const methods: readonly Method[] = [
  'ibp',
  'crown',
  'alpha-crown',
  'sdp-crown',
  'joint',
  'weighted',
  'lip',
  'complete',
];
export const boxKinds: readonly Boxes[] = ['cheap', 'crown', 'optimised'];

/** What every call of a `Verifier` takes. */
export interface CallOptions {
  /** Stops the native work within 100 ms; the call rejects with AbortError. */
  signal?: AbortSignal;
  /** Called now and then with the units of work done and their total. */
  onProgress?: (done: number, total: number) => void;
}

/** How bounds are computed. */
export interface MethodOptions {
  /** Default `'joint'`. */
  method?: Method;
  /**
   * Default: `'optimised'` for alpha-crown; `'crown'` for crown, and for regions other than l2 balls,
   * whose cheap boxes are interval bounds alone; otherwise `'cheap'`. Method complete starts on these, and searches
   * what 32 subproblems leave open again on `'optimised'` ones.
   */
  boxes?: Boxes;
  /** Ascent steps for the rows asked for; default 150. */
  iterations?: number;
  /** Ascent steps for each intermediate row when boxes are `'optimised'`; default 20. */
  boxIterations?: number;
  /** Of Adam on the slopes; default 0.1. */
  learningRate?: number;
  /** Learning-rate factor per step; default 0.985. */
  decay?: number;
  /** Method complete: most subproblems per image; default 100,000. */
  subproblems?: number;
  /**
   * Method complete with optimised boxes: most subproblems for the boxes of one layer of an image, whose
   * neurons of open sign share them, for a search of their own each; default 0, no such searches.
   */
  boxSubproblems?: number;
  /**
   * Method complete: most MiB for open subproblems, which start afresh where only three quarters of it would
   * be left to others, and for what proves leaves; an image that finds no room stays undecided. Default 1024.
   */
  memory?: number;
  /**
   * Method complete: also attack from where subproblems' relaxations are least, and leave an image once one of
   * its rows is negative at a point of the region; default false.
   */
  falsify?: boolean;
  /** Leave a row as it is once its lower bound is positive; default false. */
  stopWhenProven?: boolean;
  /** Seconds for the whole call, 0 (the default) for no limit; what is proven by then is returned. */
  timeLimit?: number;
  /**
   * What bounds are proven of, affine ones too, see {@link Assurance}; default `'real'`.
   */
  assurance?: Assurance;
  /**
   * Prove an image only if every one of its rows is believed to be positive; the rows of others are
   * -Infinity. For callers who want the verdict and have bounds already; default false. Nothing to
   * assurance `'none'`.
   */
  decidedOnly?: boolean;
}

export interface BoundsOptions extends MethodOptions, CallOptions {
  /** The rows to bound: `margins(label)`, `outputs()` or `rows(C, d)`. */
  specification: Specification;
  /** Upper bounds too (twice the work); default false. */
  upper?: boolean;
  /** Affine bounds `slope^T x + offset` on the region too; default false. */
  coefficients?: boolean;
  /** What proves each bound too: slopes and ball multipliers of the dual (not for lip); default false. */
  multipliers?: boolean;
}

export interface AttackOptions extends CallOptions {
  /** The rows to make small; usually `margins(label)`. */
  specification: Specification;
  /** Default 20. */
  steps?: number;
  /** Random starts beside the centre, shared by the two most promising rows of an image; default 24. */
  restarts?: number;
  /** First step as a fraction of eps (of the half width for a box); default 1. */
  stepSize?: number;
  /** The random starts are a function of it; default 0. */
  seed?: number;
  /** Leave an image once one of its rows is negative; default false. */
  stopWhenFalsified?: boolean;
  /** Seconds for the whole call, 0 (the default) for no limit. */
  timeLimit?: number;
}

/** @throws InvalidArgumentError naming the option, what was given and what it takes. */
export function resolveBoundsOptions(
  options: MethodOptions & { coefficients?: boolean; multipliers?: boolean },
  kind: RegionKind,
): NativeBoundsOptions {
  const asked = oneOf('method', options.method ?? 'joint', methods);
  // Branch and bound starts from joint bounds and splits under them.
  const method = asked === 'complete' ? 'joint' : asked;
  if (method === 'weighted') checkWeighted(options, kind);
  return {
    method,
    boxes: oneOf('boxes', options.boxes ?? defaultBoxes(method, kind), boxKinds),
    iterations: integer('iterations', options.iterations ?? 150, 0),
    boxIterations: integer('boxIterations', options.boxIterations ?? 20, 0),
    learningRate: positive('learningRate', options.learningRate ?? 0.1),
    decay: positive('decay', options.decay ?? 0.985),
    stopWhenProven: options.stopWhenProven ?? false,
    timeLimit: seconds('timeLimit', options.timeLimit ?? 0),
    coefficients: options.coefficients ?? false,
    multipliers: options.multipliers ?? false,
    assurance: oneOf('assurance', options.assurance ?? 'real', assurances),
    decidedOnly: options.decidedOnly ?? false,
  };
}

/**
 * @throws InvalidArgumentError for what a decision does not give: upper bounds and affine bounds; otherwise
 *   as {@link resolveBoundsOptions}.
 */
export function resolveSearchOptions(options: BoundsOptions, kind: RegionKind): NativeSearchOptions {
  if (options.upper || options.coefficients) {
    const what = options.upper ? 'upper' : 'coefficients';
    throw new InvalidArgumentError(`${what} does not go with method 'complete', which decides lower > 0`);
  }
  return {
    ...resolveBoundsOptions(options, kind),
    ...resolveSearchLimits(options),
    falsify: options.falsify ?? false,
  };
}

/** @throws InvalidArgumentError naming the option, what was given and what it takes. */
export function resolveSearchLimits({
  subproblems = 100_000,
  boxSubproblems = 0,
  memory = 1024,
}: Pick<MethodOptions, 'subproblems' | 'boxSubproblems' | 'memory'>) {
  return {
    subproblems: integer('subproblems', subproblems, 0),
    boxSubproblems: integer('boxSubproblems', boxSubproblems, 0),
    memory: integer('memory', memory, 0),
  };
}

/** @throws InvalidArgumentError naming the option, what was given and what it takes. */
export function resolveAttackOptions(options: AttackOptions): NativeAttackOptions {
  return {
    steps: integer('steps', options.steps ?? 20, 0),
    restarts: integer('restarts', options.restarts ?? 24, 0),
    stepSize: positive('stepSize', options.stepSize ?? 1),
    seed: integer('seed', options.seed ?? 0, 0),
    stopWhenFalsified: options.stopWhenFalsified ?? false,
    timeLimit: seconds('timeLimit', options.timeLimit ?? 0),
  };
}

/** Weights per neuron are found as they are proven, and have no place yet in what else a call returns. */
function checkWeighted(
  { assurance, coefficients, multipliers }: MethodOptions & { coefficients?: boolean; multipliers?: boolean },
  kind: RegionKind,
): void {
  if (kind !== 'l2') {
    throw new InvalidArgumentError(`method 'weighted' is for l2 balls, the region is of kind '${kind}'`);
  }
  if (assurance === 'none') {
    throw new InvalidArgumentError(
      "method 'weighted' only gives proven bounds: assurance is 'none', expected 'real' or 'float32'",
    );
  }
  if (coefficients || multipliers) {
    const what = multipliers ? 'multipliers (nor certificates)' : 'coefficients';
    throw new InvalidArgumentError(`${what} cannot be had with method 'weighted', which gives bounds alone`);
  }
}

function defaultBoxes(method: Method, kind: RegionKind): Boxes {
  if (method === 'alpha-crown') return 'optimised';
  return method === 'crown' || kind !== 'l2' ? 'crown' : 'cheap';
}

export function integer(name: string, value: number, least: number, most = 2 ** 31 - 1): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`${name} is ${value}, expected an integer from ${least} to ${most}`);
}

export function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError(`${name} is ${value}, expected a finite number > 0`);
}

export function seconds(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError(`${name} is ${value}, expected a finite number of seconds >= 0`);
}

export function oneOf<T extends string>(name: string, value: T, accepted: readonly T[]): T {
  if (accepted.includes(value)) return value;
  throw new InvalidArgumentError(`${name} is '${value}', expected one of ${accepted.join(', ')}`);
}
