/** Losses over rows of logits. */
import { InvalidArgumentError, ShapeError } from '../../errors.js';
import { formatShape } from '../../tensor.js';
import type { Tape } from '../tape.js';
import type { Tensor } from '../tensor.js';

function rowsOf(logits: Tensor, what: string): [number, number] {
  if (logits.shape.length === 2 && logits.shape[1] > 0) return [logits.shape[0], logits.shape[1]];
  throw new ShapeError(`${what}: logits of shape ${formatShape(logits.shape)}, expected [rows, classes]`);
}

/** Labels of an Int32Array are used where they are, and must stay as they are until the scope ends. */
function checkedLabels(labels: ArrayLike<number>, rows: number, classes: number): Int32Array {
  if (labels.length !== rows)
    throw new InvalidArgumentError(`${labels.length} labels for ${rows} rows of logits`);
  for (let row = 0; row < rows; row++) {
    const label = labels[row];
    if (Number.isInteger(label) && label >= 0 && label < classes) continue;
    throw new InvalidArgumentError(`label ${label} of row ${row}, expected 0 to ${classes - 1}`);
  }
  return labels instanceof Int32Array ? labels : Int32Array.from(labels);
}

/** Cross entropy of each row with its label, `smoothing` of the weight spread over all classes. */
export function crossEntropies(
  tape: Tape,
  logits: Tensor,
  labels: ArrayLike<number>,
  smoothing: number,
): Tensor {
  const [rows, classes] = rowsOf(logits, 'crossEntropy');
  const form = { labels: checkedLabels(labels, rows, classes), columns: classes, smoothing };
  const [normalisers, losses] = [tape.empty([rows]), tape.empty([rows])];
  tape.arithmetic.crossEntropies(logits.storage, form, normalisers.storage, losses.storage);
  return tape.record([logits], losses, (g) => {
    const byLogits = tape.empty(logits.shape);
    tape.arithmetic.crossEntropyGradient(
      logits.storage,
      form,
      normalisers.storage,
      g.storage,
      byLogits.storage,
    );
    return [byLogits];
  });
}

/** log softmax along the last axis. */
export function logSoftmax(tape: Tape, logits: Tensor): Tensor {
  const normaliser = tape.logSumExp(logits);
  return tape.subtract(logits, tape.reshape(normaliser, [...normaliser.shape, 1]));
}

/** Mean over rows of KL(softmax(target) || softmax(logits)). */
export function klDivergence(tape: Tape, target: Tensor, logits: Tensor): Tensor {
  const [rows] = rowsOf(logits, 'klDivergence');
  const logTarget = logSoftmax(tape, target);
  const gap = tape.subtract(logTarget, logSoftmax(tape, logits));
  return tape.scale(tape.sum(tape.multiply(tape.exp(logTarget), gap)), 1 / rows);
}

/**
 * Mean over rows of the Jensen-Shannon divergence of several rows' softmax distributions: the mean KL
 * divergence from each to their average.
 */
export function jensenShannon(tape: Tape, views: readonly Tensor[]): Tensor {
  if (views.length < 2) throw new InvalidArgumentError('jensenShannon: expected at least two sets of logits');
  const [rows] = rowsOf(views[0], 'jensenShannon');
  const logs = views.map((view) => logSoftmax(tape, view));
  const probabilities = logs.map((log) => tape.exp(log));
  const total = probabilities.reduce((sum, p) => tape.add(sum, p));
  const logMean = tape.log(tape.scale(total, 1 / views.length));
  const terms = logs.map((log, i) => tape.sum(tape.multiply(probabilities[i], tape.subtract(log, logMean))));
  return tape.scale(
    terms.reduce((sum, term) => tape.add(sum, term)),
    1 / (rows * views.length),
  );
}
