/**
 * `npm run study:mnist`: trains a 784-128-128-10 network by every recipe and measures what it certifies, beside
 * Table 1 of the closed-form paper. Every network and every result is a file in --out; what is there already
 * is not done again, and a training that was cut short goes on from its checkpoint.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import {
  exportOnnx,
  findRecipe,
  loadMnist,
  loadModel,
  parseArchitecture,
  recipes,
  train,
} from '../../dist/index.js';
import { measure } from './measure.mjs';
import { csv, latex, markdown } from './tables.mjs';

const usage = `npm run study:mnist -- [options]
  --data-dir FOLDER   the four files of MNIST (default ../shared/data/mnist)
  --out FOLDER        networks, results and tables (default build/study-mnist)
  --recipe NAME       may be repeated (default: all but lipschitz)
  --seeds A,B,...     (default 1)
  --radii A,B,...     where fractions are measured (default 0.02,0.03,0.1)
  --images N          the first N test images (default: all)
  --threads N         (default: all cores)`;

const { values } = parseArgs({
  options: {
    'data-dir': { type: 'string', default: join('..', 'shared', 'data', 'mnist') },
    out: { type: 'string', default: join('build', 'study-mnist') },
    recipe: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '1' },
    radii: { type: 'string', default: '0.02,0.03,0.1' },
    images: { type: 'string' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const begin = performance.now();
const log = (line) =>
  console.log(`${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}`);
const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };

/** The network in `file`, trained if it is not there yet, and beside it how it was made. */
async function trained(recipe, seed, data, file) {
  const record = file.replace(/onnx$/, 'json');
  if (!existsSync(file)) {
    const checkpoint = `${file}.checkpoint`;
    const {
      network,
      log: epochs,
      training: options,
      settings,
    } = await train({
      recipe,
      architecture: parseArchitecture('784-128-128-10'),
      data,
      seed,
      checkpoint,
      resume: existsSync(checkpoint),
      onEpoch: (done) => {
        const { epoch, loss, accuracy } = done.at(-1);
        log(
          `${recipe.name}, seed ${seed}, epoch ${epoch}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}`,
        );
      },
      ...threads,
    });
    writeWhole(
      record,
      `${JSON.stringify({ recipe: recipe.name, seed, options, settings, epochs }, undefined, 2)}\n`,
    );
    writeWhole(file, exportOnnx(network.graph()));
  }
  const { options, settings, epochs } = JSON.parse(readFileSync(record, 'utf8'));
  if (!isDeepStrictEqual([options, settings], [recipe.training, recipe.settings])) {
    throw new Error(`${file} was trained with settings that recipe ${recipe.name} no longer has: remove it`);
  }
  return { model: await loadModel(file), trainingSeconds: epochs.at(-1).seconds };
}

function writeWhole(file, content) {
  writeFileSync(`${file}.part`, content);
  renameSync(`${file}.part`, file);
}

function testImages({ images, labels, size, count }) {
  const wanted = values.images === undefined ? count : Math.min(count, Number(values.images));
  return {
    labels: labels.subarray(0, wanted),
    images: Array.from({ length: wanted }, (_, i) =>
      Float64Array.from(images.subarray(i * size, (i + 1) * size)),
    ),
  };
}

async function study() {
  const radii = values.radii.split(',').map(Number);
  const seeds = values.seeds.split(',').map(Number);
  const names = values.recipe ?? recipes.map(({ name }) => name).filter((name) => name !== 'lipschitz');
  mkdirSync(values.out, { recursive: true });
  const data = await loadMnist(values['data-dir']);
  const test = testImages(data.test);
  const entries = [];
  for (const name of names) {
    const results = [];
    for (const seed of seeds) {
      const file = join(values.out, `${name}-${seed}.onnx`);
      const { model, trainingSeconds } = await trained(findRecipe(name), seed, data.training, file);
      // A result belongs to its network, images and radii.
      const result = join(
        values.out,
        `${name}-${seed}.${model.sha256.slice(0, 12)}.${test.labels.length}.${radii.join('_')}.json`,
      );
      if (!existsSync(result)) {
        log(`${name}, seed ${seed}: measuring ${test.labels.length} test images`);
        const start = performance.now();
        const measured = await measure(model, test, { radii, log, ...threads });
        const measuringSeconds = (performance.now() - start) / 1000;
        const kept = { seed, trainingSeconds, measuringSeconds, ...measured };
        writeWhole(result, `${JSON.stringify(kept, undefined, 2)}\n`);
      }
      results.push(JSON.parse(readFileSync(result, 'utf8')));
    }
    entries.push({ recipe: name, results });
  }
  for (const [name, format] of Object.entries({
    'table.md': markdown,
    'table.csv': csv,
    'table.tex': latex,
  })) {
    writeWhole(join(values.out, name), format(entries, radii));
  }
  log(`tables in ${values.out}`);
  console.log(`\n${markdown(entries, radii)}`);
}

if (values.help) {
  console.log(usage);
} else if (!existsSync(values['data-dir'])) {
  console.error(`${values['data-dir']} is absent: say with --data-dir where the files of MNIST are`);
  process.exitCode = 2;
} else {
  await study();
}
