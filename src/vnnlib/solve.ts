import type { Problem } from '../problem/problem.js';
import type { MethodOptions } from '../verify/options.js';
import { attackSingleRows, descend, randomStarts } from './descent.js';
import { splitInputs } from './input-split.js';
import { refute } from './refute.js';
import { type Subproblem, whole } from './regions.js';
import { type Answer, type Counterexample, type Search, type Solver, secondsLeft } from './solver.js';

/** Up to so many inputs, bisecting the box beats better bounds on the whole of it. */
const mostInputsToSplit = 20;
/** Subproblems in one native call of the cascade. */
const batchSize = 64;

/** Bounds of growing cost, for boxes that are not split. */
const cascade: readonly MethodOptions[] = [
  { method: 'crown', boxes: 'cheap', iterations: 0 },
  { method: 'crown', boxes: 'crown', iterations: 0 },
  { method: 'joint', boxes: 'crown', iterations: 60, stopWhenProven: true },
  { method: 'joint', boxes: 'optimised', iterations: 150, stopWhenProven: true },
];

const quickAttack = { steps: 40, restarts: 1, stopWhenFalsified: true, starts: 96, descentSteps: 50 };
const strongAttack = { steps: 200, restarts: 20, stopWhenFalsified: false, starts: 128, descentSteps: 60 };
const strongRounds = 12;

/**
 * A quick attack; then, for few inputs, branch and bound on the input box, otherwise the cascade of
 * bounds and stronger attacks.
 */
export const solve: Solver = async (verifier, model, problems, options) => {
  const search: Search = { ...options, verifier, model };
  const found = await attack(search, problems, quickAttack, options.seed);
  if (found) return { verdict: 'sat', counterexample: found };
  if (model.inputSize <= mostInputsToSplit) return splitInputs(search, problems);
  const open = await boundAll(search, problems);
  if (open.length === 0) return { verdict: 'unsat' };
  const remaining = [...new Set(open.map(({ problem }) => problem))];
  return attackAgain(search, remaining);
};

/** What the whole cascade leaves open. */
async function boundAll(search: Search, problems: readonly Problem[]): Promise<Subproblem[]> {
  let open = problems.map(whole);
  for (const method of cascade) {
    const next: Subproblem[] = [];
    for (let begin = 0; begin < open.length; begin += batchSize) {
      const part = open.slice(begin, begin + batchSize);
      if (secondsLeft(search) <= 0) next.push(...part);
      else next.push(...(await refute(search, part, method)).filter((item) => item !== undefined));
    }
    open = next;
  }
  return open;
}

async function attackAgain(search: Search, problems: readonly Problem[]): Promise<Answer> {
  for (let round = 1; round <= strongRounds; round += 1) {
    if (secondsLeft(search) <= 0) return { verdict: 'timeout' };
    const found = await attack(search, problems, strongAttack, search.seed + round);
    if (found) return { verdict: 'sat', counterexample: found };
  }
  return { verdict: secondsLeft(search) <= 0 ? 'timeout' : 'unknown' };
}

async function attack(
  search: Search,
  problems: readonly Problem[],
  { starts, descentSteps, ...effort }: typeof quickAttack,
  seed: number,
): Promise<Counterexample | undefined> {
  const found = await attackSingleRows(search, problems, { ...effort, seed });
  if (found) return found;
  const points = randomStarts(problems, starts, seed);
  return points.length === 0 ? undefined : descend(search, points, { steps: descentSteps, firstStep: 0.25 });
}
