import { type Stored, type Tape, Tensor } from '../autodiff/index.js';

export interface OptimiserOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Times the weight, added to the gradient: an l2 penalty, as in Adam's original form. */
  readonly weightDecay: number;
  /** Largest length of the whole gradient; longer ones are scaled down to it. 0: no limit. */
  readonly clip: number;
}

/** `decay * average + (1 - decay) * parameters`, for tensors in the order of the parameters. */
export interface MovingAverage {
  readonly parameters: readonly Tensor[];
  readonly decay: number;
}

/** Adam on weights that live outside the tape. */
export class Optimiser {
  readonly #tape: Tape;
  readonly #parameters: readonly Tensor[];
  readonly #options: OptimiserOptions;
  readonly #first: Tensor[];
  readonly #second: Tensor[];
  readonly #factor: Stored;

  constructor(tape: Tape, parameters: readonly Tensor[], options: OptimiserOptions) {
    const zeros = ({ size, shape }: Tensor): Tensor => new Tensor(tape.arithmetic.allocate(size), shape);
    this.#tape = tape;
    this.#parameters = parameters;
    this.#options = options;
    this.#first = parameters.map(zeros);
    this.#second = parameters.map(zeros);
    this.#factor = tape.arithmetic.allocate(1);
  }

  /** Both moments of every parameter: what a checkpoint keeps beside the number of steps. */
  get state(): readonly Tensor[] {
    return [...this.#first, ...this.#second];
  }

  /** Gives a device's memory back. */
  free(): void {
    const { arithmetic } = this.#tape;
    for (const array of [...this.state.map(({ storage }) => storage), this.#factor]) arithmetic.free(array);
  }

  /** One step; `count` is 1 for the first. A moving average of the parameters follows in the same pass. */
  step(gradients: readonly Tensor[], rate: number, count: number, average?: MovingAverage): void {
    const { beta1, beta2, epsilon, weightDecay, clip } = this.#options;
    const gradientScale = clip > 0 ? this.#clipFactor(gradients, clip) : 1;
    // Every property by its name: an object that is spread gets a new hidden class at each step.
    const form = { rate, beta1, beta2, epsilon, decay: weightDecay, step: count, gradientScale };
    this.#parameters.forEach(({ storage }, i) => {
      const [first, second] = [this.#first[i].storage, this.#second[i].storage];
      const kept = average && { average: average.parameters[i].storage, decay: average.decay };
      this.#tape.arithmetic.adam(gradients[i].storage, storage, first, second, form, kept);
    });
  }

  /** What takes the whole gradient to a length of at most `clip`, one number that stays where gradients are. */
  #clipFactor(gradients: readonly Tensor[], clip: number): Stored {
    const tape = this.#tape;
    tape.scope(() => {
      const squares = tape.empty([gradients.length]);
      gradients.forEach((gradient, i) => {
        const square = tape.sum(tape.square(gradient));
        tape.arithmetic.copy(square.storage, squares.storage, { from: 0, to: i, count: 1 });
      });
      tape.arithmetic.clipFactor(squares.storage, clip, this.#factor);
    });
    return this.#factor;
  }
}

/** Learning rate at `progress` (0 to 1) of the run: half a cosine from `rate` to `finalRate`. */
export function cosineRate(rate: number, finalRate: number, progress: number): number {
  return finalRate + ((rate - finalRate) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}
