import { availableParallelism } from 'node:os';
import type {
  NativeBinding,
  NativeDevice,
  NativeBox,
  NativeEngine,
  NativeInputSearch,
  NativeInputSearchReport,
  NativeLeaf,
  NativeMultipliers,
  NativeNetwork,
  NativeNorm,
  NativeSearchLimit,
} from '../binding.js';
import { chooseDevice, cublasFile } from '../device.js';
import { InvalidArgumentError, ModelError, ShapeError } from '../errors.js';
import type { Model } from '../model/index.js';
import { loadNative } from '../native.js';
import type { Problem } from '../problem/problem.js';
import { type Region, type Vectors, packVectors, toNativeRegion } from '../problem/region.js';
import { withNegatives } from '../problem/specification.js';
import { formatShape } from '../tensor.js';
import { Calls, fromNative } from './control.js';
import { halves, negate } from './halves.js';
import { type NoiseOptions, resolveNoiseOptions } from './noise.js';
import {
  type Assurance,
  type AttackOptions,
  type BoundsOptions,
  type CallOptions,
  integer,
  oneOf,
  resolveAttackOptions,
  resolveBoundsOptions,
  resolveSearchOptions,
} from './options.js';
import { type Radii, type RadiusOptions, certifiedRadius } from './radius.js';
import { searchInRounds } from './search-rounds.js';

export interface VerifierOptions {
  /** `'auto'` takes a CUDA device where there is one, else the CPU. Default `'cpu'`. */
  device?: 'cpu' | 'cuda' | 'auto';
  /**
   * On a CUDA device, make products of linear operators (not convolutions) by NVIDIA's cuBLAS, which may be faster:
   * `true` for the system's `libcublas.so.13`, `.12` or `.11`, else its file. It chooses how it sums by the size of
   * a batch, so the last bits of a result, and what an ascent finds, may depend on what else is in the batch; what is
   * verified is proven on the CPU all the same. Default `false`: own kernels, the same bits whatever the batch.
   */
  cublas?: boolean | string;
  /** Worker threads of the engine; default: as many as the machine has cores. */
  threads?: number;
}

/** Values of the dual's free variables: slopes and ball multipliers, row by row. */
export type Multipliers = NativeMultipliers;

/** A tightened box: one bound of a pre-activation, and what proves it. */
export type BoxEvidence = NativeBox;

/** What ended the search of an image. */
export type SearchLimit = NativeSearchLimit;

/** A proven leaf of branch and bound: its splits, and multipliers that prove it. */
export type Leaf = NativeLeaf;

export interface Bounds {
  /** `[images, rows]`, the shape of `lower` and `upper`. */
  readonly shape: readonly [number, number];
  /** Sound lower bounds of `C y + d` on the region; -Infinity where nothing was proven. */
  readonly lower: Float64Array;
  /** Sound upper bounds, when asked for. */
  readonly upper?: Float64Array;
  /** `[images, rows]` ascent steps spent on each lower bound (0 with method complete). */
  readonly iterations: Int32Array;
  /** `[images]` whether the time limit cut this image short. */
  readonly timedOut: readonly boolean[];
  /** `[images, rows, features]` and `[images, rows]`: `C y + d >= slope^T x + offset` on the region. */
  readonly slope?: Float64Array;
  readonly offset?: Float64Array;
  /** The same for `C y + d <= upperSlope^T x + upperOffset`. */
  readonly upperSlope?: Float64Array;
  readonly upperOffset?: Float64Array;
  /** What proves each lower bound, when asked for. */
  readonly multipliers?: Multipliers;
  /** What the boxes of intermediate layers rely on, with the multipliers. */
  readonly boxes?: readonly BoxEvidence[];
  /** Method complete: `[images]` subproblems bounded beside the roots, those of boxes included. */
  readonly subproblems?: Float64Array;
  /** Method complete: `[images]` what ended each image's search. */
  readonly limits?: readonly SearchLimit[];
  /** Method complete with `falsify`: what its attack found; +Infinity where no row of an image is negative. */
  readonly attack?: Attack;
  /** Method complete: `[images * rows]` what proves each leaf of a proven row, when multipliers are asked for. */
  readonly leaves?: readonly (readonly Leaf[])[];
}

export interface Attack {
  /** `[images, rows]`, the shape of `value`. */
  readonly shape: readonly [number, number];
  /** Smallest value found of each row. */
  readonly value: Float64Array;
  /** `[images]` the smallest over the rows, and which row it is. */
  readonly margin: Float64Array;
  readonly row: Int32Array;
  /** `[images, features]` the input with that value, inside the region (checked in float64). */
  readonly point: Float64Array;
}

/** Name of an affine operator's last node, its sizes, and an upper bound on its spectral norm. */
export type OperatorNorm = NativeNorm;

/** Where a search on inputs stands; see {@link Verifier.inputSearch}. */
export type InputSearchReport = NativeInputSearchReport;

export interface InputSearch {
  /**
   * Goes on for at most `rounds` batches of boxes, up to the first candidates, or for `timeLimit` seconds
   * (0: no limit). One call at a time.
   *
   * @throws AbortError if the signal fires; ClosedError after the verifier's `close()`.
   */
  advance(options: CallOptions & { rounds: number; timeLimit?: number }): Promise<InputSearchReport>;
}

/**
 * Runs the native engine: bounds, attacks and radii. Work is done off the JavaScript thread; several
 * calls at once are fine and share the engine's threads. Call `close()` when done.
 */
export class Verifier {
  readonly device: 'cpu' | 'cuda';
  /** Whether cuBLAS makes products of linear operators. */
  readonly cublas: boolean;
  readonly #binding: NativeBinding;
  readonly #engine: NativeEngine;
  readonly #calls: Calls;
  /** Networks live in the engine as long as their model lives here. */
  readonly #networks = new WeakMap<Model, NativeNetwork>();
  #closing: Promise<void> | undefined;

  /**
   * @param binding the native addon; only tests pass another one.
   * @throws InvalidArgumentError if an option is out of range, or `cublas` goes with device `'cpu'`.
   * @throws DeviceError if `'cuda'` or `cublas` is asked for and there is no CUDA device, or no such library.
   * @throws NativeLoadError if the addon cannot be loaded.
   */
  constructor(options: VerifierOptions = {}, binding: NativeBinding = loadNative()) {
    const wanted = oneOf('device', options.device ?? 'cpu', ['cpu', 'cuda', 'auto']);
    const threads = integer('threads', options.threads ?? availableParallelism(), 1, 1024);
    const library = cublasFile(options.cublas);
    this.cublas = library !== undefined;
    this.device = chooseDevice(wanted, binding, this.cublas);
    this.#binding = binding;
    try {
      this.#engine = binding.createEngine({
        threads,
        device: this.device,
        ...(library !== undefined && { cublas: library }),
      });
    } catch (error) {
      throw fromNative(error);
    }
    this.#calls = new Calls(binding);
  }

  get threads(): number {
    return this.#engine.threads;
  }

  /**
   * The model's outputs.
   *
   * @param x one or several inputs of `model.inputSize` numbers.
   * @returns outputs `[images, outputs]`.
   * @throws ShapeError if an input has another length.
   * @throws InvalidArgumentError if an input is empty or not finite.
   */
  async forward(
    model: Model,
    x: Vectors,
    options: CallOptions = {},
  ): Promise<{ shape: readonly [number, number]; data: Float64Array }> {
    const { data, count, size } = packVectors(x, 'x');
    this.#checkSize(model, size, 'x');
    const network = this.#network(model);
    const y = await this.#calls.run(options, (control) =>
      this.#engine.forward(network, data, count, control),
    );
    return { shape: [count, model.outputSize], data: y };
  }

  /**
   * The class of each input: the index of its greatest output (the first of equal ones).
   *
   * @throws ModelError if an output is NaN; otherwise as {@link forward}.
   */
  async predict(model: Model, x: Vectors, options: CallOptions = {}): Promise<Int32Array> {
    const { shape, data } = await this.forward(model, x, options);
    return Int32Array.from({ length: shape[0] }, (_, image) => {
      const y = data.subarray(image * shape[1], (image + 1) * shape[1]);
      const predicted = argmax(y);
      if (predicted < 0) throw new ModelError(`the model's output for image ${image} has a NaN`);
      return predicted;
    });
  }

  /**
   * Sound bounds of the specification's rows on every region.
   *
   * Upper bounds are minus the lower bounds of the negated rows.
   *
   * @throws ShapeError if region, specification and model do not fit together.
   * @throws InvalidArgumentError if an option is out of range or the method has no meaning for the region.
   * @throws AbortError if the signal fires; ClosedError after `close()`.
   */
  async bounds(model: Model, region: Region, options: BoundsOptions): Promise<Bounds> {
    this.#checkSize(model, region.size, 'the region');
    if (options.method === 'complete') {
      const once = (part: Region, asked: BoundsOptions) => this.#search(model, part, asked);
      return searchInRounds(once, region, options, model.outputSize);
    }
    const native = resolveBoundsOptions(options, region.kind);
    if (options.upper && options.multipliers) {
      throw new InvalidArgumentError('multipliers go with lower bounds only: ask for upper bounds apart');
    }
    const asked = options.specification.resolve(region.count, model.outputSize);
    const rows = options.upper ? withNegatives(asked, model.outputSize) : asked;
    const network = this.#network(model);
    const { notes, ...result } = await this.#calls.run(options, (control) =>
      this.#engine.bounds(network, toNativeRegion(region), rows, native, control),
    );
    warn(notes);
    const shape = [region.count, asked.rowCount] as const;
    const timedOut = Array.from(result.timedOut, Boolean);
    if (!options.upper) return { ...result, shape, timedOut };
    const [lower, upper] = halves(result.lower, region.count);
    const [iterations] = halves(result.iterations, region.count);
    const both = { shape, lower, upper: negate(upper), iterations, timedOut };
    if (!result.slope || !result.offset) return both;
    const [slope, upperSlope] = halves(result.slope, region.count);
    const [offset, upperOffset] = halves(result.offset, region.count);
    return { ...both, slope, offset, upperSlope: negate(upperSlope), upperOffset: negate(upperOffset) };
  }

  /**
   * Searches each region for an input that makes a row small (projected gradient descent). What it
   * finds is an upper bound of the true minimum and proves nothing else.
   *
   * @throws as {@link bounds}.
   */
  async attack(model: Model, region: Region, options: AttackOptions): Promise<Attack> {
    this.#checkSize(model, region.size, 'the region');
    const native = resolveAttackOptions(options);
    const rows = options.specification.resolve(region.count, model.outputSize);
    const network = this.#network(model);
    const result = await this.#calls.run(options, (control) =>
      this.#engine.attack(network, toNativeRegion(region), rows, native, control),
    );
    return { ...result, shape: [region.count, rows.rowCount] };
  }

  /**
   * Upper bounds on the spectral norms of the affine operators that the engine runs, in order;
   * neighbouring affine nodes of the graph are folded into one operator.
   */
  async norms(model: Model, options: CallOptions = {}): Promise<OperatorNorm[]> {
    const network = this.#network(model);
    return this.#calls.run(options, (control) => this.#engine.norms(network, control));
  }

  /**
   * How often each class wins under Gaussian noise: the first of the greatest outputs at x + sigma g, g
   * standard normal. The noise is a function of seed, stream and the sample's number, the same for any
   * number of threads; samples and their noise are float32.
   *
   * @returns per input, the counts of the classes; where they fall short of `samples`, outputs were NaN.
   * @throws as {@link forward}; InvalidArgumentError too if `streams` has another length.
   */
  async classCounts(model: Model, x: Vectors, options: NoiseOptions): Promise<Float64Array[]> {
    const { data, count, size } = packVectors(x, 'x');
    this.#checkSize(model, size, 'x');
    const native = { ...resolveNoiseOptions(options, count), center: data };
    const network = this.#network(model);
    const counts = await this.#calls.run(options, (control) =>
      this.#engine.classCounts(network, native, control),
    );
    const width = model.outputSize + 1;
    return Array.from({ length: count }, (_, i) => counts.slice(i * width, (i + 1) * width - 1));
  }

  /**
   * Branch and bound on the inputs of networks of few of them: whether any problem's box holds a counterexample.
   * Boxes are bounded by CROWN, proven as `assurance` says, so `'refuted'` is a proof.
   *
   * @throws ShapeError if a problem does not fit the model.
   */
  inputSearch(
    model: Model,
    problems: readonly Problem[],
    { assurance }: { assurance: Exclude<Assurance, 'none'> },
  ): InputSearch {
    const network = this.#network(model);
    for (const { lower } of problems) this.#checkSize(model, lower.length, 'a problem');
    const native = problems.map(({ terms, ...problem }) => ({
      ...problem,
      terms: Int32Array.from(terms.flatMap((term) => [term.length, ...term])),
    }));
    let search: NativeInputSearch;
    try {
      search = this.#binding.createInputSearch(network, native, { assurance });
    } catch (error) {
      throw fromNative(error);
    }
    return {
      advance: (options) => {
        const { rounds, timeLimit = 0 } = options;
        return this.#calls.run(options, (control) =>
          this.#engine.advance(search, { rounds, timeLimit }, control),
        );
      },
    };
  }

  /** Certified radii around inputs; see {@link certifiedRadius}. */
  radius(model: Model, center: Vectors, options: RadiusOptions): Promise<Radii> {
    return certifiedRadius(this, model, center, options);
  }

  /** Stops what is under way, frees the engine's threads, and resolves when that is done. */
  close(): Promise<void> {
    this.#closing ??= this.#calls.stop().then(() => this.#engine.close());
    return this.#closing;
  }

  async #search(model: Model, region: Region, options: BoundsOptions): Promise<Bounds> {
    const native = resolveSearchOptions(options, region.kind);
    const rows = options.specification.resolve(region.count, model.outputSize);
    const network = this.#network(model);
    const { notes, attack, ...result } = await this.#calls.run(options, (control) =>
      this.#engine.search(network, toNativeRegion(region), rows, native, control),
    );
    warn(notes);
    const shape = [region.count, rows.rowCount] as const;
    const iterations = new Int32Array(result.lower.length);
    const timedOut = Array.from(result.timedOut, Boolean);
    return { ...result, shape, iterations, timedOut, ...(attack && { attack: { ...attack, shape } }) };
  }

  #checkSize(model: Model, size: number, what: string): void {
    if (size === model.inputSize) return;
    const takes = `${formatShape(model.inputShape)} (${model.inputSize} numbers)`;
    throw new ShapeError(`${what} has ${size} numbers for each image, the model takes ${takes}`);
  }

  #network(model: Model): NativeNetwork {
    this.#calls.checkOpen();
    const known = this.#networks.get(model);
    if (known) return known;
    try {
      const network = this.#binding.createNetwork(model.graph.nodes);
      this.#networks.set(model, network);
      return network;
    } catch (error) {
      throw fromNative(error);
    }
  }
}

/** Index of the greatest value, the first of equal ones; -1 where a value is NaN. */
export function argmax(values: Float64Array): number {
  let best = 0;
  for (let index = 0; index < values.length; index += 1) {
    if (Number.isNaN(values[index])) return -1;
    if (values[index] > values[best]) best = index;
  }
  return best;
}

/** Results are what they would be without; on a full device they only come more slowly. */
function warn(notes: readonly string[] = []): void {
  for (const note of notes) process.emitWarning(note, 'BulwarkDeviceWarning');
}

/** The devices that this machine offers, and why there is no GPU among them (empty where there is one). */
export function listDevices(binding: NativeBinding = loadNative()): {
  devices: readonly NativeDevice[];
  cudaAbsence: string;
} {
  return { devices: binding.devices(), cudaAbsence: binding.cudaAbsence() };
}
