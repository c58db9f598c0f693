/** Branch and bound on the input box, for networks of few inputs. */
import { type Problem, rowValues, termValue } from '../problem/problem.js';
import { type Start, descend } from './descent.js';
import { Heap } from './heap.js';
import { type Open, refute } from './refute.js';
import { type Subproblem, whole } from './regions.js';
import { type Box, minimiser } from './relaxation.js';
import { type Answer, type Counterexample, type Search, secondsLeft } from './solver.js';

/** Boxes in one native call. */
const batchSize = 512;
/** Some 10^2 bytes each, and as many doubles as the network has inputs twice. */
const mostOpen = 2 ** 21;
/** Every so many batches the most promising points seen since are descended from. */
const polishInterval = 4;
const polishCount = 16;
/** Short steps: these points are near something already. */
const polish = { steps: 40, firstStep: 0.02 };
/** See {@link bisect}. */
const leastEffect = 0.1;

/**
 * Bounds a batch of boxes by CROWN, clips what stays open and bisects it where its affine bounds vary
 * most, until nothing is open, a counterexample is found or the deadline comes. The minimiser of each
 * open box's affine bound is a candidate; boxes with the best candidates go first, which finds
 * counterexamples sooner and costs nothing where there are none.
 *
 * @returns `unknown` where a box cannot be bisected any more or there are more than 2^21 open boxes.
 */
export async function splitInputs(search: Search, problems: readonly Problem[]): Promise<Answer> {
  const queue = new Heap<Subproblem>((a, b) => a.priority < b.priority);
  for (const problem of problems) queue.push(whole(problem));
  let promising: (Start & { value: number })[] = [];
  let stuck = false;
  for (let round = 1; queue.size > 0; round += 1) {
    if (secondsLeft(search) <= 0) return { verdict: 'timeout' };
    if (queue.size > mostOpen) return { verdict: 'unknown' };
    const items = Array.from({ length: Math.min(batchSize, queue.size) }, () => queue.pop()!);
    const rest = await refute(search, items, { method: 'crown', boxes: 'crown', iterations: 0 });
    const open = rest.filter((item) => item !== undefined);
    const tried = await tryMinimisers(search, open);
    if (tried.found) return { verdict: 'sat', counterexample: tried.found };
    promising = [...promising, ...tried.starts].sort((a, b) => a.value - b.value).slice(0, polishCount);
    if (round % polishInterval === 0 && promising.length > 0) {
      const found = await descend(search, promising, polish);
      if (found) return { verdict: 'sat', counterexample: found };
      promising = [];
    }
    for (const [i, item] of open.entries()) {
      const halves = bisect(item);
      if (halves === undefined) stuck = true;
      else
        for (const half of halves)
          queue.push({ ...half, problem: item.problem, terms: item.terms, priority: tried.starts[i].value });
    }
  }
  return { verdict: stuck ? 'unknown' : 'unsat' };
}

/** The network at the guide's minimiser in every open box: a counterexample, or how near each point is to one. */
async function tryMinimisers(
  { verifier, model, signal, accept }: Search,
  open: readonly Open[],
): Promise<{ found?: Counterexample; starts: (Start & { value: number })[] }> {
  if (open.length === 0) return { starts: [] };
  const points = open.map((item) => minimiser(item.guide, item));
  const { data } = await verifier.forward(model, points, { signal });
  const starts: (Start & { value: number })[] = [];
  for (const [i, { problem, terms }] of open.entries()) {
    const values = rowValues(problem, data.subarray(i * model.outputSize, (i + 1) * model.outputSize));
    const [value, term] = terms
      .map((candidate) => [termValue(candidate, values), candidate] as const)
      .reduce((least, candidate) => (candidate[0] < least[0] ? candidate : least));
    const found = value <= 0 ? accept(problem, points[i]) : undefined;
    if (found) return { found, starts };
    starts.push({ problem, term, x: points[i], value });
  }
  return { starts };
}

/**
 * Two halves along the input where sensitivity times width is largest. An input whose slopes happen to
 * vanish may still be what makes the bound loose, so none counts for less than a tenth of the most
 * sensitive one, both taken over the problem's whole width.
 *
 * @returns undefined where float64 has no point between the ends of any input.
 */
function bisect({ problem, lower, upper, sensitivity }: Open): [Box, Box] | undefined {
  const widths = problem.lower.map((low, i) => problem.upper[i] - low);
  const effects = sensitivity.map((slope, i) => slope * widths[i]);
  const floor = Math.max(leastEffect * Math.max(...effects), Number.MIN_VALUE);
  let best = -1;
  let bestScore = -1;
  for (let i = 0; i < lower.length; i += 1) {
    const middle = lower[i] / 2 + upper[i] / 2;
    if (!(middle > lower[i] && middle < upper[i])) continue;
    const score = Math.max(effects[i], floor) * ((upper[i] - lower[i]) / widths[i]);
    if (score > bestScore) {
      best = i;
      bestScore = score;
    }
  }
  if (best < 0) return undefined;
  const middle = lower[best] / 2 + upper[best] / 2;
  const left = upper.slice();
  left[best] = middle;
  const right = lower.slice();
  right[best] = middle;
  return [
    { lower, upper: left },
    { lower: right, upper },
  ];
}
