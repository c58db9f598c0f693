/** Runs the cases, group by group. */
import { cpus } from 'node:os';
import { calibrate } from './calibration.mjs';
import { kernelCases } from './kernels.mjs';
import { measure } from './measure.mjs';
import { mlpCases } from './mlp.mjs';
import { publishedNetworks } from '../scripts/published-networks.mjs';
import { certifyCases, publishedCases } from './published.mjs';
import { trainingCases } from './training.mjs';

/** What the figures depend on beside the code. */
export function machine() {
  const { instructionSet, peak } = calibrate();
  const [{ model }] = cpus();
  return { cpu: model, cores: cpus().length, instructionSet, peak, node: process.version };
}

/**
 * Every group as `{ name, run }`, `run` resolving to its cases.
 *
 * @param quick shorter sampling; the work of a case is the same.
 */
export function groups({ quick }) {
  const timed = async (open) => {
    const { cases, close } = await open();
    const results = [];
    try {
      for (const each of cases) results.push(await measure(each, { quick }));
    } finally {
      await close();
    }
    return results;
  };
  return [
    { name: 'kernels', run: async () => kernelCases() },
    { name: 'mlp', run: () => timed(mlpCases) },
    { name: 'training', run: () => timed(trainingCases) },
    ...publishedNetworks.flatMap((name) => [
      { name, run: () => timed(() => publishedCases(name)) },
      { name: `certify ${name}`, run: () => certifyCases(name, { quick }) },
    ]),
  ];
}

/** Says so where groups cannot run here. */
export function announce() {
  if (publishedNetworks.length === 0) {
    console.log('skipped: certify, attack, load and norms of the published networks (../shared is absent)');
  }
}

/** Runs the groups that `wanted` accepts. */
export async function collect(options, wanted = () => true) {
  const cases = [];
  for (const { name, run } of groups(options)) {
    if (!wanted(name)) continue;
    console.log(`\n== ${name}`);
    const results = await run();
    cases.push(...results.map((each) => ({ ...each, source: name })));
  }
  return cases;
}
