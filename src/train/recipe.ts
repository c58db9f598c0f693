import type { Tape, Tensor } from '../autodiff/index.js';
import type { TrainableNetwork } from './network.js';

/** What every recipe needs to know; each of them an option of `bulwark train`. */
export interface TrainingOptions {
  readonly epochs: number;
  /** Images per step. */
  readonly batch: number;
  /** Learning rate of the first step and, by half a cosine, of the last. */
  readonly rate: number;
  readonly finalRate: number;
  /** Weight decay of Adam: an l2 penalty, added to the gradient. */
  readonly weightDecay: number;
  /** Largest length of a step's gradient; 0 for no limit. */
  readonly clip: number;
  /** Decay of the moving average of the weights, which is what is evaluated and written; 0 for none. */
  readonly ema: number;
  /** Share of a label's weight that is spread over all classes. */
  readonly smoothing: number;
  /** Images taken from the end of the training data to validate on. */
  readonly validation: number;
  /** Epochs without a better validation accuracy after which training stops, best weights kept; 0: never. */
  readonly patience: number;
  /** Moves images by up to so many pixels. */
  readonly shift: number;
}

/** Numbers of a recipe's own, by name. */
export type Settings = Readonly<Record<string, number>>;

export interface StepContext {
  readonly tape: Tape;
  readonly network: TrainableNetwork;
  /** `[rows, size]`, in tape memory. */
  readonly images: Tensor;
  readonly labels: Int32Array;
  readonly smoothing: number;
  /** Part of the run that is done, 0 to 1. */
  readonly progress: number;
  /** For random numbers of this step. */
  readonly seed: number;
}

export interface StepLoss {
  /** One element. */
  readonly loss: Tensor;
  /** Logits whose accuracy is shown, `[rows, classes]`. */
  readonly logits: Tensor;
}

/** A recipe at work on one network. */
export interface Objective {
  loss(step: StepContext): StepLoss;
  /** What it keeps from step to step beside the weights, for checkpoints. */
  readonly state: readonly Tensor[];
}

/** How a loss is made; everything else is the trainer's. docs/training.md says how to add one. */
export interface Recipe {
  readonly name: string;
  readonly summary: string;
  /** The paper's settings (Appendix C.1.2) where the recipe is the paper's. */
  readonly training: TrainingOptions;
  readonly settings: Settings;
  /** Trained first, on the same data and architecture, with its own defaults; `start` is given the result. */
  readonly teacher?: Recipe;
  start(tape: Tape, network: TrainableNetwork, settings: Settings, teacher?: TrainableNetwork): Objective;
}
