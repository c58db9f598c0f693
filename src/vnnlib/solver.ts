/** What a solver of problems is given and what it answers. */
import type { Model } from '../model/index.js';
import type { Problem } from '../problem/problem.js';
import type { Deadline } from '../verify/deadline.js';
import type { ProofLevel } from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';

export { secondsLeft, timeLimit } from '../verify/deadline.js';

/** A counterexample: an input, and the model's output there in float64. */
export interface Counterexample {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/**
 * `unsat`: proven that no problem has a counterexample. `sat`: here is one. `timeout`: the deadline came
 * first. `unknown`: the solver has nothing more to try.
 */
export type Answer =
  | { readonly verdict: 'unsat' | 'unknown' | 'timeout' }
  | { readonly verdict: 'sat'; readonly counterexample: Counterexample };

export interface SolveOptions extends Deadline {
  /** What an answer of `unsat` is proven of. */
  assurance: ProofLevel;
  /** Stops native work within 100 ms; the call then rejects with AbortError. */
  signal?: AbortSignal;
  /** Random starts of attacks are a function of it. */
  seed: number;
  /**
   * The judge of candidates, exact where a solver may be quick: the counterexample that x (or the point
   * that stands for it in float32) is, or undefined where it is none.
   */
  accept(problem: Problem, x: Float64Array): Counterexample | undefined;
}

/** Decides all problems together, so that they share batches: `unsat` needs every one of them. */
export type Solver = (
  verifier: Verifier,
  model: Model,
  problems: readonly Problem[],
  options: SolveOptions,
) => Promise<Answer>;

/** What the parts of one search share. */
export interface Search extends SolveOptions {
  readonly verifier: Verifier;
  readonly model: Model;
}
