/**
 * Calls without end, of the kind asked for, on an engine of its own, until somebody stops this thread or
 * process: `endless` bounds, `quick` ones with progress, or `fresh` networks with their norms.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Verifier, ballL2, loadModel, outputs } from '../../dist/index.js';

const kind = workerData?.kind ?? process.argv[2];
const path = new URL('../../demo/digits.onnx', import.meta.url).pathname;
const verifier = new Verifier({ threads: 2 });
const model = await loadModel(path);
const region = ballL2(new Float64Array(model.inputSize).fill(0.5), 0.5);
const specification = outputs();

const calls = {
  endless: () => verifier.bounds(model, region, { specification, iterations: 2 ** 30 }),
  quick: () => verifier.bounds(model, region, { specification, iterations: 1, onProgress: () => undefined }),
  // A model with the same graph is a new network to the engine.
  fresh: () => verifier.norms(Object.create(model)),
};

async function repeat() {
  for (;;) await calls[kind]();
}

for (let i = 0; i < 4; i += 1) void repeat();
if (parentPort) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port is no window
  parentPort.postMessage('running');
} else {
  setTimeout(() => process.exit(0), Number(process.argv[3]));
}
