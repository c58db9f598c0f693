import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { NativeArithmetic, type NativeArithmeticOptions, Tape, type Tensor } from '../autodiff/index.js';
import { AbortError, InvalidArgumentError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';
import type { Architecture } from './architecture.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { Batches, type LabelledData, split } from './data.js';
import { accuracy, correctRows } from './evaluate.js';
import { TrainableNetwork } from './network.js';
import { Optimiser, cosineRate } from './optimiser.js';
import type { Recipe, Objective, Settings, TrainingOptions } from './recipe.js';
import { derivedSeed } from './seeds.js';
import { StepLedger } from './step-ledger.js';

/** Adam's constants, the same in every recipe. */
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

export interface TrainRequest {
  readonly recipe: Recipe;
  readonly architecture: Architecture;
  readonly data: LabelledData;
  readonly seed: number;
  /** Instead of the recipe's own. */
  readonly training?: Partial<TrainingOptions>;
  readonly settings?: Settings;
  /** Options of the recipe that the first network is trained by, where there is one. */
  readonly teacherTraining?: Partial<TrainingOptions>;
  /** Worker threads; 0 for as many as the machine has cores. The weights do not depend on it. */
  readonly threads?: number;
  /**
   * Where to compute. Weights are the same for every run on one device, and differ by rounding between devices.
   * Default `'cpu'`.
   */
  readonly device?: NativeArithmeticOptions['device'];
  /** File that is written after every epoch; with `resume`, where to go on from. */
  readonly checkpoint?: string;
  readonly resume?: boolean;
  /** Stops between two steps with an AbortError; the last epoch's checkpoint stays. */
  readonly signal?: AbortSignal;
  readonly onStep?: (progress: StepProgress) => void;
  /** All finished epochs, after each of them. */
  readonly onEpoch?: (log: readonly EpochRecord[]) => void | Promise<void>;
}

export interface StepProgress {
  readonly step: number;
  readonly steps: number;
  /** Means over the epoch so far. */
  readonly loss: number;
  readonly accuracy: number;
}

export interface EpochRecord {
  readonly epoch: number;
  readonly steps: number;
  readonly loss: number;
  /** Of the images the loss looked at (attacked ones, where the recipe attacks). */
  readonly accuracy: number;
  /** NaN-free: absent without validation images. */
  readonly validationAccuracy?: number;
  readonly rate: number;
  /** Since the run began, over all its parts. */
  readonly seconds: number;
}

export interface TrainResult {
  /** The weights to use: averaged and best where the options ask for that. */
  readonly network: TrainableNetwork;
  readonly log: readonly EpochRecord[];
  readonly training: TrainingOptions;
  readonly settings: Settings;
}

/** What a checkpoint says beside its arrays. */
interface Header {
  /** Everything that the weights depend on; a resumed run must ask for the same. */
  readonly request: string;
  readonly log: readonly EpochRecord[];
  readonly best?: number;
}

/**
 * Trains a network: batches, Adam, schedule, averaging, validation, checkpoints; the loss is the recipe's.
 * Seeds decide everything: the same request gives the same weights, stopped and resumed or not.
 *
 * @throws InvalidArgumentError where options, data and architecture do not fit, DataError for a checkpoint
 *   that cannot be read, DeviceError for a device that is not there or full, AbortError when stopped.
 */
export async function train(request: TrainRequest): Promise<TrainResult> {
  const run = new Run(request, await trainTeacher(request));
  try {
    if (request.resume) await run.restore();
    while (!run.finished) await run.epoch();
    return run.result();
  } finally {
    run.close();
  }
}

/** The network that a recipe learns from, checkpointed beside the run itself. */
async function trainTeacher(request: TrainRequest): Promise<TrainableNetwork | undefined> {
  const { teacher: recipe } = request.recipe;
  if (recipe === undefined) return undefined;
  const { architecture, data, seed, threads, device, checkpoint, resume, signal, onStep } = request;
  const own = checkpoint === undefined ? undefined : `${checkpoint}.teacher`;
  const { network } = await train({
    recipe,
    architecture,
    data,
    seed: derivedSeed(seed, 0x7eac),
    ...(threads !== undefined && { threads }),
    ...(device !== undefined && { device }),
    ...(own !== undefined && { checkpoint: own, resume: resume === true && existsSync(own) }),
    ...(request.teacherTraining && { training: request.teacherTraining }),
    ...(signal && { signal }),
    ...(onStep && { onStep }),
  });
  return network;
}

class Run {
  readonly #request: TrainRequest;
  readonly #options: TrainingOptions;
  readonly #settings: Settings;
  readonly #arithmetic: NativeArithmetic;
  readonly #tape: Tape;
  readonly #ledger: StepLedger;
  readonly #network: TrainableNetwork;
  readonly #average: TrainableNetwork | undefined;
  readonly #best: TrainableNetwork;
  readonly #optimiser: Optimiser;
  readonly #teacher: TrainableNetwork | undefined;
  readonly #objective: Objective;
  readonly #training: LabelledData;
  readonly #validation: LabelledData;
  readonly #begun = performance.now();
  #log: EpochRecord[] = [];
  #bestAccuracy = -Infinity;

  constructor(request: TrainRequest, teacher: TrainableNetwork | undefined) {
    const { recipe, architecture, data, seed, threads = 0, device = 'cpu' } = request;
    this.#request = request;
    this.#options = checkedOptions({ ...recipe.training, ...request.training });
    this.#settings = checkedSettings(recipe, request.settings ?? {});
    if (sizeOf(architecture.shapes[0]) !== data.size) {
      throw new InvalidArgumentError(
        `architecture ${architecture.text} reads ${formatShape(architecture.shapes[0])}, the images are ${formatShape(data.shape)}`,
      );
    }
    if (this.#options.shift > 0 && data.shape.length !== 3) {
      throw new InvalidArgumentError(
        `shift: data of shape ${formatShape(data.shape)} are no pictures to move`,
      );
    }
    const { training, validation } = split(data, this.#options.validation);
    this.#training = training;
    this.#validation = validation;
    const arithmetic = new NativeArithmetic({ threads, device });
    this.#arithmetic = arithmetic;
    this.#tape = new Tape(arithmetic);
    this.#ledger = new StepLedger(arithmetic);
    this.#network = new TrainableNetwork(architecture, arithmetic, seed);
    const copy = (): TrainableNetwork => new TrainableNetwork(architecture, arithmetic, seed);
    this.#average = this.#options.ema > 0 ? copy() : undefined;
    this.#best = copy();
    const { weightDecay, clip } = this.#options;
    this.#optimiser = new Optimiser(this.#tape, this.#network.parameters, { ...adam, weightDecay, clip });
    this.#teacher = this.#onHost ? teacher : teacher?.on(arithmetic);
    this.#objective = recipe.start(this.#tape, this.#network, this.#settings, this.#teacher);
  }

  get #onHost(): boolean {
    return this.#arithmetic.device === 'cpu';
  }

  get #epochs(): number {
    return this.#log.length;
  }

  /** The weights that count: their average, where one is kept. */
  get #current(): TrainableNetwork {
    return this.#average ?? this.#network;
  }

  get finished(): boolean {
    const { epochs, patience } = this.#options;
    if (this.#epochs >= epochs) return true;
    if (patience === 0) return false;
    const accuracies = this.#log.map(({ validationAccuracy = -Infinity }) => validationAccuracy);
    return this.#epochs - 1 - accuracies.indexOf(Math.max(...accuracies)) >= patience;
  }

  async epoch(): Promise<void> {
    const { seed, signal, onStep, onEpoch, checkpoint } = this.#request;
    const { epochs, batch, shift, rate, finalRate } = this.#options;
    const batches = new Batches(this.#training, { batch, shift, seed }, this.#epochs);
    const total = epochs * batches.count;
    const before = this.#log.at(-1)?.seconds ?? 0;
    const begun = this.#epochs === 0 ? this.#begun : performance.now();
    let loss = 0;
    let correct = 0;
    let seen = 0;
    let looked = 0;
    let currentRate = rate;
    for (let index = 0; index < batches.count; index++) {
      const step = this.#epochs * batches.count + index;
      currentRate = cosineRate(rate, finalRate, step / total);
      this.#step(batches, index, step, total, currentRate);
      if (this.#ledger.full || index + 1 === batches.count) {
        for (const done of this.#ledger.look()) {
          const now = this.#epochs * batches.count + ++looked;
          if (!Number.isFinite(done.loss)) throw notFinite(done.loss, now);
          loss += done.loss;
          correct += done.correct;
          seen += done.rows;
          onStep?.({ step: now, steps: total, loss: loss / looked, accuracy: correct / seen });
        }
      }
      // Lets signals, timers and the terminal through.
      if (index % 8 === 7) await setImmediate();
      if (signal?.aborted) throw new AbortError('training was stopped');
    }
    const validation =
      this.#validation.count > 0 ? accuracy(this.#tape, this.#current, this.#validation) : undefined;
    this.#log.push({
      epoch: this.#epochs + 1,
      steps: batches.count,
      loss: loss / batches.count,
      accuracy: correct / seen,
      ...(validation !== undefined && { validationAccuracy: validation }),
      rate: currentRate,
      seconds: before + (performance.now() - begun) / 1000,
    });
    if (validation !== undefined && validation > this.#bestAccuracy) {
      this.#bestAccuracy = validation;
      this.#best.copyFrom(this.#current);
    }
    if (checkpoint !== undefined) await writeCheckpoint(checkpoint, this.#snapshot());
    await onEpoch?.(this.#log);
  }

  #step(batches: Batches, index: number, step: number, total: number, rate: number): void {
    const tape = this.#tape;
    const network = this.#network;
    const { smoothing, ema } = this.#options;
    tape.scope(() => {
      const { images, labels } = batches.draw(tape, index);
      const seed = derivedSeed(this.#request.seed, 0x57e9, step);
      const context = { tape, network, images, labels, smoothing, progress: step / total, seed };
      const { loss, logits } = this.#objective.loss(context);
      // Early on the average forgets faster, so that it does not keep the random weights of the start.
      const decay = Math.min(ema, (1 + step) / (10 + step));
      const average = this.#average && { parameters: this.#average.parameters, decay };
      this.#optimiser.step(tape.grad(loss, network.parameters), rate, step + 1, average);
      this.#ledger.note(loss, correctRows(tape, logits, labels), labels.length);
    });
  }

  result(): TrainResult {
    const network = this.#options.patience > 0 ? this.#best : this.#current;
    return {
      network: this.#onHost
        ? network
        : network.on(new NativeArithmetic({ threads: this.#request.threads ?? 0 })),
      log: this.#log,
      training: this.#options,
      settings: this.#settings,
    };
  }

  /** Gives a device's memory back. */
  close(): void {
    if (this.#onHost) return;
    for (const network of [this.#network, this.#average, this.#best, this.#teacher]) network?.free();
    for (const { storage } of this.#objective.state) this.#arithmetic.free(storage);
    this.#optimiser.free();
    this.#ledger.free();
    this.#tape.close();
  }

  /** Every array that the rest of the run depends on. */
  get #arrays(): Tensor[] {
    const networks = [this.#network, ...(this.#average ? [this.#average] : []), this.#best];
    return [
      ...networks.flatMap(({ parameters }) => parameters),
      ...this.#optimiser.state,
      ...this.#objective.state,
    ];
  }

  get #identity(): string {
    const { recipe, architecture, seed } = this.#request;
    const options = { ...this.#options };
    return JSON.stringify({
      recipe: recipe.name,
      architecture: architecture.text,
      seed,
      options,
      settings: this.#settings,
      images: this.#training.count,
      ...(recipe.teacher && { teacher: this.#request.teacherTraining ?? {} }),
    });
  }

  #snapshot(): { header: Header; arrays: Float32Array[] } {
    const best = Number.isFinite(this.#bestAccuracy) ? { best: this.#bestAccuracy } : {};
    return {
      header: { request: this.#identity, log: this.#log, ...best },
      arrays: this.#arrays.map((tensor) => this.#tape.read(tensor) as Float32Array),
    };
  }

  async restore(): Promise<void> {
    const { checkpoint } = this.#request;
    if (checkpoint === undefined) throw new InvalidArgumentError('resume: no checkpoint file is named');
    const { header, arrays } = await readCheckpoint<Header>(checkpoint);
    if (header.request !== this.#identity) {
      throw new InvalidArgumentError(
        `resume: ${checkpoint} belongs to another run: ${header.request}; asked for ${this.#identity}`,
      );
    }
    const own = this.#arrays;
    if (arrays.length !== own.length || arrays.some(({ length }, i) => length !== own[i].size)) {
      throw new InvalidArgumentError(`resume: the arrays of ${checkpoint} do not fit this run`);
    }
    own.forEach(({ storage }, i) => this.#arithmetic.upload(arrays[i], storage));
    this.#log = [...header.log];
    this.#bestAccuracy = header.best ?? -Infinity;
  }
}

function notFinite(loss: number, step: number): InvalidArgumentError {
  return new InvalidArgumentError(
    `training: the loss is ${loss} at step ${step}: lower the learning rate or clip the gradient`,
  );
}

function checkedOptions(options: TrainingOptions): TrainingOptions {
  const require = (
    name: keyof TrainingOptions,
    holds: (value: number) => boolean,
    expected: string,
  ): void => {
    const value = options[name];
    if (!holds(value))
      throw new InvalidArgumentError(`training option ${name} is ${value}, expected ${expected}`);
  };
  const whole = (least: number) => (value: number) => Number.isSafeInteger(value) && value >= least;
  for (const name of ['epochs', 'batch'] as const) require(name, whole(1), 'a whole number above 0');
  for (const name of ['validation', 'patience', 'shift'] as const) require(name, whole(0), 'a whole number');
  require('rate', (value) => value > 0 && Number.isFinite(value), 'a number above 0');
  for (const name of ['finalRate', 'weightDecay', 'clip'] as const) {
    require(name, (value) => value >= 0 && Number.isFinite(value), 'a number of at least 0');
  }
  for (const name of ['ema', 'smoothing'] as const) {
    require(name, (value) => value >= 0 && value < 1, 'a number from 0 to below 1');
  }
  if (options.patience > 0 && options.validation === 0) {
    throw new InvalidArgumentError(
      'patience needs validation images: set validation above 0 or patience to 0',
    );
  }
  return options;
}

function checkedSettings(recipe: Recipe, given: Settings): Settings {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(recipe.settings, name)) {
      const known = Object.keys(recipe.settings).join(', ') || 'none';
      throw new InvalidArgumentError(
        `recipe ${recipe.name} has no setting '${name}'; its settings: ${known}`,
      );
    }
    if (!Number.isFinite(value)) {
      throw new InvalidArgumentError(`setting ${name} is ${value}, expected a finite number`);
    }
  }
  return { ...recipe.settings, ...given };
}
