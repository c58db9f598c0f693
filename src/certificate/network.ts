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
import type { Graph } from '../model/graph.js';
import { type Shape, sizeOf } from '../tensor.js';
import { checked, gamma, normUp, tiny } from './arithmetic.js';
import { type AffineNode, type Matrix, foldRows, matrixOf, product } from './matrix.js';

/** One node of the graph; those that only reshape are left out, and seen through. */
export interface Layer {
  /** Its number in the graph. */
  readonly node: number;
  readonly op: 'input' | 'affine' | 'relu' | 'add';
  readonly shape: Shape;
  readonly size: number;
  /** The layers that it reads. */
  readonly from: readonly number[];
  /** Which ReLU this is, in graph order (else -1), and how many features those before this layer have. */
  readonly relu: number;
  readonly features: number;
  /** Of op affine. */
  readonly affine?: Affine;
}

export interface Affine {
  readonly matrix: Matrix;
  readonly bias: Float64Array;
  /** The layer that the chain reads, and its composition, within `error` in Frobenius norm. */
  readonly start: number;
  readonly chain: Matrix;
  readonly error: number;
  /** Upper bounds for each row of the exact composition: euclidean norm and largest absolute value. */
  readonly rowNorms: Float64Array;
  readonly rowMaxima: Float64Array;
}

/** @throws UnsupportedError or CertificateError for weights that the checker does not compute with. */
export function layersOf(graph: Graph): Layer[] {
  const layers: Layer[] = [];
  const layerOf: number[] = [];
  let [relus, features] = [0, 0];
  graph.nodes.forEach((node, at) => {
    const { op, shape } = node;
    const inputs = op === 'input' ? [] : op === 'add' ? node.inputs : [node.input];
    const from = inputs.map((input) => layerOf[input]);
    layerOf.push(op === 'reshape' ? from[0] : layers.length);
    if (op === 'reshape') return;
    const size = sizeOf(shape);
    const common = { node: at, shape, size, from, relu: op === 'relu' ? relus++ : -1, features };
    if (op === 'relu') features += size;
    if (op === 'input' || op === 'relu' || op === 'add') layers.push({ op, ...common });
    else {
      const affine = affineOf(node, graph.nodes[node.input].shape, from[0], layers[from[0]].affine);
      layers.push({ op: 'affine', ...common, affine });
    }
  });
  return layers;
}

/** @param before the affine layer that it reads, if it is one. */
function affineOf(node: AffineNode, shape: Shape, from: number, before?: Affine): Affine {
  const matrix = matrixOf(node, shape);
  // One constant for each feature, or for all features of a channel.
  const constants = node.op === 'scale' ? node.shift : node.op === 'index' ? [0] : node.bias;
  const bias = new Float64Array(matrix.rows).map(
    (_, i) => constants[Math.floor((i * constants.length) / matrix.rows)],
  );
  const joined = before && product(matrix, before.chain);
  const [start, chain] = joined ? [before.start, joined] : [from, matrix];
  const rounding = joined ? gamma(matrix.columns) * normUp(before.chain.value) : 0;
  const error = joined ? (normUp(matrix.value) * (before.error + rounding) + tiny) * (1 + gamma(3)) : 0;
  // gamma also pays for a product with these.
  const exact = (row: number): number => (row + error) * (1 + gamma(chain.columns));
  const squares = foldRows(chain, (total, entry) => total + entry ** 2);
  const rowNorms = squares.map((square) => exact(Math.sqrt(square + tiny)));
  const rowMaxima = foldRows(chain, (most, entry) => Math.max(most, Math.abs(entry))).map(exact);
  return {
    matrix,
    bias: checked(bias, `the bias of node '${node.name}'`),
    start,
    chain,
    error,
    rowNorms,
    rowMaxima,
  };
}
