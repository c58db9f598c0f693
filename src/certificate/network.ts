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
import { sizeOf } from '../tensor.js';
import { gamma, normUp, tiny } from './arithmetic.js';
import { type AffineNode, type Matrix, biasOf, foldRows, matrixOf, product } from './matrix.js';

/** One node of the graph, with the same number. */
export interface Layer {
  readonly op: 'input' | 'affine' | 'relu' | 'add' | 'reshape';
  readonly shape: readonly number[];
  readonly size: number;
  /** The nodes that it reads, seen through those that only reshape. */
  readonly from: readonly number[];
  /** Which ReLU this is, in graph order (else -1), and how many features those before this node have. */
  readonly relu: number;
  readonly features: number;
  readonly affine?: Affine;
}

export interface Affine {
  readonly matrix: Matrix;
  readonly bias: Float64Array;
  /** The node that the chain reads, and its composition, within `error` in Frobenius norm. */
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
  let [relus, features] = [0, 0];
  for (const node of graph.nodes) {
    const { op, shape } = node;
    const inputs = op === 'input' ? [] : op === 'add' ? node.inputs : [node.input];
    const from = inputs.map((input) => (layers[input].op === 'reshape' ? layers[input].from[0] : input));
    const common = { shape, size: sizeOf(shape), from, relu: op === 'relu' ? relus++ : -1, features };
    if (op === 'relu') features += common.size;
    if (op === 'input' || op === 'relu' || op === 'add' || op === 'reshape') layers.push({ op, ...common });
    else
      layers.push({
        op: 'affine',
        ...common,
        affine: affineOf(node, graph, from[0], layers[from[0]].affine),
      });
  }
  return layers;
}

/** @param before the affine node that it reads, if it is one. */
function affineOf(node: AffineNode, graph: Graph, from: number, before?: Affine): Affine {
  const matrix = matrixOf(node, graph);
  const joined = before && product(matrix, before.chain);
  const [start, chain] = joined ? [before.start, joined] : [from, matrix];
  const rounding = joined ? gamma(matrix.columns) * normUp(before.chain.value) : 0;
  const error = joined ? (normUp(matrix.value) * (before.error + rounding) + tiny) * (1 + gamma(3)) : 0;
  // gamma also pays for a product with these.
  const up = 1 + gamma(chain.columns);
  const squares = foldRows(chain, (total, entry) => total + entry ** 2);
  const rowNorms = squares.map((square) => (Math.sqrt(square + tiny) + error) * up);
  const rowMaxima = foldRows(chain, Math.max).map((entry) => (entry + error) * up);
  return { matrix, bias: biasOf(node), start, chain, error, rowNorms, rowMaxima };
}
