/** Begins bounds that take for ever; then a worker says so and waits for its end, a process exits. */
import { parentPort } from 'node:worker_threads';
import { Verifier, ballL2, loadModel, outputs } from '../../dist/index.js';

const model = await loadModel(new URL('../../demo/digits.onnx', import.meta.url).pathname);
const verifier = new Verifier({ threads: 2 });
const center = new Float64Array(model.inputSize).fill(0.5);
const call = verifier.bounds(model, ballL2(center, 0.5), { specification: outputs(), iterations: 2 ** 30 });
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows, this is a thread
setTimeout(() => (parentPort ? parentPort.postMessage('running') : process.exit(0)), 20);
await call;
