import type { Tape, Tensor } from '../autodiff/index.js';
import type { LabelledData } from './data.js';
import type { TrainableNetwork } from './network.js';

const rowsAtOnce = 512;

/** Rows of logits whose largest entry is the label (the first of equals counts): a tensor of one element. */
export function correctRows(tape: Tape, logits: Tensor, labels: Int32Array): Tensor {
  const count = tape.empty([]);
  tape.arithmetic.countCorrect(logits.storage, labels, logits.shape[1], count.storage);
  return count;
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
      const labels = data.labels.subarray(first, end);
      correct += tape.read(correctRows(tape, network.forward(tape, images), labels))[0];
    });
  }
  return correct / data.count;
}
