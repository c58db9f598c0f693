/** Branch and bound on the input box, for networks of few inputs. */
import type { Model } from '../model/index.js';
import type { Problem } from '../problem/problem.js';
import { type Deadline, secondsLeft, timeLimit } from './deadline.js';
import type { ProofLevel } from './options.js';
import type { InputSearch, Verifier } from './verifier.js';

/** Batches of boxes in one native call: a fraction of a second, after which the deadline is looked at. */
const roundsAtOnce = 64;
/** Up to so many inputs, bisecting the box can beat better bounds on the whole of it. */
const mostInputsToSplit = 20;

/** Whether it can pay to bisect the inputs. */
export function hasFewInputs(model: Model): boolean {
  return model.inputSize <= mostInputsToSplit;
}

/** What the runs of one search share; `Found` is what the caller calls a counterexample. */
export interface InputSplitSearch<Found> extends Deadline {
  readonly verifier: Verifier;
  readonly model: Model;
  assurance: ProofLevel;
  /** Stops native work within 100 ms; the call then rejects with AbortError. */
  signal?: AbortSignal;
  /** The judge of candidates: the counterexample that x stands for, or undefined where it is none. */
  accept(problem: Problem, x: Float64Array): Found | undefined;
}

export interface InputSplitLimits {
  /** As that of the search, where it comes first; default: none. */
  deadline?: number;
  /** Boxes to be bounded, up to those of one native call; default: no limit. */
  most?: number;
}

/**
 * `unsat`: proven that no problem has a counterexample. `sat`: here is one. `timeout`: a deadline came first.
 * `unknown`: a box cannot be bisected any more, or too many are open or bounded. `boxes`: bounded in all.
 */
export type InputSplitAnswer<Found> = { readonly boxes: number } & (
  | { readonly verdict: 'unsat' | 'unknown' | 'timeout' }
  | { readonly verdict: 'sat'; readonly counterexample: Found }
);

/**
 * Bounds boxes by CROWN, clips what stays open and bisects it, until nothing is open, a counterexample is found
 * or a limit is reached: the engine's `inputSearch`, whose candidates are judged here.
 */
export class InputSplitter<Found> {
  readonly #search: InputSplitSearch<Found>;
  readonly #problems: readonly Problem[];
  readonly #parts: InputSearch;
  #boxes = 0;

  constructor(search: InputSplitSearch<Found>, problems: readonly Problem[]) {
    this.#search = search;
    this.#problems = problems;
    this.#parts = search.verifier.inputSearch(search.model, problems, { assurance: search.assurance });
  }

  /** Starts, or goes on where the last run ended. */
  async run(limits: InputSplitLimits = {}): Promise<InputSplitAnswer<Found>> {
    const { deadline = Infinity, most = Infinity } = limits;
    const { signal, accept } = this.#search;
    const end = { deadline: Math.min(deadline, this.#search.deadline) };
    for (;;) {
      if (secondsLeft(end) <= 0) return { verdict: 'timeout', boxes: this.#boxes };
      if (this.#boxes >= most) return { verdict: 'unknown', boxes: this.#boxes };
      const report = await this.#parts.advance({ rounds: roundsAtOnce, timeLimit: timeLimit(end), signal });
      const boxes = (this.#boxes = report.boxes);
      for (const { problem, x } of report.candidates) {
        // Of a large network every replay takes its time, and there can be hundreds.
        if (secondsLeft(this.#search) <= 0) break;
        const counterexample = accept(this.#problems[problem], x);
        if (counterexample) return { verdict: 'sat', counterexample, boxes };
      }
      if (report.state === 'refuted') return { verdict: 'unsat', boxes };
      if (report.state !== 'open') return { verdict: 'unknown', boxes };
    }
  }
}
