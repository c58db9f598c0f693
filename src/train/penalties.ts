/** Terms that losses add to keep weights in shape. */
import { type PowerState, type Tape, Tensor } from '../autodiff/index.js';
import { sizeOf } from '../tensor.js';
import { type TrainableNetwork, convOptions } from './network.js';
import { derivedSeed } from './seeds.js';

/** Warm vectors of every layer's power iteration; part of a recipe's state. */
export class SpectralPenalty {
  readonly #states: readonly PowerState[];

  constructor(tape: Tape, network: TrainableNetwork) {
    const vector = (shape: readonly number[], seed: number): Tensor => {
      const data = tape.arithmetic.allocate(sizeOf(shape));
      tape.arithmetic.gaussian(data, derivedSeed(seed, 0x59ec), 1);
      return new Tensor(data, shape);
    };
    const { shapes } = network.architecture;
    this.#states = network.layers.map(({ spec }, k) => {
      const [input, output] = [shapes[k], shapes[k + 1]];
      const maps = spec.kind === 'conv';
      return {
        left: vector(maps ? [1, ...output] : output, 2 * k),
        right: vector(maps ? [1, ...input] : [sizeOf(input)], 2 * k + 1),
      };
    });
  }

  get state(): readonly Tensor[] {
    return this.#states.flatMap(({ left, right }) => [left, right]);
  }

  /**
   * Largest singular value of every layer as an operator, by one step of a warm power iteration: a lower
   * bound, for penalties only.
   */
  norms(tape: Tape, network: TrainableNetwork): Tensor[] {
    return network.layers.map(({ spec, weight }, k) =>
      spec.kind === 'linear'
        ? tape.spectralNorm(weight, this.#states[k])
        : tape.convolutionNorm(weight, this.#states[k], convOptions(spec)),
    );
  }
}

/** Sum of the absolute values of all weights. */
export function l1Norm(tape: Tape, network: TrainableNetwork): Tensor {
  return network.layers.map(({ weight }) => tape.norm1(weight)).reduce((sum, norm) => tape.add(sum, norm));
}

/** z_label - max z_j of every row of logits, `[rows]`. */
export function cleanMargins(tape: Tape, logits: Tensor, labels: Int32Array): Tensor {
  const [rows, classes] = logits.shape;
  const own = Int32Array.from(labels, (label, row) => row * classes + label);
  const rest = new Int32Array(rows * (classes - 1));
  labels.forEach((label, row) => {
    for (let i = 0; i < classes - 1; i++) {
      rest[row * (classes - 1) + i] = row * classes + (i < label ? i : i + 1);
    }
  });
  const others = tape.gather(logits, rest, [rows, classes - 1]);
  return tape.subtract(tape.gather(logits, own, [rows]), tape.largest(others));
}
