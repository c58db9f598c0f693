/** Branch and bound on the input box, for networks of few inputs. */
import type { Problem } from '../problem/problem.js';
import { type Answer, type Search, secondsLeft, timeLimit } from './solver.js';

/** Batches of boxes in one native call: a fraction of a second, after which the deadline is looked at. */
const roundsAtOnce = 64;

/**
 * Bounds boxes by CROWN, clips what stays open and bisects it, until nothing is open, a counterexample is found
 * or the deadline comes: the engine's `inputSearch`, whose candidates are judged here.
 *
 * @returns `unknown` where a box cannot be bisected any more or too many are open.
 */
export async function splitInputs(search: Search, problems: readonly Problem[]): Promise<Answer> {
  const { verifier, model, signal, assurance, accept } = search;
  const boxes = verifier.inputSearch(model, problems, { assurance });
  for (;;) {
    if (secondsLeft(search) <= 0) return { verdict: 'timeout' };
    const { state, candidates } = await boxes.advance({
      rounds: roundsAtOnce,
      timeLimit: timeLimit(search),
      signal,
    });
    for (const { problem, x } of candidates) {
      const counterexample = accept(problems[problem], x);
      if (counterexample) return { verdict: 'sat', counterexample };
    }
    if (state === 'refuted') return { verdict: 'unsat' };
    if (state !== 'open') return { verdict: 'unknown' };
  }
}
