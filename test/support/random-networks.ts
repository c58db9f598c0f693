/** Random networks of every shape the engine runs, small enough for thousands of float64 evaluations. */
import { type GraphNode, Model } from '../../src/model/index.js';

/** Random numbers that are a function of the seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return low + ((high - low) * ((bits ^ (bits >>> 14)) >>> 0)) / 2 ** 32;
  }

  /** Uniform among low, ..., high. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  normals(count: number, deviation = 1): Float64Array {
    return Float64Array.from({ length: count }, () => deviation * this.normal());
  }

  vector(count: number, low: number, high: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.uniform(low, high));
  }
}

type ConvSettings = {
  kernel: readonly [number, number];
  strides?: readonly [number, number];
  pads?: readonly [number, number, number, number];
  dilations?: readonly [number, number];
  group?: number;
};

/** A graph node by node; every method returns the number of the new node. */
export class NetworkBuilder {
  readonly #nodes: GraphNode[];
  readonly #random: Random;

  constructor(shape: readonly number[], random: Random) {
    this.#nodes = [{ op: 'input', name: 'x', shape }];
    this.#random = random;
  }

  /** Random weights scaled to keep the size of what passes through, unless given. */
  linear(input: number, outputs: number, weight?: readonly number[], bias?: readonly number[]): number {
    const inputs = this.#size(input);
    return this.#push({
      op: 'linear',
      name: this.#name('linear'),
      shape: [outputs],
      input: this.#flat(input),
      weight: weight
        ? Float64Array.from(weight)
        : this.#random.normals(outputs * inputs, Math.sqrt(1.7 / inputs)),
      bias: bias ? Float64Array.from(bias) : this.#random.normals(outputs, 0.3),
    });
  }

  conv(input: number, channels: number, settings: ConvSettings): number {
    const { kernel, strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], group = 1 } = settings;
    const [inputs, height, width] = this.shape(input);
    const extent = (size: number, axis: 0 | 1): number =>
      Math.floor(
        (size + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1) / strides[axis],
      ) + 1;
    const terms = (inputs / group) * kernel[0] * kernel[1];
    return this.#push({
      op: 'conv',
      name: this.#name('conv'),
      shape: [channels, extent(height, 0), extent(width, 1)],
      input,
      weight: this.#random.normals(channels * terms, Math.sqrt(1.7 / terms)),
      bias: this.#random.normals(channels, 0.3),
      kernel,
      strides,
      pads,
      dilations,
      group,
    });
  }

  scale(input: number): number {
    const count = this.#size(input);
    return this.#push({
      op: 'scale',
      name: this.#name('scale'),
      shape: this.shape(input),
      input,
      scale: this.#random.normals(count),
      shift: this.#random.normals(count, 0.3),
    });
  }

  /** [a, b, c] -> [c, a, b]. */
  transpose(input: number): number {
    const [a, b, c] = this.shape(input);
    const indices = Int32Array.from({ length: a * b * c }, (_, i) => {
      const [k, rest] = [Math.floor(i / (a * b)), i % (a * b)];
      return rest * c + k;
    });
    return this.#push({ op: 'index', name: this.#name('transpose'), shape: [c, a, b], input, indices });
  }

  /** One row and column of zeros on every side. */
  pad(input: number): number {
    const [channels, height, width] = this.shape(input);
    const indices: number[] = [];
    for (let channel = 0; channel < channels; channel += 1) {
      for (let y = -1; y <= height; y += 1) {
        for (let x = -1; x <= width; x += 1) {
          const inside = y >= 0 && y < height && x >= 0 && x < width;
          indices.push(inside ? (channel * height + y) * width + x : -1);
        }
      }
    }
    const shape = [channels, height + 2, width + 2];
    return this.#push({
      op: 'index',
      name: this.#name('pad'),
      shape,
      input,
      indices: Int32Array.from(indices),
    });
  }

  relu(input: number): number {
    return this.#push({ op: 'relu', name: this.#name('relu'), shape: this.shape(input), input });
  }

  add(a: number, b: number): number {
    return this.#push({ op: 'add', name: this.#name('add'), shape: this.shape(a), inputs: [a, b] });
  }

  reshape(input: number, shape: readonly number[]): number {
    return this.#push({ op: 'reshape', name: this.#name('reshape'), shape, input });
  }

  shape(node: number): readonly number[] {
    return this.#nodes[node].shape;
  }

  model(): Model {
    const graph = { nodes: this.#nodes, inputName: 'x', outputName: 'y' };
    return new Model(graph, { source: 'a test', sha256: '', parameterCount: 0 });
  }

  #flat(input: number): number {
    return this.shape(input).length === 1 ? input : this.reshape(input, [this.#size(input)]);
  }

  #size(node: number): number {
    return this.shape(node).reduce((product, extent) => product * extent, 1);
  }

  #name(what: string): string {
    return `${what}${this.#nodes.length}`;
  }

  #push(node: GraphNode): number {
    return this.#nodes.push(node) - 1;
  }
}

/** A plain chain of matrices and ReLUs. */
export function linearNetwork(random: Random, sizes: readonly number[]): Model {
  const builder = new NetworkBuilder([sizes[0]], random);
  let at = 0;
  for (const [layer, size] of sizes.slice(1).entries()) {
    if (layer > 0) at = builder.relu(at);
    at = builder.linear(at, size);
  }
  return builder.model();
}

function convolutions(random: Random): Model {
  const builder = new NetworkBuilder([2, 6, 5], random);
  const a = builder.relu(builder.conv(0, 4, { kernel: [3, 3], pads: [1, 1, 1, 1] }));
  const b = builder.relu(
    builder.conv(a, 6, { kernel: [3, 2], strides: [2, 1], pads: [0, 1, 2, 0], group: 2 }),
  );
  const c = builder.relu(builder.conv(b, 3, { kernel: [2, 2], dilations: [2, 2], pads: [1, 0, 0, 1] }));
  builder.linear(builder.relu(builder.linear(c, 9)), 4);
  return builder.model();
}

function stridedConvolution(random: Random): Model {
  const builder = new NetworkBuilder([3, 7, 7], random);
  const a = builder.relu(builder.conv(0, 5, { kernel: [4, 4], strides: [2, 2], pads: [1, 1, 1, 1] }));
  builder.linear(builder.relu(builder.conv(a, 4, { kernel: [3, 3] })), 3);
  return builder.model();
}

/** Two residual blocks as published: ReLU on the sum, a scaled and a plain shortcut. */
function residual(random: Random): Model {
  const builder = new NetworkBuilder([2, 4, 4], random);
  const same = { kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
  const stem = builder.relu(builder.conv(0, 3, same));
  const first = builder.conv(builder.relu(builder.conv(stem, 3, same)), 3, same);
  const joined = builder.relu(builder.add(first, stem));
  const shortcut = builder.conv(joined, 4, { kernel: [1, 1], strides: [2, 2] });
  const second = builder.conv(builder.relu(builder.conv(joined, 4, { ...same, strides: [2, 2] })), 4, same);
  builder.linear(builder.relu(builder.add(shortcut, second)), 3);
  return builder.model();
}

/** Pre-activations that feed their ReLU and a shortcut too; ReLUs of the input; an add at the end. */
function shared(random: Random): Model {
  const builder = new NetworkBuilder([6], random);
  const z1 = builder.linear(0, 8);
  const z2 = builder.add(builder.linear(builder.relu(z1), 8), z1);
  const z3 = builder.add(builder.linear(builder.relu(z2), 8), z2);
  const positive = builder.linear(builder.relu(0), 3);
  builder.add(builder.linear(builder.relu(z3), 3), positive);
  return builder.model();
}

/** Scales, a transpose, zero padding and reshapes between the layers; the output is a ReLU. */
function rearranged(random: Random): Model {
  const builder = new NetworkBuilder([2, 3, 4], random);
  const turned = builder.transpose(builder.scale(0));
  const mapped = builder.relu(builder.conv(builder.pad(turned), 3, { kernel: [2, 3] }));
  const scaled = builder.relu(builder.scale(builder.transpose(mapped)));
  const [a, b, c] = builder.shape(scaled);
  const wide = builder.relu(builder.conv(builder.reshape(scaled, [1, a * b, c]), 2, { kernel: [3, 1] }));
  builder.relu(builder.linear(wide, 3));
  return builder.model();
}

/** No ReLU at all, but a sum of two branches. */
function affine(random: Random): Model {
  const builder = new NetworkBuilder([5], random);
  builder.add(builder.linear(0, 3), builder.linear(builder.scale(0), 3));
  return builder.model();
}

/** The kinds of network, by name. */
export const networkKinds: Readonly<Record<string, (random: Random) => Model>> = {
  'one hidden layer': (random) => linearNetwork(random, [4, 12, 3]),
  'deep and narrow': (random) => linearNetwork(random, [8, 10, 9, 10, 9, 3]),
  wide: (random) => linearNetwork(random, [30, 40, 35, 5]),
  convolutions,
  stridedConvolution,
  residual,
  shared,
  rearranged,
  affine,
};
