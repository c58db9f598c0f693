/**
 * The graph as the checker computes with it. Every affine node is a sparse matrix and a bias, and also the
 * end of a chain: the composition C of all affine nodes in a row before it, so that norms, row norms and
 * boxes are those of the product.
 *
 * Lemma 4. Let A be a stored matrix, and C' within `e` (in Frobenius norm) of a composition C. Then
 * || A C - fl(A C') ||_F <= ||A||_F (e + gamma(n) ||C'||_F) for A with n columns, because
 * |A C' - fl(A C')| <= gamma(n) |A| |C'|, and Frobenius norms are submultiplicative and see absolute
 * values only. What bounds C' bounds C with `e` added: its norm, and the norm and entries of a row.
 */
import type { Graph, GraphNode } from '../model/graph.js';
import { type Shape, sizeOf } from '../tensor.js';
import { checked, gamma, normUp, tiny } from './arithmetic.js';
import { type AffineNode, type Matrix, matrixOf, product } from './matrix.js';

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
  readonly matrix: Matrix;
  readonly bias: Float64Array;
  /** The layer that the chain reads, and its composition, within `error` in Frobenius norm. */
  readonly start: number;
  readonly chain: Matrix;
  readonly error: number;
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
    const affine = isAffine
      ? affineOf(node, graph.nodes[node.input].shape, from[0], layers[from[0]].affine)
      : undefined;
    const { op, shape } = node;
    layers.push({ node: at, op, shape, from, relu: op === 'relu' ? relus++ : -1, features, affine });
    if (op === 'relu') features += sizeOf(shape);
  }
  return layers;
}

/** @param before the affine layer that it reads, if it is one. */
function affineOf(node: AffineNode, shape: Shape, from: number, before?: Affine): Affine {
  const matrix = matrixOf(node, shape);
  // One constant for each feature, or for all features of a channel.
  const constants = node.op === 'scale' ? node.shift : node.op === 'index' ? [0] : node.bias;
  const each = matrix.rows / constants.length;
  const bias = new Float64Array(matrix.rows).map((_, i) => constants[Math.floor(i / each)]);
  for (const values of [matrix.value, bias]) checked(values, `node '${node.name}'`);
  const chain = before && product(matrix, before.chain);
  if (!chain) return { matrix, bias, start: from, chain: matrix, error: 0 };
  checked(chain.value, `the composition that ends in node '${node.name}'`);
  const rounding = gamma(matrix.columns) * normUp(before.chain.value);
  const error = (normUp(matrix.value) * (before.error + rounding) + tiny) * (1 + gamma(3));
  return { matrix, bias, start: before.start, chain, error };
}
