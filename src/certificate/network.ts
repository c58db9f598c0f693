/**
 * The graph as the checker computes with it. Every affine node is a sparse matrix and a bias, and also the
 * end of a chain: the composition of all affine nodes in a row before it, so that norms, row norms, boxes and
 * coefficients are those of the product. What the float64 composition differs by from the exact one is a part
 * of what is lost in a run (facts.ts); from there on the computed one is meant.
 */
import type { Graph, GraphNode } from '../model/graph.js';
import { type Shape, sizeOf } from '../tensor.js';
import { checked, largest } from './arithmetic.js';
import type { AffineNode, Matrix } from './matrix.js';
import { magnitudes, matrixOf, perColumn, product, times, transpose } from './matrix.js';

/** One node of the graph; those that only reshape are left out, and seen through. */
export interface Layer {
  /** Its number in the graph. */
  readonly node: number;
  readonly op: GraphNode['op'];
  readonly shape: Shape;
  /** The layers that it reads. */
  readonly from: readonly number[];
  /** Which ReLU this is, in graph order (else -1), and how many features those before this layer have. */
  readonly relu: number;
  readonly features: number;
  /** Of linear, convolution, scale and index nodes. */
  readonly affine?: Affine;
}

export interface Affine {
  /** As stored, and the most entries of a row. */
  readonly matrix: Matrix;
  readonly bias: Float64Array;
  readonly width: number;
  /** The layer that the chain reads, its composition `chain x + offset`, and what coefficients go back by. */
  readonly start: number;
  readonly chain: Matrix;
  readonly adjoint: Matrix;
  readonly offset: Float64Array;
  /** Absolute values of `matrix` and `chain`. */
  readonly sizes: readonly Matrix[];
}

/** @throws UnsupportedError or CertificateError for weights that the checker does not compute with. */
export function layersOf(graph: Graph): Layer[] {
  const layers: Layer[] = [];
  const layerOf: number[] = [];
  let [relus, features] = [0, 0];
  for (const [at, node] of graph.nodes.entries()) {
    const inputs = node.op === 'input' ? [] : node.op === 'add' ? node.inputs : [node.input];
    const from = inputs.map((input) => layerOf[input]);
    layerOf.push(node.op === 'reshape' ? from[0] : layers.length);
    if (node.op === 'reshape') continue;
    const isAffine = 'input' in node && node.op !== 'relu';
    const affine = isAffine ? affineOf(node, graph.nodes[node.input].shape, from[0], layers) : undefined;
    const { op, shape } = node;
    layers.push({ node: at, op, shape, from, relu: op === 'relu' ? relus++ : -1, features, affine });
    if (op === 'relu') features += sizeOf(shape);
  }
  return layers;
}

/** @param shape of what it reads, layer `from`. */
function affineOf(node: AffineNode, shape: Shape, from: number, layers: readonly Layer[]): Affine {
  const matrix = matrixOf(node, shape);
  // One constant for each feature, or for all features of a channel.
  const constants = node.op === 'scale' ? node.shift : node.op === 'index' ? [0] : node.bias;
  const each = matrix.rows / constants.length;
  const bias = new Float64Array(matrix.rows).map((_, i) => constants[Math.floor(i / each)]);
  const before = layers[from].affine;
  const joined = before && product(matrix, before.chain);
  const start = joined ? before.start : from;
  const chain = joined ?? matrix;
  const offset = joined ? times(matrix, before.offset, bias) : bias;
  for (const values of [matrix.value, bias, chain.value, offset]) checked(values, `node '${node.name}'`);
  const width = largest(perColumn(transpose(matrix), (entries) => entries.length));
  const sizes = [magnitudes(matrix), magnitudes(chain)];
  return { matrix, bias, width, start, chain, adjoint: transpose(chain), offset, sizes };
}
