/**
 * `npm run bench:check`: measures the quick set and fails (exit code 1) where a case costs more than the
 * baseline by more than the tolerance. `npm run bench:check -- --update` measures the set several times and
 * writes the typical costs as the new `bench/baseline.json`. `--only TEXT` checks the groups with TEXT in their name.
 *
 * Costs are processor time times the core's peak of that moment, so that a slower clock or a busy neighbour is
 * no slowdown. What noise is left is one-sided: interference adds. So a case beyond the tolerance is measured
 * again, and counts as slower only if every measurement says so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { announce, collect, machine } from './collect.mjs';
import { cheapest, compareRuns, typical } from './compare.mjs';
import { table } from './print.mjs';

/** Slowdown that fails; docs/performance.md says what noise it was chosen from. */
const tolerance = 0.3;
const attempts = 3;
const baselineRuns = 3;
const baselineFile = fileURLToPath(new URL('baseline.json', import.meta.url));

const { values } = parseArgs({
  options: { update: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
if (values.update && values.only !== '') throw new Error('--update measures every group: leave out --only');
const options = { quick: true };

async function update() {
  const runs = [];
  while (runs.length < baselineRuns) runs.push(await collect(options));
  const cases = typical(runs).map(({ name, cost, spread }) => ({
    name,
    cost: Math.round(cost),
    spread: Number(spread.toFixed(3)),
  }));
  writeFileSync(baselineFile, `${JSON.stringify({ machine: machine(), cases }, undefined, 2)}\n`);
  console.log(`\nwritten to ${baselineFile}`);
}

async function check() {
  const baseline = JSON.parse(readFileSync(baselineFile, 'utf8'));
  const here = machine();
  if (here.instructionSet !== baseline.machine.instructionSet) {
    const { instructionSet } = baseline.machine;
    throw new Error(
      `the baseline was measured with ${instructionSet}, this machine runs ${here.instructionSet}: ` +
        'costs relative to the peak do not carry over; make one here with npm run bench:check -- --update',
    );
  }
  if (here.cpu !== baseline.machine.cpu)
    console.log(`note: the baseline was made on ${baseline.machine.cpu}`);
  let cases = await collect(options, (name) => name.includes(values.only));
  if (cases.length === 0) throw new Error(`--only ${values.only}: no group has that in its name`);
  const slower = () => {
    const names = new Set(
      compareRuns(baseline.cases, cases, tolerance)
        .filter(({ status }) => status === 'slower')
        .map(({ name }) => name),
    );
    return cases.filter(({ name }) => names.has(name));
  };
  for (let attempt = 1; attempt < attempts && slower().length > 0; attempt += 1) {
    const again = new Set(slower().map(({ source }) => source));
    console.log(`\nslower than the baseline, measured again: ${[...again].join(', ')}`);
    cases = cheapest([cases, await collect(options, (name) => again.has(name))]);
  }
  report(compareRuns(baseline.cases, cases, tolerance));
  process.exitCode = slower().length > 0 ? 1 : 0;
}

function report(rows) {
  const percent = (ratio) => (ratio === undefined ? '' : `${(100 * (ratio - 1)).toFixed(0)} %`);
  console.log(
    `\n${table(
      ['case', 'change of cost', 'status'],
      rows.map(({ name, ratio, status }) => [name, percent(ratio), status]),
    )}`,
  );
  const count = (status) => rows.filter((row) => row.status === status).length;
  for (const status of ['missing', 'new']) {
    if (count(status) > 0) console.log(`${count(status)} ${status}: not compared`);
  }
  console.log(
    `${count('slower')} slower by more than ${100 * tolerance} %, ${count('ok')} as before, ${count('faster')} faster`,
  );
}

announce();
await (values.update ? update() : check());
