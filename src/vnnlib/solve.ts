import type { Problem } from '../problem/problem.js';
import { attackSingleRows, descend, randomStarts } from './descent.js';
import { mostInputsToSplit, splitInputs } from './input-split.js';
import { type Effort, type OpenProblem, boundRows, searchRows } from './relu-split.js';
import { type Answer, type Counterexample, type Search, type Solver, secondsLeft } from './solver.js';

const quickAttack = { steps: 40, restarts: 1, stopWhenFalsified: true, starts: 96, descentSteps: 50 };
const strongAttack = { steps: 200, restarts: 20, stopWhenFalsified: false, starts: 128, descentSteps: 60 };
const strongRounds = 12;
/** The searches between attacks, by subproblems per problem and layer of boxes; the last takes what time there is. */
const searches: readonly Effort[] = [
  { boxes: 'crown', boxSubproblems: 0, subproblems: 2 ** 10 },
  { boxes: 'optimised', boxSubproblems: 2 ** 13, subproblems: 2 ** 12 },
  { boxes: 'optimised', boxSubproblems: 2 ** 15, subproblems: 2 ** 14 },
  { boxes: 'optimised', boxSubproblems: 2 ** 17, subproblems: 2 ** 16 },
  { boxes: 'optimised', boxSubproblems: 2 ** 19, subproblems: 2 ** 31 - 1 },
];

/**
 * A quick attack; then, for few inputs, branch and bound on the input box, otherwise a bound, and branch and
 * bound on the ReLUs in turn with stronger attacks.
 */
export const solve: Solver = async (verifier, model, problems, options) => {
  const search: Search = { ...options, verifier, model };
  const found = await attack(search, problems, quickAttack, options.seed);
  if (found) return { verdict: 'sat', counterexample: found };
  if (model.inputSize <= mostInputsToSplit) return splitInputs(search, problems);
  let open: OpenProblem[] = await boundRows(
    search,
    problems.map((problem) => ({ problem, terms: problem.terms })),
  );
  for (const [round, effort] of searches.entries()) {
    if (open.length === 0) return { verdict: 'unsat' };
    if (secondsLeft(search) <= 0) return { verdict: 'timeout' };
    const again = await attack(search, problemsOf(open), strongAttack, search.seed + 1 + round);
    if (again) return { verdict: 'sat', counterexample: again };
    open = await searchRows(search, open, effort);
  }
  return open.length === 0 ? { verdict: 'unsat' } : attackAgain(search, problemsOf(open));
};

/** Looks for counterexamples where only terms still open can have them. */
function problemsOf(open: readonly OpenProblem[]): Problem[] {
  return open.map(({ problem, terms }) => ({ ...problem, terms }));
}

async function attackAgain(search: Search, problems: readonly Problem[]): Promise<Answer> {
  for (let round = searches.length + 1; round <= strongRounds; round += 1) {
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
