import { type Tape, Tensor } from '../autodiff/index.js';

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

  constructor(tape: Tape, parameters: readonly Tensor[], options: OptimiserOptions) {
    const zeros = ({ size, shape }: Tensor): Tensor => new Tensor(tape.arithmetic.allocate(size), shape);
    this.#tape = tape;
    this.#parameters = parameters;
    this.#options = options;
    this.#first = parameters.map(zeros);
    this.#second = parameters.map(zeros);
  }

  /** Both moments of every parameter: what a checkpoint keeps beside the number of steps. */
  get state(): readonly Tensor[] {
    return [...this.#first, ...this.#second];
  }

  /** One step; `count` is 1 for the first. A moving average of the parameters follows in the same pass. */
  step(gradients: readonly Tensor[], rate: number, count: number, average?: MovingAverage): void {
    const { beta1, beta2, epsilon, weightDecay, clip } = this.#options;
    const gradientScale = clip > 0 ? Math.min(1, clip / this.#length(gradients)) : 1;
    // Every property by its name: an object that is spread gets a new hidden class at each step.
    const form = { rate, beta1, beta2, epsilon, decay: weightDecay, step: count, gradientScale };
    this.#parameters.forEach(({ data }, i) => {
      const [first, second] = [this.#first[i].data, this.#second[i].data];
      const kept = average && { average: average.parameters[i].data, decay: average.decay };
      this.#tape.arithmetic.adam(gradients[i].data, data, first, second, form, kept);
    });
  }

  #length(gradients: readonly Tensor[]): number {
    const total = this.#tape.scope(() =>
      gradients.reduce((sum, gradient) => sum + this.#tape.sum(this.#tape.square(gradient)).item(), 0),
    );
    return Math.sqrt(total);
  }
}

/** Learning rate at `progress` (0 to 1) of the run: half a cosine from `rate` to `finalRate`. */
export function cosineRate(rate: number, finalRate: number, progress: number): number {
  return finalRate + ((rate - finalRate) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}
