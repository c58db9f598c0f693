import { type Arithmetic, type Numbers, type Tape, Tensor } from '../autodiff/index.js';
import { type Graph, type GraphNode, type Model, exportOnnx, loadModel } from '../model/index.js';
import { sizeOf } from '../tensor.js';
import type { Architecture, ConvLayer, LinearLayer } from './architecture.js';
import { derivedSeed } from './seeds.js';

/** A layer's weights: `[outputs, inputs]` or `[outputs, channels, kernel, kernel]`, and bias `[outputs]`. */
export interface TrainableLayer {
  readonly spec: LinearLayer | ConvLayer;
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** The weights of an architecture, changed in place by training. */
export class TrainableNetwork {
  readonly architecture: Architecture;
  readonly arithmetic: Arithmetic;
  readonly layers: readonly TrainableLayer[];

  /** Weights uniform with variance 2 / fan-in (He), biases zero. */
  constructor(architecture: Architecture, arithmetic: Arithmetic, seed: number) {
    this.architecture = architecture;
    this.arithmetic = arithmetic;
    this.layers = architecture.layers.map((spec, k) => {
      const shape = weightShape(spec, architecture.shapes[k]);
      const weight = new Tensor(arithmetic.allocate(sizeOf(shape)), shape);
      const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
      arithmetic.uniform(weight.storage, derivedSeed(seed, 0x1417, k), -bound, bound);
      return { spec, weight, bias: new Tensor(arithmetic.allocate(spec.outputs), [spec.outputs]) };
    });
  }

  /** Weight and bias of every layer in turn. */
  get parameters(): readonly Tensor[] {
    return this.layers.flatMap(({ weight, bias }) => [weight, bias]);
  }

  get inputSize(): number {
    return sizeOf(this.architecture.shapes[0]);
  }

  get outputSize(): number {
    return this.layers[this.layers.length - 1].spec.outputs;
  }

  /** Takes over the weights of a network of the same arithmetic. */
  copyFrom(other: TrainableNetwork): void {
    const from = other.parameters;
    this.parameters.forEach(({ storage }, i) => this.arithmetic.copy(from[i].storage, storage));
  }

  /** A network with the same weights where another arithmetic keeps its arrays. */
  on(arithmetic: Arithmetic): TrainableNetwork {
    const copy = new TrainableNetwork(this.architecture, arithmetic, 0);
    const from = this.parameters;
    copy.parameters.forEach(({ storage }, i) =>
      arithmetic.upload(this.arithmetic.download(from[i].storage), storage),
    );
    return copy;
  }

  /** Gives a device's memory back. */
  free(): void {
    for (const { storage } of this.parameters) this.arithmetic.free(storage);
  }

  /** One layer, x `[rows, features]` or `[rows, channels, height, width]`, without the ReLU unless asked for. */
  layer(tape: Tape, k: number, x: Tensor, { relu = false }: { relu?: boolean } = {}): Tensor {
    const { spec, weight, bias } = this.layers[k];
    const rows = x.shape[0];
    if (spec.kind === 'linear') {
      const flat = x.shape.length === 2 ? x : tape.reshape(x, [rows, x.size / rows]);
      return tape.linear(flat, weight, bias, { relu });
    }
    const shape = [rows, ...this.architecture.shapes[k]];
    const map = x.shape.length === 4 ? x : tape.reshape(x, shape);
    const y = tape.conv2d(map, weight, bias, convOptions(spec));
    return relu ? tape.relu(y) : y;
  }

  /** Logits `[rows, outputs]` of images `[rows, inputs]`. */
  forward(tape: Tape, images: Tensor): Tensor {
    const last = this.layers.length - 1;
    return this.layers.reduce((x, _, k) => this.layer(tape, k, x, { relu: k < last }), images);
  }

  /** The network as bulwark verifies it. Weights that lie on the host are shared, not copied. */
  graph(): Graph {
    const { shapes } = this.architecture;
    const numbers = ({ storage }: Tensor): Numbers => this.arithmetic.download(storage);
    const nodes: GraphNode[] = [{ op: 'input', name: 'image', shape: shapes[0] }];
    const push = (node: GraphNode): number => nodes.push(node) - 1;
    this.layers.forEach(({ spec, weight, bias }, k) => {
      let input = nodes.length - 1;
      const name = `layer${k + 1}`;
      if (k > 0) input = push({ op: 'relu', name: `relu${k}`, shape: shapes[k], input });
      if (spec.kind === 'linear') {
        if (shapes[k].length > 1) {
          input = push({ op: 'reshape', name: `flat${k + 1}`, shape: [sizeOf(shapes[k])], input });
        }
        push({
          op: 'linear',
          name,
          shape: [spec.outputs],
          input,
          weight: numbers(weight),
          bias: numbers(bias),
        });
        return;
      }
      const { kernel, stride, pad } = spec;
      push({
        op: 'conv',
        name,
        shape: shapes[k + 1],
        input,
        weight: numbers(weight),
        bias: numbers(bias),
        kernel: [kernel, kernel],
        strides: [stride, stride],
        pads: [pad, pad, pad, pad],
        dilations: [1, 1],
        group: 1,
      });
    });
    return { nodes, inputName: 'image', outputName: 'logits' };
  }

  /** The weights of this moment as an immutable model. */
  model(): Promise<Model> {
    return loadModel(exportOnnx(this.graph()));
  }
}

export function convOptions({ stride, pad }: ConvLayer): {
  strides: [number, number];
  pads: [number, number];
} {
  return { strides: [stride, stride], pads: [pad, pad] };
}

function weightShape(spec: LinearLayer | ConvLayer, input: readonly number[]): number[] {
  if (spec.kind === 'linear') return [spec.outputs, sizeOf(input)];
  return [spec.outputs, input[0], spec.kernel, spec.kernel];
}
