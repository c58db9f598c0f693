import type { Arithmetic, Stored, Tensor } from '../autodiff/index.js';

/** What a step of training gave. */
export interface StepOutcome {
  readonly loss: number;
  /** Rows that were classified as labelled, of `rows`. */
  readonly correct: number;
  readonly rows: number;
}

/**
 * What the last steps gave, kept where they were computed until somebody looks: on a device a look waits for all
 * that is queued, so that it is taken every few steps; on the CPU after each.
 */
export class StepLedger {
  readonly #arithmetic: Arithmetic;
  readonly #losses: Stored;
  readonly #correct: Stored;
  #rows: number[] = [];

  constructor(arithmetic: Arithmetic) {
    this.#arithmetic = arithmetic;
    this.#losses = arithmetic.allocate(arithmetic.stepsAhead);
    this.#correct = arithmetic.allocate(arithmetic.stepsAhead);
  }

  /** Whether the next step finds no place before a look is taken. */
  get full(): boolean {
    return this.#rows.length === this.#losses.length;
  }

  /** Notes the loss of a step and how many of its rows were right, tensors of one element. */
  note(loss: Tensor, correct: Tensor, rows: number): void {
    const stretch = { from: 0, to: this.#rows.length, count: 1 };
    this.#arithmetic.copy(loss.storage, this.#losses, stretch);
    this.#arithmetic.copy(correct.storage, this.#correct, stretch);
    this.#rows.push(rows);
  }

  /** All steps since the last look, the oldest first. */
  look(): StepOutcome[] {
    const losses = this.#arithmetic.download(this.#losses);
    const correct = this.#arithmetic.download(this.#correct);
    const outcomes = this.#rows.map((rows, i) => ({ loss: losses[i], correct: correct[i], rows }));
    this.#rows = [];
    return outcomes;
  }

  /** Gives a device's memory back. */
  free(): void {
    this.#arithmetic.free(this.#losses);
    this.#arithmetic.free(this.#correct);
  }
}
