/**
 * Lipschitz-margin training (Tsuzuku, Sato and Sugiyama, 2018): cross entropy on logits in which every
 * wrong class j is raised by the most it can gain on the true class y in an l2 ball of radius eps,
 *
 *     z_j + eps K ||w_j - w_y||,   K = product of the hidden layers' spectral norms,
 *
 * w_j being row j of the last layer. Where the true class still wins, the product of norms proves the
 * image at that radius (up to K being an estimate here).
 */
export class MarginLoss {
  #network;
  #differences = new Float64Array(100);
  #differenceWeights = new Float64Array(100);
  #dLogits = new Float64Array(10);

  constructor(network) {
    this.#network = network;
  }

  get #hidden() {
    return this.#network.layers.slice(0, -1);
  }

  get #last() {
    return this.#network.layers[this.#network.layers.length - 1];
  }

  /** Product of the hidden layers' norms. */
  get lipschitz() {
    return this.#hidden.reduce((product, layer) => product * layer.norm, 1);
  }

  /** Refreshes the norms and the row distances after the weights have moved. */
  update(powerIterations) {
    for (const layer of this.#hidden) layer.estimateNorm(powerIterations);
    const { weight, fanIn } = this.#last;
    for (let a = 0; a < 10; a++) {
      for (let b = 0; b < 10; b++) {
        let sum = 0;
        for (let i = 0; i < fanIn; i++) sum += (weight[a * fanIn + i] - weight[b * fanIn + i]) ** 2;
        this.#differences[10 * a + b] = Math.sqrt(sum);
      }
    }
  }

  /** Smallest radius at which the product of norms no longer keeps `label` first; negative if it is not first. */
  provenRadius(logits, label) {
    let radius = Infinity;
    for (let j = 0; j < 10; j++) {
      if (j === label) continue;
      const gain = this.lipschitz * this.#differences[10 * j + label];
      radius = Math.min(radius, (logits[label] - logits[j]) / gain);
    }
    return radius;
  }

  /** Runs one image forwards and backwards; returns its loss. */
  addImage(image, label, eps) {
    const logits = this.#network.forward(image);
    const dLogits = this.#dLogits;
    const gain = eps * this.lipschitz;
    for (let j = 0; j < 10; j++) dLogits[j] = logits[j] + gain * this.#differences[10 * j + label];
    const largest = Math.max(...dLogits);
    const lossAtLabel = largest - dLogits[label];
    let sum = 0;
    for (let j = 0; j < 10; j++) sum += dLogits[j] = Math.exp(dLogits[j] - largest);
    for (let j = 0; j < 10; j++) {
      dLogits[j] /= sum;
      this.#differenceWeights[10 * j + label] += eps * dLogits[j];
    }
    dLogits[label] -= 1;
    this.#network.backward(image, dLogits);
    return Math.log(sum) + lossAtLabel;
  }

  /** Adds what the images since the last call contribute through K and through the row distances. */
  addNormGradients() {
    const { weight, weightGradient, fanIn } = this.#last;
    const lipschitz = this.lipschitz;
    let byLipschitz = 0;
    for (let a = 0; a < 10; a++) {
      for (let b = 0; b < 10; b++) {
        if (a === b) continue;
        const distance = this.#differences[10 * a + b];
        const byDistance = this.#differenceWeights[10 * a + b];
        byLipschitz += byDistance * distance;
        for (let i = 0; i < fanIn; i++) {
          const g = (byDistance * lipschitz * (weight[a * fanIn + i] - weight[b * fanIn + i])) / distance;
          weightGradient[a * fanIn + i] += g;
          weightGradient[b * fanIn + i] -= g;
        }
      }
    }
    // The gradient of a spectral norm is the outer product of its singular vectors.
    for (const layer of this.#hidden) {
      layer.addWeightGradient(layer.right, layer.left, (byLipschitz * lipschitz) / layer.norm);
    }
    this.#differenceWeights.fill(0);
  }
}
