/**
 * Certified against attacked margins of the published networks in `../shared`, row by row, at radii from 0
 * to 3 times the usual one: `node scripts/sweep.mjs` takes 100 images of each network and 7 radii. No
 * certified margin may lie above what the attack reaches; exit code 1 if one does.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Verifier, ballL2, margins } from '../dist/index.js';
import { openPublished, publishedFolder, publishedNetworks } from './published-networks.mjs';

/** Names of the networks; empty where `../shared` is absent. */
export const networks = publishedNetworks;

/** Multiples of the usual radius. */
export const factors = [0, 0.01, 0.25, 0.5, 1, 2, 3];

/**
 * @param options `name`; `images` and `start`; `factors`; `steps` and `restarts` of the attack; `assurance`.
 * @returns for each radius: rows compared, rows certified above 0, rows attacked below 0, rows whose
 *   certified margin is above the attacked one, and the least and the median gap between the two.
 */
export async function sweep(options) {
  const { name, images, start = 0, steps = 40, restarts = 24, assurance = 'real', threads = 1 } = options;
  const { model, centers, labels, eps, clip } = await openPublished(name, { start, limit: images });
  const specification = margins(labels);
  const verifier = new Verifier({ threads });
  const results = [];
  for (const factor of options.factors ?? factors) {
    const region = ballL2(centers, factor * eps, clip ? { clip } : {});
    const { lower } = await verifier.bounds(model, region, { specification, iterations: 40, assurance });
    const { value } = await verifier.attack(model, region, { specification, steps, restarts });
    const gaps = Array.from(lower, (bound, row) => value[row] - bound).sort((a, b) => a - b);
    results.push({
      factor,
      rows: lower.length,
      certified: lower.filter((bound) => bound > 0).length,
      attacked: value.filter((margin) => margin < 0).length,
      // Written so that a NaN counts.
      wrong: gaps.filter((gap) => !(gap >= 0)).length,
      least: gaps[0],
      median: gaps[Math.floor(gaps.length / 2)],
    });
  }
  await verifier.close();
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: '100' },
      assurance: { type: 'string', default: 'real' },
      network: { type: 'string', multiple: true, default: networks },
    },
  });
  if (networks.length === 0) throw new Error(`${publishedFolder} is absent`);
  for (const name of values.network) {
    const begin = performance.now();
    const results = await sweep({ name, images: Number(values.images), assurance: values.assurance });
    console.log(`${name}, ${values.images} images, in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    for (const { factor, rows, certified, attacked, wrong, least, median } of results) {
      console.log(
        `  eps x ${factor}: ${rows} rows, ${certified} certified, ${attacked} attacked, ${wrong} wrong, ` +
          `gap least ${least.toExponential(2)} median ${median.toExponential(2)}`,
      );
      if (wrong > 0) process.exitCode = 1;
    }
  }
}
