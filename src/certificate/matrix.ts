/** Affine maps as sparse matrices: one representation for every affine operator of the graph. */
import { UnsupportedError } from '../errors.js';
import type { Graph, GraphNode } from '../model/graph.js';
import { sizeOf } from '../tensor.js';
import { checked } from './arithmetic.js';

/** Entries of row i are `column[k], value[k]` for start[i] <= k < start[i + 1]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly value: Float64Array;
}

export type AffineNode = Exclude<GraphNode, { op: 'input' | 'reshape' | 'relu' | 'add' }>;

type Visit = (row: number, column: number, value: number) => void;

/** Entries (12 bytes each) that a matrix may have, and products that a composition may take. */
const mostEntries = 2 ** 25;
const mostProducts = 2 ** 29;

/** Calls `visit` for every entry, row by row. */
export function forEach({ rows, start, column, value }: Matrix, visit: Visit): void {
  for (let row = 0; row < rows; row++) {
    for (let k = start[row]; k < start[row + 1]; k++) visit(row, column[k], value[k]);
  }
}

/** `A x`, in float64. */
export function times(matrix: Matrix, x: Float64Array): Float64Array {
  const y = new Float64Array(matrix.rows);
  forEach(matrix, (i, j, a) => void (y[i] += a * x[j]));
  return y;
}

/** `A^T y`, in float64. */
export function transposedTimes(matrix: Matrix, y: Float64Array): Float64Array {
  const x = new Float64Array(matrix.columns);
  forEach(matrix, (i, j, a) => void (x[j] += a * y[i]));
  return x;
}

/** `|A|`. */
export function magnitudes(matrix: Matrix): Matrix {
  return { ...matrix, value: matrix.value.map(Math.abs) };
}

/** For each row what its entries' absolute values come to, one after the other. */
export function foldRows(matrix: Matrix, fold: (total: number, magnitude: number) => number): Float64Array {
  const result = new Float64Array(matrix.rows);
  forEach(matrix, (i, _, a) => void (result[i] = fold(result[i], Math.abs(a))));
  return result;
}

export function transpose(matrix: Matrix): Matrix {
  const { rows, columns } = matrix;
  return fromEntries('a matrix', columns, rows, (put) => forEach(matrix, (i, j, a) => put(j, i, a)));
}

/** The matrix `A B`, in float64; undefined where it would be too large. */
export function product(a: Matrix, b: Matrix): Matrix | undefined {
  const size = a.rows * b.columns;
  let products = 0;
  forEach(a, (_, k) => void (products += b.start[k + 1] - b.start[k]));
  if (Math.min(products, size) > mostEntries || Math.max(products, size) > mostProducts) return undefined;
  const sums = new Float64Array(b.columns);
  return fromEntries('a composition', a.rows, b.columns, (put) => {
    for (let i = 0; i < a.rows; i++) {
      sums.fill(0);
      for (let k = a.start[i]; k < a.start[i + 1]; k++) {
        for (let m = b.start[a.column[k]]; m < b.start[a.column[k] + 1]; m++) {
          sums[b.column[m]] += a.value[k] * b.value[m];
        }
      }
      sums.forEach((sum, j) => sum !== 0 && put(i, j, sum));
    }
  });
}

/**
 * The matrix of a node, exactly as stored.
 *
 * @throws UnsupportedError where it would not fit into memory.
 */
export function matrixOf(node: AffineNode, graph: Graph): Matrix {
  const from = graph.nodes[node.input].shape;
  const [rows, columns] = [sizeOf(node.shape), sizeOf(from)];
  return fromEntries(`node '${node.name}'`, rows, columns, (put) => {
    for (let i = 0; i < rows; i++) {
      if (node.op === 'linear') for (let j = 0; j < columns; j++) put(i, j, node.weight[i * columns + j]);
      else if (node.op === 'conv') convolutionRow(node, from, i, put);
      else if (node.op === 'scale') put(i, i, node.scale[i]);
      else if (node.indices[i] >= 0) put(i, node.indices[i], 1);
    }
  });
}

function convolutionRow(
  node: Extract<GraphNode, { op: 'conv' }>,
  [channels, height, width]: readonly number[],
  row: number,
  put: Visit,
): void {
  const [out, outHeight, outWidth] = node.shape;
  const o = Math.floor(row / (outHeight * outWidth));
  const top = (Math.floor(row / outWidth) % outHeight) * node.strides[0] - node.pads[0];
  const left = (row % outWidth) * node.strides[1] - node.pads[1];
  const perGroup = channels / node.group;
  const first = Math.floor(o / (out / node.group)) * perGroup;
  let weight = o * perGroup * node.kernel[0] * node.kernel[1];
  for (let c = first; c < first + perGroup; c++) {
    for (let p = 0; p < node.kernel[0]; p++) {
      for (let q = 0; q < node.kernel[1]; q++, weight++) {
        const [y, x] = [top + p * node.dilations[0], left + q * node.dilations[1]];
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        put(row, (c * height + y) * width + x, node.weight[weight]);
      }
    }
  }
}

export function biasOf(node: AffineNode): Float64Array {
  const { op, shape } = node;
  const bias = new Float64Array(sizeOf(shape));
  if (op === 'linear') bias.set(node.bias);
  else if (op === 'scale') bias.set(node.shift);
  else if (op === 'conv')
    bias.forEach((_, i) => (bias[i] = node.bias[Math.floor(i / (shape[1] * shape[2]))]));
  return checked(bias, `the bias of node '${node.name}'`);
}

function fromEntries(name: string, rows: number, columns: number, entries: (put: Visit) => void): Matrix {
  const tooLarge = (): UnsupportedError =>
    new UnsupportedError(`${name} is too large for the checker: it takes at most ${mostEntries} entries`);
  if (Math.max(rows, columns) > mostEntries) throw tooLarge();
  const start = new Int32Array(rows + 1);
  let count = 0;
  entries((row) => {
    start[row + 1]++;
    if (++count > mostEntries) throw tooLarge();
  });
  for (let i = 0; i < rows; i++) start[i + 1] += start[i];
  const [next, column, value] = [start.slice(), new Int32Array(count), new Float64Array(count)];
  entries((row, at, entry) => {
    column[next[row]] = at;
    value[next[row]++] = entry;
  });
  return { rows, columns, start, column, value: checked(value, name) };
}
