/**
 * Whether the engine and the tape keep memory: `node scripts/leak.mjs` makes 10,000 calls for bounds, 5,000
 * calls that are aborted, 2,000 failed loads, 200 engines and a million training steps, and prints the
 * resident memory after each tenth. Exit code 1 if it grows by more than it may. `--scale 0.1` makes a tenth
 * of the calls, `--only REGEXP` those whose name fits.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  NativeArithmetic,
  Optimiser,
  Tape,
  TrainableNetwork,
  Verifier,
  attackLinf,
  ballL2,
  loadModel,
  outputs,
  parseArchitecture,
} from '../dist/index.js';
import { loadNative } from '../dist/native.js';
import { network } from '../test/fuzz/network.mjs';
import { Random } from '../test/fuzz/random.mjs';

// What is free but not given back must not blur the count. Every call has a thread of its own, and glibc a heap
// for each of them: one heap for all. It raises the size from which it asks the system for blocks of their own, and
// smaller ones leave holes, some 6 MB one time and none the next: a fixed size, below that of the vectors counted here.
// V8 doubles the young generation some time after thousands of steps: it stays at its smallest.
if (!globalThis.gc) {
  const script = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const args = ['--expose-gc', '--max-semi-space-size=1', ...script];
  const glibc = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '8192', MALLOC_TRIM_THRESHOLD_: '65536' };
  const env = { ...process.env, ...glibc };
  process.exit(spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1);
}

const { values } = parseArgs({
  options: { scale: { type: 'string', default: '1' }, only: { type: 'string', default: '' } },
});
const scale = Number(values.scale);

/**
 * A call holds its region, three vectors of 16 KB, and a load its weights, 240 KB: with a tenth of the calls
 * too, either one kept would be more than this.
 */
const mostMegabytes = 2;
const features = 2000;

const bytes = network(new Random(1), [features, 30, 30, 4]);
const model = await loadModel(bytes);
const verifier = new Verifier({ threads: 1 });
const native = loadNative();
const random = new Random(2);
const x = Float64Array.from({ length: features }, () => random.uniform());
const region = ballL2(x, 0.1, { clip: [0, 1] });
const settings = { specification: outputs(), iterations: 1, multipliers: true };

async function rejected(promise, message) {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  if (!message.test(error?.message))
    throw new Error(`expected ${message}, got ${error?.stack ?? 'a result'}`);
}

/** A step of adversarial training on a small network: every path of the tape, in 16 images. */
function trainer() {
  const arithmetic = new NativeArithmetic({ threads: 1 });
  const tape = new Tape(arithmetic);
  const trained = new TrainableNetwork(parseArchitecture('24-16-5'), arithmetic, 1);
  const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, clip: 1 };
  const optimiser = new Optimiser(tape, trained.parameters, adam);
  const pixels = Float32Array.from({ length: 16 * 24 }, () => random.uniform());
  const labels = Int32Array.from({ length: 16 }, (_, i) => i % 5);
  const attack = { eps: 0.05, stepSize: 0.05, steps: 1, restarts: 1 };
  let count = 0;
  let allocated;
  return () => {
    count += 1;
    tape.scope(() => {
      const images = tape.tensor(pixels, [16, 24]);
      const attacked = attackLinf(tape, trained, images, labels, { ...attack, seed: count });
      const loss = tape.add(
        tape.crossEntropy(trained.forward(tape, attacked), labels, 0.1),
        tape.scale(tape.norm1(trained.layers[0].weight), 1e-5),
      );
      optimiser.step(tape.grad(loss, trained.parameters), 1e-3, count);
    });
    allocated ??= tape.allocated;
    if (tape.allocated !== allocated) {
      throw new Error(`step ${count} allocated ${tape.allocated - allocated} numbers more than the first`);
    }
  };
}

const kinds = {
  'bounds calls': [10_000, () => verifier.bounds(model, region, settings)],
  'aborted calls': [
    5000,
    (i) => {
      const controller = new AbortController();
      const endless = { ...settings, iterations: 2 ** 30, signal: controller.signal };
      const call = rejected(verifier.bounds(model, region, endless), /aborted/);
      setTimeout(() => controller.abort(), i % 3);
      return call;
    },
  ],
  'failed loads': [
    2000,
    async (i) => {
      // Cut in the file, and in the graph that the engine is given.
      await rejected(
        loadModel(bytes.subarray(0, bytes.length - 1000 - (i % 1000))),
        /not a whole ONNX model|no ONNX graph/,
      );
      const nodes = model.graph.nodes.map((node, place) =>
        place === 3 ? { ...node, bias: node.bias?.slice(1), input: node.bias ? node.input : 99 } : node,
      );
      await rejected(
        Promise.resolve().then(() => native.createNetwork(nodes)),
        /bias has 29 values/,
      );
    },
  ],
  'loads and engines': [
    200,
    async () => {
      const engine = new Verifier({ threads: 2 });
      await engine.bounds(await loadModel(bytes), region, settings);
      await engine.close();
    },
  ],
  'training steps': [1_000_000, trainer()],
};

async function resident() {
  // Finalisers of what was collected run on a later turn.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return process.memoryUsage().rss / 2 ** 20;
}

for (const [name, [calls, call]] of Object.entries(kinds)) {
  if (!new RegExp(values.only).test(name)) continue;
  const tenth = Math.max(1, Math.round((calls * scale) / 10));
  const megabytes = [];
  for (let part = 0; part < 10; part += 1) {
    for (let i = 0; i < tenth; i += 1) await call(i);
    megabytes.push(await resident());
  }
  // The first tenth fills pools and compiles. Buffers wait for the collector, so the least of some counts.
  const growth = Math.min(...megabytes.slice(6)) - Math.min(...megabytes.slice(1, 5));
  console.log(`${10 * tenth} ${name}: ${megabytes.map((each) => each.toFixed(0)).join(' ')} MB`);
  if (growth <= mostMegabytes) continue;
  console.log(`  grew by ${growth.toFixed(1)} MB, at most ${mostMegabytes} are allowed`);
  process.exitCode = 1;
}
await verifier.close();
