import type { Problem } from '../problem/problem.js';
import { InputSplitter, hasFewInputs } from '../verify/input-split.js';
import { attackSingleRows, descend, randomStarts } from './descent.js';
import { type Effort, type OpenProblem, boundRows, searchRows } from './relu-split.js';
import { type Answer, type Counterexample, type Search, type Solver, secondsLeft } from './solver.js';

/** Up to so many inputs, bisecting the box is all that is done; with more, it takes turns with ReLUs' splits. */
const fewInputs = 8;
/** Inputs are given time for so many boxes, each at what the first bound cost: after fewer, little is split. */
const leastBoxes = 4;
const quickAttack = { steps: 40, restarts: 1, stopWhenFalsified: true, starts: 96, descentSteps: 50 };
const strongAttack = { steps: 200, restarts: 20, stopWhenFalsified: false, starts: 128, descentSteps: 60 };
const strongRounds = 12;

interface Round extends Effort {
  /** Most of the time left that it takes. */
  readonly share: number;
}

/**
 * The searches between attacks, by subproblems per problem and layer of boxes and by time; the last takes what
 * there is of either.
 */
const rounds: readonly Round[] = [
  { boxes: 'crown', boxSubproblems: 0, subproblems: 2 ** 10, share: 0.2 },
  { boxes: 'optimised', boxSubproblems: 2 ** 13, subproblems: 2 ** 12, share: 0.3 },
  { boxes: 'optimised', boxSubproblems: 2 ** 15, subproblems: 2 ** 14, share: 0.5 },
  { boxes: 'optimised', boxSubproblems: 2 ** 17, subproblems: 2 ** 16, share: 0.7 },
  { boxes: 'optimised', boxSubproblems: 2 ** 19, subproblems: 2 ** 31 - 1, share: 1 },
];
/** Optimised boxes cost so many times what a bound with CROWN's does; a round is for more than its boxes. */
const boxCost = 15;
/** What a round does for which they are too expensive. */
const cheaper: Round = { boxes: 'crown', boxSubproblems: 0, subproblems: 2 ** 31 - 1, share: 1 };

/**
 * A quick attack; then, for few inputs, branch and bound on the input box, otherwise a bound, and branch and
 * bound on the ReLUs in turn with stronger attacks.
 */
export const solve: Solver = async (verifier, model, problems, options) => {
  const search: Search = { ...options, verifier, model };
  const found = await attack(search, problems, quickAttack, options.seed);
  if (found) return { verdict: 'sat', counterexample: found };
  const inputs = hasFewInputs(model) ? new InputSplitter(search, problems) : undefined;
  if (inputs && model.inputSize <= fewInputs) return inputs.run();
  const begin = performance.now();
  let open: readonly OpenProblem[] = await boundRows(
    search,
    problems.map((problem) => ({ problem, terms: problem.terms })),
  );
  const boundMs = performance.now() - begin;
  const boxSeconds = (boxCost * boundMs) / 1000;
  for (const [index, round] of rounds.entries()) {
    if (open.length === 0) return { verdict: 'unsat' };
    const left = secondsLeft(search);
    if (left <= 0) return { verdict: 'timeout' };
    const again = await attack(search, problemsOf(open), strongAttack, search.seed + 1 + index);
    if (again) return { verdict: 'sat', counterexample: again };
    const affordable = round.boxes === 'crown' || boxSeconds < round.share * left;
    const { share, ...effort } = affordable ? round : cheaper;
    const before = performance.now();
    const searched = await searchRows(within(search, inputs ? share / 2 : share), open, effort);
    if (searched.counterexample) return { verdict: 'sat', counterexample: searched.counterexample };
    open = searched.open;
    if (inputs && open.length > 0) {
      const now = performance.now();
      const answer = await inputs.run({ deadline: now + Math.max(now - before, leastBoxes * boundMs) });
      if (answer.verdict === 'sat' || answer.verdict === 'unsat') return answer;
    }
  }
  return open.length === 0 ? { verdict: 'unsat' } : attackAgain(search, problemsOf(open));
};

/** The search with a share of the time that it has left. */
function within(search: Search, share: number): Search {
  const now = performance.now();
  return { ...search, deadline: share < 1 ? now + share * (search.deadline - now) : search.deadline };
}

/** Looks for counterexamples where only terms still open can have them. */
function problemsOf(open: readonly OpenProblem[]): Problem[] {
  return open.map(({ problem, terms }) => ({ ...problem, terms }));
}

async function attackAgain(search: Search, problems: readonly Problem[]): Promise<Answer> {
  for (let round = rounds.length + 1; round <= strongRounds; round += 1) {
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
