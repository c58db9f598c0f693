/**
 * The typed face of the native addon: what `native/addon` exports, call by call. Nothing here
 * computes; `native.ts` loads the addon and returns it under this type. The arithmetic of training
 * has a face of its own, `binding-dense.ts`.
 */
import type { NativeDense } from './binding-dense.js';
import type { GraphNode } from './model/graph.js';

/** An immutable network inside the engine; freed with the JavaScript object. */
export interface NativeNetwork {
  readonly inputSize: number;
  readonly outputSize: number;
}

/** Set by `cancel()` from any time on; native work that was given the token stops within 100 ms. */
export interface NativeCancelToken {
  cancel(): void;
}

/** `n` regions of one kind. `'box'` uses lower/upper alone; a ball with lower/upper is intersected with that box. */
export interface NativeRegion {
  kind: 'box' | 'l1' | 'l2';
  /** Number of images n. */
  count: number;
  /** `[n * inputSize]` */
  center: Float64Array;
  /** `[n]`, in the units of the input; absent for a `'box'` that is no l-infinity ball. */
  eps?: Float64Array;
  /** `[n * inputSize]`; required for `'box'`, optional clip range for balls. */
  lower?: Float64Array;
  upper?: Float64Array;
}

/** Rows `C y + d` whose lower bounds are wanted, `rowCount` rows for every image. */
export interface NativeRows {
  rowCount: number;
  /** `[n * rowCount * outputSize]`, or `[rowCount * outputSize]` when `shared`. */
  c: Float64Array;
  /** `[n * rowCount]`, or `[rowCount]` when `shared`. */
  d: Float64Array;
  shared: boolean;
}

export type NativeMethod = 'ibp' | 'crown' | 'alpha-crown' | 'sdp-crown' | 'joint' | 'weighted' | 'lip';
export type NativeBoxes = 'cheap' | 'crown' | 'optimised';

/**
 * What a lower bound is proven of: nothing (`'none'`: float32 arithmetic, unproven), the network as a
 * function of real numbers (`'real'`), or also as run in IEEE float32 (`'float32'`).
 */
export type NativeAssurance = 'none' | 'real' | 'float32';

export interface NativeBoundsOptions {
  assurance: NativeAssurance;
  method: NativeMethod;
  boxes: NativeBoxes;
  /** Ascent steps for the rows asked for, and for each intermediate row when boxes are `'optimised'`. */
  iterations: number;
  boxIterations: number;
  learningRate: number;
  /** Learning-rate factor per iteration. */
  decay: number;
  /** A row leaves the batch as soon as its lower bound is positive. */
  stopWhenProven: boolean;
  /** Only images whose rows are all believed positive are proven; see `assurance`. */
  decidedOnly: boolean;
  /** Seconds for the whole call; 0 = no limit. What is proven by then is returned. */
  timeLimit: number;
  /** Also return `a`, `beta` with `C y + d >= a^T x + beta` on the region. */
  coefficients: boolean;
  /** Also return the multipliers behind each bound (not for `'lip'`). */
  multipliers: boolean;
}

/** A row `sign * z` at a pre-activation whose bound tightened a box, and what proves it. */
export interface NativeBox {
  image: number;
  /** Position among the graph's ReLU nodes. */
  relu: number;
  /** ONNX order. */
  feature: number;
  sign: number;
  /** Of the ReLUs that lead to this pre-activation, in graph order. */
  slope: Float32Array;
  lambda: Float32Array;
  inputLambda: number;
  /**
   * As of a {@link NativeLeaf}. Entries that agree in image, ReLU, feature and sign are the leaves of one tree,
   * and their smallest bound is the neuron's.
   */
  splits: Int32Array;
}

/** What proves the bounds of a call, row by row: values of the dual's free variables. */
export interface NativeMultipliers {
  /** `[n * rowCount * f]`, f = features of all ReLU nodes in graph order, each in ONNX feature order. */
  slope: Float32Array;
  /** `[n * rowCount * ReLUs]` ball multipliers, >= 0. */
  lambda: Float32Array;
  /** `[n * rowCount]` multiplier of a clipped l2 ball at the input, >= 0. */
  inputLambda: Float32Array;
}

export interface NativeBoundsResult {
  /** `[n * rowCount]` sound lower bounds (-Infinity where nothing was proven). */
  lower: Float64Array;
  /** `[n * rowCount]` ascent steps spent. */
  iterations: Int32Array;
  /** `[n]` 1 where the time limit cut this image short. */
  timedOut: Uint8Array;
  /** What the user should know of how the device was used. */
  notes?: string[];
  /** `[n * rowCount * inputSize]` and `[n * rowCount]`, when asked for. */
  slope?: Float64Array;
  offset?: Float64Array;
  multipliers?: NativeMultipliers;
  /** What the boxes relied on, in the order of their ReLUs within an image; with the multipliers. */
  boxes?: NativeBox[];
}

export interface NativeSearchOptions extends NativeBoundsOptions {
  /** Most subproblems per image. */
  subproblems: number;
  /** Most subproblems for the optimised boxes of one layer of an image. */
  boxSubproblems: number;
  /** Most MiB kept. */
  memory: number;
  /** Attack from subproblems' minimisers too, and leave an image at its first negative row. */
  falsify: boolean;
}

/**
 * What ended the search of an image: nothing (every row is decided, or its proof fell short), the time, the
 * subproblems or the memory it was given, that no neuron was left to split, or a counterexample.
 */
export type NativeSearchLimit = 'none' | 'time' | 'subproblems' | 'memory' | 'splits' | 'falsified';

/** A proven leaf of a row's tree of splits. */
export interface NativeLeaf extends NativeMultipliers {
  /** `[splits * 3]`: ReLU (in graph order), feature (ONNX order), 1 for its active side or 0. */
  splits: Int32Array;
  lower: number;
}

export interface NativeSearchResult {
  /** `[n * rowCount]` sound lower bounds: the smallest over the leaves of a row's tree. */
  lower: Float64Array;
  /** `[n]` 1 where the time limit cut this image short. */
  timedOut: Uint8Array;
  /** What the user should know of how the device was used. */
  notes?: string[];
  /** `[n]` subproblems bounded, those of boxes included. */
  subproblems: Float64Array;
  /** `[n]` */
  limits: NativeSearchLimit[];
  /** What was found, where it was to falsify; +Infinity where no row of an image is negative. */
  attack?: NativeAttackResult;
  /** `[n * rowCount]` leaves of every proven row, when multipliers are asked for. */
  leaves?: NativeLeaf[][];
  /** As in {@link NativeBoundsResult}. */
  boxes?: NativeBox[];
}

export interface NativeAttackOptions {
  steps: number;
  restarts: number;
  /** Step size as a fraction of eps (for boxes: of the half width). */
  stepSize: number;
  seed: number;
  /** Stop an image as soon as one of its rows is negative. */
  stopWhenFalsified: boolean;
  timeLimit: number;
}

export interface NativeAttackResult {
  /** `[n * rowCount]` smallest value of each row found, evaluated in float64 at a point inside the region. */
  value: Float64Array;
  /** `[n]` the smallest over rows, and its row. */
  margin: Float64Array;
  row: Int32Array;
  /** `[n * inputSize]` the point with that smallest value, inside region and clip range in float64. */
  point: Float64Array;
}

/** A question as src/problem/problem.ts has it. */
export interface NativeProblem {
  lower: Float64Array;
  upper: Float64Array;
  rowCount: number;
  c: Float64Array;
  d: Float64Array;
  /** Term after term: how many rows it has, then these. */
  terms: Int32Array;
}

/** Branch and bound on the inputs under way; see {@link NativeEngine.advance}. */
export interface NativeInputSearch {
  readonly kind?: 'inputSearch';
}

export interface NativeInputSearchReport {
  /**
   * `'refuted'`: proven that no problem has a counterexample. `'stuck'`: no open box can be bisected any more;
   * `'full'`: there are too many of them.
   */
  state: 'open' | 'refuted' | 'stuck' | 'full';
  /** Points at which a term of a problem looks true in float64. */
  candidates: { problem: number; x: Float64Array }[];
  /** Bounded so far. */
  boxes: number;
}

export interface NativeNorm {
  /** Name of the (last) node behind the operator. */
  name: string;
  inputSize: number;
  outputSize: number;
  norm: number;
}

export interface NativeNoiseOptions {
  /** `[n * inputSize]` */
  center: Float64Array;
  /** `[n]` an image's noise is a function of seed and stream. */
  streams: Int32Array;
  /** Standard deviation of the noise, rounded to float32. */
  sigma: number;
  seed: number;
  /** Samples `first` to `first + samples - 1` of each stream. */
  first: number;
  samples: number;
}

export interface NativeControl {
  cancel?: NativeCancelToken;
  /** Called on the JavaScript thread with work units done and their total. */
  onProgress?: (done: number, total: number) => void;
}

export interface NativeEngine {
  readonly threads: number;
  forward(
    network: NativeNetwork,
    x: Float64Array,
    count: number,
    control: NativeControl,
  ): Promise<Float64Array>;
  bounds(
    network: NativeNetwork,
    region: NativeRegion,
    rows: NativeRows,
    options: NativeBoundsOptions,
    control: NativeControl,
  ): Promise<NativeBoundsResult>;
  /** Branch and bound on the rows that the method's own bound leaves. */
  search(
    network: NativeNetwork,
    region: NativeRegion,
    rows: NativeRows,
    options: NativeSearchOptions,
    control: NativeControl,
  ): Promise<NativeSearchResult>;
  attack(
    network: NativeNetwork,
    region: NativeRegion,
    rows: NativeRows,
    options: NativeAttackOptions,
    control: NativeControl,
  ): Promise<NativeAttackResult>;
  /**
   * `[n * (outputSize + 1)]`: for how many noisy samples of an image each output is the greatest; the
   * last entry counts samples with a NaN among the outputs.
   */
  classCounts(
    network: NativeNetwork,
    options: NativeNoiseOptions,
    control: NativeControl,
  ): Promise<Float64Array>;
  /**
   * Upper bounds on the spectral norm of every affine operator the engine runs, in order; neighbouring
   * affine nodes are folded into one operator and share one norm.
   */
  norms(network: NativeNetwork, control: NativeControl): Promise<NativeNorm[]>;
  /**
   * Takes a search on by at most `rounds` batches of boxes, or up to the first candidates, or for `timeLimit`
   * seconds (0: no limit). One call at a time on one search.
   */
  advance(
    search: NativeInputSearch,
    options: { rounds: number; timeLimit: number },
    control: NativeControl,
  ): Promise<NativeInputSearchReport>;
  /** Frees the threads; later calls reject. */
  close(): void;
}

export interface NativeDevice {
  kind: 'cpu' | 'cuda';
  /** Of the CPU: its best instruction set. */
  name: string;
  /** Of a GPU, in bytes. */
  memory?: number;
  /** Of a GPU, e.g. `9.0`. */
  computeCapability?: string;
}

export interface NativeBinding {
  createNetwork(nodes: readonly GraphNode[]): NativeNetwork;
  /** `cublas`: on CUDA, dense products by this file's cuBLAS, or (empty) by the system's. */
  createEngine(options: { threads: number; device: 'cpu' | 'cuda'; cublas?: string }): NativeEngine;
  createInputSearch(
    network: NativeNetwork,
    problems: readonly NativeProblem[],
    options: { assurance: Exclude<NativeAssurance, 'none'> },
  ): NativeInputSearch;
  createCancelToken(): NativeCancelToken;
  createDense(options: { threads: number; device: 'cpu' | 'cuda' }): NativeDense;
  /** Instruction sets this CPU can run, best first, e.g. `['avx512', 'avx2', 'portable']`. */
  instructionSets(): string[];
  /** The CPU first, then the GPUs that can run this build's kernels. */
  devices(): NativeDevice[];
  /** Why there is no GPU among them; empty where there is one. */
  cudaAbsence(): string;
}
