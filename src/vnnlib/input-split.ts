/** Branch and bound on the input box, for networks of few inputs. */
import type { Problem } from '../problem/problem.js';
import { type Answer, type Search, secondsLeft, timeLimit } from './solver.js';

/** Batches of boxes in one native call: a fraction of a second, after which the deadline is looked at. */
const roundsAtOnce = 64;
/** Up to so many inputs, bisecting the box beats better bounds on the whole of it. */
export const mostInputsToSplit = 20;

/**
 * Bounds boxes by CROWN, clips what stays open and bisects it, until nothing is open, a counterexample is found
 * or the deadline comes: the engine's `inputSearch`, whose candidates are judged here.
 *
 * @param most boxes to be bounded, up to those of one native call.
 * @returns the answer and how many boxes were bounded; `unknown` where a box cannot be bisected any more, or
 *   too many are open or bounded.
 */
export async function splitInputs(
  search: Search,
  problems: readonly Problem[],
  most = Infinity,
): Promise<Answer & { readonly boxes: number }> {
  const { verifier, model, signal, assurance, accept } = search;
  const parts = verifier.inputSearch(model, problems, { assurance });
  let boxes = 0;
  for (;;) {
    if (secondsLeft(search) <= 0) return { verdict: 'timeout', boxes };
    if (boxes >= most) return { verdict: 'unknown', boxes };
    const report = await parts.advance({
      rounds: roundsAtOnce,
      timeLimit: timeLimit(search),
      signal,
    });
    boxes = report.boxes;
    for (const { problem, x } of report.candidates) {
      const counterexample = accept(problems[problem], x);
      if (counterexample) return { verdict: 'sat', counterexample, boxes };
    }
    if (report.state === 'refuted') return { verdict: 'unsat', boxes };
    if (report.state !== 'open') return { verdict: 'unknown', boxes };
  }
}
