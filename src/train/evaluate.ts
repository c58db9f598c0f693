import type { Tape, Tensor } from '../autodiff/index.js';
import type { LabelledData } from './data.js';
import type { TrainableNetwork } from './network.js';

const rowsAtOnce = 512;

/** Rows of logits whose largest entry is the label (the first of equals counts). */
export function correctRows(logits: Tensor, labels: Int32Array): number {
  const classes = logits.shape[1];
  let correct = 0;
  for (let row = 0; row < labels.length; row++) {
    let best = 0;
    for (let i = 1; i < classes; i++) {
      if (logits.data[row * classes + i] > logits.data[row * classes + best]) best = i;
    }
    if (best === labels[row]) correct++;
  }
  return correct;
}

/** Share of images that a network classifies as labelled. */
export function accuracy(tape: Tape, network: TrainableNetwork, data: LabelledData): number {
  let correct = 0;
  for (let first = 0; first < data.count; first += rowsAtOnce) {
    const end = Math.min(data.count, first + rowsAtOnce);
    tape.scope(() => {
      const images = tape.tensor(data.images.subarray(first * data.size, end * data.size), [
        end - first,
        data.size,
      ]);
      correct += correctRows(network.forward(tape, images), data.labels.subarray(first, end));
    });
  }
  return correct / data.count;
}
