import { ShapeError } from '../errors.js';
import type { Model } from '../model/index.js';
import type { VnnLib } from '../problem/vnnlib/index.js';
import type { ProofLevel } from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';
import { solve } from './solve.js';
import type { Answer, Solver } from './solver.js';
import { replay } from './witness.js';

export interface DecideOptions {
  /** On the clock of `performance.now()`, in milliseconds; default: none. */
  deadline?: number;
  signal?: AbortSignal;
  /** Default 0. */
  seed?: number;
  /** What `unsat` is proven of; default `'real'`. */
  assurance?: ProofLevel;
  /** Default: attack, then bounds or branch and bound on the inputs. */
  solver?: Solver;
}

/**
 * Whether the model has a counterexample as the specification describes it. `sat` is only answered with
 * one that was replayed in float64, `unsat` only where proven bounds rule out all of them.
 *
 * @throws ShapeError if model and specification differ in inputs or outputs.
 * @throws AbortError if the signal fires.
 */
export async function decide(
  verifier: Verifier,
  model: Model,
  specification: VnnLib,
  { deadline = Infinity, signal, seed = 0, assurance = 'real', solver = solve }: DecideOptions = {},
): Promise<Answer> {
  const { inputSize, outputSize, problems } = specification;
  if (inputSize !== model.inputSize || outputSize !== model.outputSize) {
    throw new ShapeError(
      `the specification is about ${inputSize} inputs and ${outputSize} outputs, ` +
        `the model has ${model.inputSize} and ${model.outputSize}`,
    );
  }
  if (problems.length === 0) return { verdict: 'unsat' };
  return solver(verifier, model, problems, {
    deadline,
    seed,
    assurance,
    ...(signal ? { signal } : {}),
    accept: (problem, x) => replay(model, specification, problem, x),
  });
}
