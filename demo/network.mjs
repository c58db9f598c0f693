/**
 * The demo network and its gradients, in plain JavaScript, one image at a time: two convolutions, a
 * hidden layer and ten logits, a ReLU between them. Convolutions and linear layers are one class, a
 * matrix applied to patches of the input (a linear layer has one patch, the whole input), and features
 * are numbered channel by channel as in ONNX.
 */

/** An affine layer with shared weights: for each patch p and output o, `y[o, p] = weight[o] . x[patch p] + bias[o]`. */
export class Layer {
  /** `geometry` says how the layer is written to a file; `patches` holds input indices, -1 for padding. */
  constructor(geometry, inputs, outputs, positions, patches) {
    this.geometry = geometry;
    this.inputs = inputs;
    this.outputs = outputs;
    this.positions = positions;
    this.patches = patches;
    this.fanIn = patches.length / positions;
    this.size = outputs * positions;
    this.weight = new Float64Array(outputs * this.fanIn);
    this.bias = new Float64Array(outputs);
    this.weightGradient = new Float64Array(this.weight.length);
    this.biasGradient = new Float64Array(outputs);
    this.patch = new Float64Array(this.fanIn);
    // Singular vectors of the largest singular value, refined a little at every training step.
    this.left = new Float64Array(this.size);
    this.right = new Float64Array(inputs).fill(1 / Math.sqrt(inputs));
    this.norm = 0;
  }

  #gather(x, position) {
    const { fanIn, patch, patches } = this;
    for (let i = 0; i < fanIn; i++) {
      const index = patches[position * fanIn + i];
      patch[i] = index < 0 ? 0 : x[index];
    }
  }

  /** Writes `W x + bias` to `y`. */
  forward(x, y) {
    this.#apply(x, y, this.bias);
  }

  #apply(x, y, bias) {
    const { fanIn, outputs, patch, positions, weight } = this;
    for (let p = 0; p < positions; p++) {
      this.#gather(x, p);
      for (let o = 0; o < outputs; o++) {
        let sum = bias === null ? 0 : bias[o];
        for (let i = 0, w = o * fanIn; i < fanIn; i++) sum += weight[w + i] * patch[i];
        y[o * positions + p] = sum;
      }
    }
  }

  /** Writes `W^T dy` to `dx`. */
  adjoint(dy, dx) {
    const { fanIn, outputs, patch, patches, positions, weight } = this;
    dx.fill(0);
    for (let p = 0; p < positions; p++) {
      patch.fill(0);
      for (let o = 0; o < outputs; o++) {
        const g = dy[o * positions + p];
        if (g === 0) continue;
        for (let i = 0, w = o * fanIn; i < fanIn; i++) patch[i] += g * weight[w + i];
      }
      for (let i = 0; i < fanIn; i++) {
        const index = patches[p * fanIn + i];
        if (index >= 0) dx[index] += patch[i];
      }
    }
  }

  /** Adds `scale` times the gradient of `dy . (W x)` by the weights. */
  addWeightGradient(x, dy, scale) {
    const { fanIn, outputs, patch, positions, weightGradient } = this;
    for (let p = 0; p < positions; p++) {
      this.#gather(x, p);
      for (let o = 0; o < outputs; o++) {
        const g = scale * dy[o * positions + p];
        if (g === 0) continue;
        for (let i = 0, w = o * fanIn; i < fanIn; i++) weightGradient[w + i] += g * patch[i];
      }
    }
  }

  addBiasGradient(dy) {
    for (let o = 0; o < this.outputs; o++) {
      for (let p = 0; p < this.positions; p++) this.biasGradient[o] += dy[o * this.positions + p];
    }
  }

  /** Power iteration. Good to train with; being a LOWER bound of the norm it must not certify anything. */
  estimateNorm(iterations) {
    for (let i = 0; i < iterations; i++) {
      this.#apply(this.right, this.left, null);
      normalise(this.left);
      this.adjoint(this.left, this.right);
      this.norm = normalise(this.right);
    }
  }
}

/** Scales `x` to length 1 and returns the length it had. */
function normalise(x) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  const length = Math.sqrt(sum);
  for (let i = 0; i < x.length; i++) x[i] /= length;
  return length;
}

function linear(inputs, outputs) {
  const patches = Int32Array.from({ length: inputs }, (_, i) => i);
  return new Layer({ op: 'linear' }, inputs, outputs, 1, patches);
}

/** A square convolution on a square image; its output is square with side `(side + 2 pad - kernel) / stride + 1`. */
function convolution(channels, side, outputs, { kernel, stride, pad }) {
  const outputSide = (side + 2 * pad - kernel) / stride + 1;
  const patches = [];
  for (let oy = 0; oy < outputSide; oy++) {
    for (let ox = 0; ox < outputSide; ox++) {
      for (let c = 0; c < channels; c++) {
        for (let ky = 0; ky < kernel; ky++) {
          for (let kx = 0; kx < kernel; kx++) {
            const y = oy * stride - pad + ky;
            const x = ox * stride - pad + kx;
            const inside = y >= 0 && y < side && x >= 0 && x < side;
            patches.push(inside ? (c * side + y) * side + x : -1);
          }
        }
      }
    }
  }
  const geometry = { op: 'conv', channels, kernel, stride, pad };
  return new Layer(
    geometry,
    channels * side * side,
    outputs,
    outputSide * outputSide,
    Int32Array.from(patches),
  );
}

/** Layers, activations of the last image and gradients of one network. */
export class Network {
  constructor(layers) {
    this.layers = layers;
    this.activations = layers.map((layer) => new Float64Array(layer.size));
    this.deltas = layers.map((layer) => new Float64Array(layer.size));
  }

  get logits() {
    return this.activations[this.layers.length - 1];
  }

  /** Runs one image; its `logits` stay valid until the next call. */
  forward(image) {
    this.layers.forEach((layer, k) => {
      const y = this.activations[k];
      layer.forward(k === 0 ? image : this.activations[k - 1], y);
      if (k === this.layers.length - 1) return;
      for (let i = 0; i < y.length; i++) if (y[i] < 0) y[i] = 0;
    });
    return this.logits;
  }

  /** Adds the gradients of `dLogits . logits` at the image that `forward` ran last. */
  backward(image, dLogits) {
    const last = this.layers.length - 1;
    this.deltas[last].set(dLogits);
    for (let k = last; k >= 0; k--) {
      const layer = this.layers[k];
      layer.addWeightGradient(k === 0 ? image : this.activations[k - 1], this.deltas[k], 1);
      layer.addBiasGradient(this.deltas[k]);
      if (k === 0) return;
      const below = this.deltas[k - 1];
      layer.adjoint(this.deltas[k], below);
      for (let i = 0; i < below.length; i++) if (this.activations[k - 1][i] <= 0) below[i] = 0;
    }
  }

  /** The class with the largest logit. */
  predict(image) {
    const logits = this.forward(image);
    return logits.indexOf(Math.max(...logits));
  }
}

/** 16 x 16 pixels -> 8 channels of 8 x 8 -> 16 channels of 4 x 4 -> 64 -> 10, He-initialised from `random`. */
export function createNetwork(random) {
  const shape = { kernel: 4, stride: 2, pad: 1 };
  const layers = [
    convolution(1, 16, 8, shape),
    convolution(8, 8, 16, shape),
    linear(256, 64),
    linear(64, 10),
  ];
  for (const layer of layers) {
    const bound = Math.sqrt(6 / layer.fanIn);
    for (let i = 0; i < layer.weight.length; i++) layer.weight[i] = random.uniform(-bound, bound);
  }
  return new Network(layers);
}
