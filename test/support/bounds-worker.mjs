/** A worker thread that computes bounds with an engine of its own; see engine.verifier.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { Verifier, ballL2, loadModel, margins } from '../../dist/index.js';

const verifier = new Verifier({ threads: 1 });
const model = await loadModel(workerData.model);
const region = ballL2(workerData.centers, workerData.eps);
const { lower } = await verifier.bounds(model, region, { specification: margins(workerData.labels) });
await verifier.close();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port is no window
parentPort.postMessage(lower);
