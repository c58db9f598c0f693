/**
 * Comparing two runs.
 *
 * A case is `{ name, group, threads, calls, secondsPerImage: { processor, processorMedian, wall }, peak, cost,
 * floor? }`. Its `cost` is processor seconds per image times the core's peak measured around it, that is, how
 * many operations the core could have done in that time; `floor` is how many the work needs.
 */

/** Middle value; the mean of the two middle ones where there is an even number. */
export function median(values) {
  if (values.length === 0) throw new Error('median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Every case of both runs with `ratio` = cost now / cost in the baseline and a status: `ok`, `slower` (ratio
 * above 1 + tolerance), `faster` (below 1 / (1 + tolerance)), `new` (not in the baseline), `missing` (not
 * measured now).
 *
 * @throws RangeError if the tolerance is not a positive number, or a cost is not one: a broken measurement
 *   must not pass.
 */
export function compareRuns(baseline, now, tolerance) {
  if (!(tolerance > 0)) throw new RangeError(`tolerance is ${tolerance}, expected a number > 0`);
  const known = new Map(baseline.map((entry) => [entry.name, entry]));
  const measured = new Set(now.map(({ name }) => name));
  const rows = now.map(({ name, cost }) => {
    const before = known.get(name);
    if (!before) return { name, status: 'new' };
    for (const each of [cost, before.cost]) {
      if (!(Number.isFinite(each) && each > 0))
        throw new RangeError(`${name}: cost is ${each}, expected a number > 0`);
    }
    const ratio = cost / before.cost;
    return { name, ratio, status: statusOf(ratio, tolerance) };
  });
  const missing = baseline.filter(({ name }) => !measured.has(name));
  return [...rows, ...missing.map(({ name }) => ({ name, status: 'missing' }))];
}

function statusOf(ratio, tolerance) {
  if (ratio > 1 + tolerance) return 'slower';
  return ratio < 1 / (1 + tolerance) ? 'faster' : 'ok';
}

/** Of several measurements of the same cases, the one with the least cost of each. */
export function cheapest(runs) {
  const best = new Map();
  for (const entry of runs.flat()) {
    const known = best.get(entry.name);
    if (!known || entry.cost < known.cost) best.set(entry.name, entry);
  }
  return [...best.values()];
}

/** Of several runs, each case's measurement of median cost, with `spread` = greatest cost / least cost. */
export function typical(runs) {
  const groups = new Map();
  for (const entry of runs.flat()) groups.set(entry.name, [...(groups.get(entry.name) ?? []), entry]);
  return [...groups.values()].map((entries) => {
    const sorted = entries.toSorted((a, b) => a.cost - b.cost);
    return { ...sorted[sorted.length >> 1], spread: sorted.at(-1).cost / sorted[0].cost };
  });
}
