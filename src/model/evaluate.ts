/**
 * The network's value at a point in float64, in plain loops: the reference that tests compare with
 * and that counterexamples are replayed on. Not fast, and not meant to be.
 */
import { ShapeError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';
import type { ConvNode, Graph, GraphNode, LinearNode } from './graph.js';

/**
 * Output of the last node for one image `x`, in row-major order.
 * @throws ShapeError when `x` does not have one entry per input feature.
 */
export function evaluate(graph: Graph, x: Float64Array): Float64Array {
  const values = evaluateAll(graph, x);
  return values[values.length - 1];
}

/** Every node's output, in graph order; entry 0 is a copy of `x`. */
export function evaluateAll(graph: Graph, x: Float64Array): Float64Array[] {
  const { shape } = graph.nodes[0];
  if (x.length !== sizeOf(shape)) {
    throw new ShapeError(`evaluate: input has ${x.length} features, the network takes ${formatShape(shape)}`);
  }
  const values: Float64Array[] = [];
  for (const node of graph.nodes)
    values.push(node.op === 'input' ? Float64Array.from(x) : apply(node, graph, values));
  return values;
}

function apply(
  node: Exclude<GraphNode, { op: 'input' }>,
  graph: Graph,
  values: readonly Float64Array[],
): Float64Array {
  if (node.op === 'add') {
    const [a, b] = node.inputs.map((index) => values[index]);
    return a.map((value, i) => value + b[i]);
  }
  const x = values[node.input];
  switch (node.op) {
    case 'linear':
      return linear(node, x);
    case 'conv':
      return convolution(node, x, graph.nodes[node.input].shape);
    case 'scale':
      return x.map((value, i) => node.scale[i] * value + node.shift[i]);
    case 'index':
      return Float64Array.from(node.indices, (source) => (source < 0 ? 0 : x[source]));
    case 'reshape':
      return x;
    case 'relu':
      return x.map((value) => Math.max(value, 0));
  }
}

function linear({ weight, bias }: LinearNode, x: Float64Array): Float64Array {
  return Float64Array.from(bias, (value, row) => {
    let sum = value;
    for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i] * x[i];
    return sum;
  });
}

function convolution(
  node: ConvNode,
  x: Float64Array,
  [channels, height, width]: readonly number[],
): Float64Array {
  const [out, outHeight, outWidth] = node.shape;
  const [kernelHeight, kernelWidth] = node.kernel;
  const inPerGroup = channels / node.group;
  const y = new Float64Array(out * outHeight * outWidth);
  let place = 0;
  for (let o = 0; o < out; o++) {
    const firstChannel = Math.floor(o / (out / node.group)) * inPerGroup;
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        let sum = node.bias[o];
        for (let c = 0; c < inPerGroup; c++) {
          for (let p = 0; p < kernelHeight; p++) {
            const row = i * node.strides[0] - node.pads[0] + p * node.dilations[0];
            if (row < 0 || row >= height) continue;
            for (let q = 0; q < kernelWidth; q++) {
              const column = j * node.strides[1] - node.pads[1] + q * node.dilations[1];
              if (column < 0 || column >= width) continue;
              const w = node.weight[((o * inPerGroup + c) * kernelHeight + p) * kernelWidth + q];
              sum += w * x[((firstChannel + c) * height + row) * width + column];
            }
          }
        }
        y[place++] = sum;
      }
    }
  }
  return y;
}
