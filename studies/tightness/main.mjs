/**
 * `npm run study:tightness`: how tight the methods' bounds are on the published networks in `../shared`,
 * after Figures 3 and 4 of the SDP-CROWN paper. Exit code 2 where `../shared` is absent.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openPublished, publishedFolder, publishedNetworks } from '../../scripts/published-networks.mjs';
import { defaults, study } from './study.mjs';

const usage = `npm run study:tightness -- [options]
  --out FOLDER         for tightness.csv, NETWORK.svg and NETWORK.png (default build/tightness);
                       points that are in tightness.csv already are not measured again
  --network NAME       one of the networks, may be repeated (default: all)
  --radii A,B,...      multiples of the network's usual radius (default ${defaults.factors})
  --complete-radii ... the same for method complete (default ${defaults.completeFactors})
  --images N           the first N correctly classified images (default ${defaults.images})
  --limit S            seconds per image for method complete (default ${defaults.limit})
  --threads N          (default: all cores)`;

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('build', 'tightness') },
    network: { type: 'string', multiple: true },
    radii: { type: 'string' },
    'complete-radii': { type: 'string' },
    images: { type: 'string' },
    limit: { type: 'string' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(usage);
} else if (publishedNetworks.length === 0) {
  console.error(`the published networks are not there: ${publishedFolder} is absent`);
  process.exitCode = 2;
} else {
  const names = values.network ?? publishedNetworks;
  for (const name of names) {
    if (!publishedNetworks.includes(name)) {
      throw new Error(`--network is '${name}', expected one of ${publishedNetworks.join(', ')}`);
    }
  }
  const begin = performance.now();
  await study(problems(names), {
    out: values.out,
    ...numbers('radii', 'factors'),
    ...numbers('complete-radii', 'completeFactors'),
    ...number('images'),
    ...number('limit'),
    ...number('threads'),
    log: (line) => console.log(`${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}`),
  });
}

/** Opened one by one: the images of all need not be held at once. */
async function* problems(names) {
  for (const name of names) yield openPublished(name);
}

function numbers(option, name) {
  const text = values[option];
  return text === undefined ? {} : { [name]: text.split(',').map((part) => positive(option, part)) };
}

function number(option) {
  return values[option] === undefined ? {} : { [option]: positive(option, values[option]) };
}

function positive(option, text) {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`--${option} has '${text}', expected a number > 0`);
}
