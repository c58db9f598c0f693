/** The two conditions by which an image counts as certified, as rows that must all be positive. */
import { margins } from '../../dist/index.js';

/**
 * - `logits`, the closed-form paper's: the lower bound of the true logit above the upper bounds of all others. It
 *   holds exactly if some threshold t lies between: rows `y_label - t` and `t - y_j`, every one bounded for itself.
 * - `margins`: every row `y_label - y_j` has a positive lower bound, which is what robustness asks for. Where
 *   `logits` holds, this does.
 *
 * `specification(labels, thresholds)` gives the rows, thresholds being 0 unless given. From lower bounds of one
 * image's rows at threshold 0, `slack(lower, label)` is positive where the criterion holds, and
 * `threshold(lower, label)` is the best one.
 */
export const criteria = {
  logits: {
    specification: separations,
    slack: (lower, label) => lower[label] - greatestOther(lower, label),
    threshold: (lower, label) => lower[label] / 2 + greatestOther(lower, label) / 2,
  },
  margins: {
    specification: (labels) => margins(labels),
    slack: (lower) => Math.min(...lower),
    threshold: () => 0,
  },
};

/** The largest upper bound of a logit that is not the label's, whose row is its negative. */
function greatestOther(lower, label) {
  return lower.reduce((most, bound, j) => (j === label ? most : Math.max(most, -bound)), -Infinity);
}

/** Rows `y_label - t` at the label's place and `t - y_j` at j's, t one threshold per image. */
function separations(labels, thresholds = labels.map(() => 0)) {
  return {
    description: 'separations',
    resolve(count, outputSize) {
      const block = outputSize * outputSize;
      const c = new Float64Array(count * block);
      const d = new Float64Array(count * outputSize);
      for (let image = 0; image < count; image++) {
        for (let j = 0; j < outputSize; j++) {
          const sign = j === labels[image] ? 1 : -1;
          c[image * block + j * outputSize + j] = sign;
          d[image * outputSize + j] = -sign * thresholds[image];
        }
      }
      return { rowCount: outputSize, c, d, shared: false };
    },
  };
}
