/** Adam (Kingma and Ba, 2015) on pairs of parameter and gradient arrays. */
export class Adam {
  #pairs;
  #step = 0;

  /** @param {{ value: Float64Array, gradient: Float64Array }[]} pairs */
  constructor(pairs) {
    this.#pairs = pairs.map((pair) => ({
      ...pair,
      mean: new Float64Array(pair.value.length),
      square: new Float64Array(pair.value.length),
    }));
  }

  /** One descent step along the gradients times `scale`; the gradients are zero afterwards. */
  step(rate, scale) {
    this.#step++;
    const meanCorrection = 1 - 0.9 ** this.#step;
    const squareCorrection = 1 - 0.999 ** this.#step;
    for (const { value, gradient, mean, square } of this.#pairs) {
      for (let i = 0; i < value.length; i++) {
        const g = gradient[i] * scale;
        mean[i] = 0.9 * mean[i] + 0.1 * g;
        square[i] = 0.999 * square[i] + 0.001 * g * g;
        value[i] -= (rate * (mean[i] / meanCorrection)) / (Math.sqrt(square[i] / squareCorrection) + 1e-8);
      }
      gradient.fill(0);
    }
  }
}
