/**
 * `npm run bench [-- --quick] [-- --only TEXT]`: measures kernels, bounds, attacks, one-time costs and whole
 * certification runs, prints them beside their floors and targets, and writes `bench/results/latest.json`.
 * Groups that `--only` chooses from: kernels, opponents, mlp, training, and for each published network its name, `certify
 * NAME`, `throughput NAME` and `proof cost NAME`. The short run leaves out opponents, throughput and the cost of proofs.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { announce, collect, machine } from './collect.mjs';
import { opponentRatios } from './kernels.mjs';
import { caseTable, targetTable } from './print.mjs';
import { publishedNetworks } from '../scripts/published-networks.mjs';
import { proofCost, throughput } from './published.mjs';
import { targetRows } from './targets.mjs';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const wanted = (name) => name.includes(values.only);

announce();
const cases = await collect({ quick: values.quick }, wanted);
const opponents = !values.quick && wanted('opponents') ? opponentRatios() : [];
const timedTwice = publishedNetworks.filter((name) => !values.quick && wanted(`throughput ${name}`));
const throughputs = timedTwice.flatMap(throughput);
const proofs = [];
for (const name of publishedNetworks) {
  if (!values.quick && wanted(`proof cost ${name}`)) proofs.push(await proofCost(name));
}
if (cases.length + opponents.length + throughputs.length + proofs.length === 0) {
  throw new Error(`--only ${values.only}: no group has that in its name`);
}
const targets = targetRows({ cases, opponents, throughputs, proofs });
const here = machine();

const folder = fileURLToPath(new URL('results', import.meta.url));
mkdirSync(folder, { recursive: true });
const file = `${folder}/latest.json`;
const results = {
  machine: here,
  date: new Date().toISOString(),
  quick: values.quick,
  cases,
  opponents,
  throughputs,
  proofs,
  targets,
};
writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);

console.log(`\n${here.cpu}, ${here.cores} cores, ${here.instructionSet}, Node ${here.node}\n`);
if (cases.length > 0) {
  console.log('processor and wall time per image (kernels and one-time costs: per call)\n');
  console.log(caseTable(cases));
}
if (targets.length > 0) console.log(`\n${targetTable(targets)}`);
console.log(`\nwritten to ${file}`);
