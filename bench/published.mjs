/**
 * The published networks that lie beside the project in `../shared`, in the settings of their paper: one-time
 * costs, attacks, and whole runs of `bulwark certify` in a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Verifier, ballL2, certify, loadImages, loadLabels, loadModel, margins } from '../dist/index.js';
import { publishedFiles as files, publishedSettings as settings } from '../scripts/published-networks.mjs';
import { calibrate } from './calibration.mjs';
import { finish } from './measure.mjs';
import { CountingVerifier } from './operations.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = fileURLToPath(new URL('../../shared/data', import.meta.url));
const preload = new URL('usage.mjs', import.meta.url).href;

async function openModel(name) {
  const { normalization } = settings[name];
  const raw = await loadModel(files(name).model);
  return normalization ? raw.withNormalization(normalization) : raw;
}

async function open(name) {
  const paths = files(name);
  const model = await openModel(name);
  const images = await loadImages(paths.images, { inputShape: model.inputShape, layout: 'nhwc' });
  const { labels } = await loadLabels(paths.labels, { classes: model.outputSize });
  return { model, images, labels };
}

/** Load, norms and attack of one network, one thread. */
export async function publishedCases(name) {
  const { model, images, labels } = await open(name);
  const { eps, clip } = settings[name];
  const verifier = new Verifier({ threads: 1 });
  const centers = Array.from({ length: images.count }, (_, i) =>
    images.data.subarray(i * images.size, (i + 1) * images.size),
  );
  const region = ballL2(centers, eps, clip ? { clip } : {});
  const cases = [
    { name: `${name}: load`, group: 'once per model', run: () => loadModel(files(name).model) },
    {
      name: `${name}: load and norms`,
      group: 'once per model',
      // Norms are cached with the model, so each call takes one that the engine has not seen.
      run: async () => verifier.norms(await openModel(name)),
    },
    {
      name: `${name}: attack`,
      group: 'attack',
      images: images.count,
      run: () => verifier.attack(model, region, { specification: margins(labels), stopWhenFalsified: true }),
    },
  ];
  return { cases, close: () => verifier.close() };
}

/** One run of the command on these data: what it printed last, and what the process used. */
function runCertify(name, dataArguments, threads) {
  const { eps, clip, normalization } = settings[name];
  const args = ['--import', preload, 'dist/cli/main.js', 'certify', files(name).model, ...dataArguments];
  args.push('--norm', '2', '--eps', String(eps), '--threads', String(threads), '--json');
  if (clip) args.push('--clip', clip.join(','));
  if (normalization) args.push('--mean', normalization.mean.join(','), '--std', String(normalization.std));
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe'];
  const { status, output } = spawnSync(process.execPath, args, { cwd: root, stdio, encoding: 'utf8' });
  if (status !== 0) throw new Error(`certify ${name} ended with ${status}: ${output[2]}`);
  return { summary: JSON.parse(output[1].trim().split('\n').at(-1)), usage: JSON.parse(output[3]) };
}

/** The 200 images of the paper. */
function paperImages(name) {
  const { images, labels } = files(name);
  return ['--data', images, '--labels', labels, '--layout', 'nhwc'];
}

/** The first images of the test set that those 200 are from. */
function testImages(name, limit) {
  const limited = ['--limit', String(limit)];
  if (settings[name].data === 'cifar') return ['--data', `${data}/cifar10/test_batch.bin.gz`, ...limited];
  const [images, labels] = ['images-idx3', 'labels-idx1'].map(
    (kind) => `${data}/mnist/t10k-${kind}-ubyte.gz`,
  );
  return ['--data', images, '--labels', labels, ...limited];
}

/** Operations that the bounds of the whole run need; attacks are not counted. */
async function boundOperations(name) {
  const { model, images, labels } = await open(name);
  const { eps, clip } = settings[name];
  const verifier = new CountingVerifier({ threads: 1 });
  await certify(
    verifier,
    model,
    { images, labels },
    { norm: 'l2', eps, clip, method: 'joint', attack: true },
  );
  await verifier.close();
  return verifier.operations;
}

/** Runs with 1 and 2 threads by turns: samples in seconds and bytes, by number of threads. */
function byTurns(name, dataArguments, rounds) {
  const runs = new Map([1, 2].map((threads) => [threads, { wall: [], processor: [], memory: [] }]));
  let last;
  for (let round = 0; round < rounds; round += 1) {
    for (const [threads, samples] of runs) {
      const { summary, usage } = runCertify(name, dataArguments, threads);
      last = summary;
      samples.wall.push(summary.secondsPerImage * summary.total);
      samples.processor.push((usage.userCPUTime + usage.systemCPUTime) / 1e6);
      samples.memory.push(usage.maxRSS * 1024);
    }
  }
  return { runs, images: last.total, verified: last.verified };
}

/**
 * `bulwark certify` over the 200 images, with 1 and 2 threads. Processor times are those of the whole process
 * (start of Node, model and data included); wall times are the command's own, without them.
 */
export async function certifyCases(name, { quick }) {
  const floor = await boundOperations(name);
  const before = calibrate().peak;
  const { runs, images, verified } = byTurns(name, paperImages(name), quick ? 3 : 7);
  const peaks = [before, calibrate().peak];
  return Array.from(runs, ([threads, { wall, processor, memory }]) => {
    const task = { name: `${name}: certify, ${threads} thread${threads > 1 ? 's' : ''}`, group: 'certify' };
    return {
      ...finish({ ...task, images, threads }, { wall, processor, peaks, floor }),
      peakMemory: Math.max(...memory),
      verified,
    };
  });
}

/** Best images per second with 1 and with 2 threads, over the 200 images and over more of the test set. */
export function throughput(name) {
  return [paperImages(name), testImages(name, 600)].map((dataArguments) => {
    const { runs, images } = byTurns(name, dataArguments, 3);
    const best = Array.from(runs.values(), ({ wall }) => images / Math.min(...wall));
    return { name, images, one: best[0], two: best[1] };
  });
}

/**
 * Processor seconds of certification per image over the 200 images, one thread, model and norms anew each time: the
 * smallest of rounds of assurance `none` and `real` by turns in this process, start of Node and reading left out.
 */
export async function proofCost(name) {
  const { images, labels } = await open(name);
  const { eps, clip } = settings[name];
  const seconds = { none: [], real: [] };
  for (let round = 0; round < 10; round += 1) {
    for (const [assurance, samples] of Object.entries(seconds)) {
      const model = await openModel(name);
      const verifier = new Verifier({ threads: 1 });
      const before = process.cpuUsage();
      await certify(verifier, model, { images, labels }, { norm: 'l2', eps, clip, assurance });
      const { user, system } = process.cpuUsage(before);
      await verifier.close();
      samples.push((user + system) / 1e6 / images.count);
    }
  }
  return { name, none: Math.min(...seconds.none), real: Math.min(...seconds.real) };
}
