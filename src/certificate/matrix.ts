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

/** Entries (12 bytes each) that a matrix may have, and products that a composition may take. */
const mostEntries = 2 ** 25;
const mostProducts = 2 ** 30;

/** Calls `visit` for every entry, row by row. */
export function forEach(
  { rows, start, column, value }: Matrix,
  visit: (row: number, column: number, value: number) => void,
): void {
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

/** `|A| x`, in float64. */
export function absTimes(matrix: Matrix, x: Float64Array): Float64Array {
  const y = new Float64Array(matrix.rows);
  forEach(matrix, (i, j, a) => void (y[i] += Math.abs(a) * x[j]));
  return y;
}

/** `A^T y`, in float64. */
export function transposedTimes(matrix: Matrix, y: Float64Array): Float64Array {
  const x = new Float64Array(matrix.columns);
  forEach(matrix, (i, j, a) => void (x[j] += a * y[i]));
  return x;
}

/** @param row tells the entries of one row, of at most `most` in all. */
function build(
  [rows, columns, most]: readonly [number, number, number],
  row: (i: number, put: (column: number, value: number) => void) => void,
): Matrix {
  const [start, column, value] = [new Int32Array(rows + 1), new Int32Array(most), new Float64Array(most)];
  let count = 0;
  for (let i = 0; i < rows; i++) {
    row(i, (at, entry) => {
      column[count] = at;
      value[count++] = entry;
    });
    start[i + 1] = count;
  }
  checked(value, 'a weight');
  return { rows, columns, start, column: column.slice(0, count), value: value.slice(0, count) };
}

/**
 * The matrix of a node, exactly as stored.
 *
 * @throws UnsupportedError where it would not fit into memory.
 */
export function matrixOf(node: AffineNode, graph: Graph): Matrix {
  const shape = graph.nodes[node.input].shape;
  const [rows, columns] = [sizeOf(node.shape), sizeOf(shape)];
  const perRow = node.op === 'linear' ? columns : node.op === 'conv' ? node.weight.length / node.shape[0] : 1;
  if (!(rows * perRow <= mostEntries && columns <= mostEntries)) {
    const entries = `${rows * perRow} weights for ${columns} inputs`;
    throw new UnsupportedError(`node '${node.name}' is too large for the checker: ${entries}`);
  }
  return build([rows, columns, rows * perRow], (row, put) => {
    if (node.op === 'linear') {
      for (let i = 0; i < columns; i++) put(i, node.weight[row * columns + i]);
    } else if (node.op === 'scale') {
      put(row, node.scale[row]);
    } else if (node.op === 'conv') {
      convolutionRow(node, shape, row, put);
    } else if (node.indices[row] >= 0) {
      put(node.indices[row], 1);
    }
  });
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

function convolutionRow(
  node: Extract<GraphNode, { op: 'conv' }>,
  [channels, height, width]: readonly number[],
  row: number,
  put: (column: number, weight: number) => void,
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
        put((c * height + y) * width + x, node.weight[weight]);
      }
    }
  }
}

/** The matrix `A B`, in float64; undefined where it would be too large. */
export function product(a: Matrix, b: Matrix): Matrix | undefined {
  let products = 0;
  forEach(a, (_, k) => void (products += b.start[k + 1] - b.start[k]));
  const most = Math.min(products, a.rows * b.columns);
  if (!(most <= mostEntries && Math.max(products, a.rows * b.columns) <= mostProducts)) return undefined;
  const sums = new Float64Array(b.columns);
  return build([a.rows, b.columns, most], (i, put) => {
    sums.fill(0);
    for (let k = a.start[i]; k < a.start[i + 1]; k++) {
      for (let m = b.start[a.column[k]]; m < b.start[a.column[k] + 1]; m++) {
        sums[b.column[m]] += a.value[k] * b.value[m];
      }
    }
    sums.forEach((sum, j) => sum !== 0 && put(j, sum));
  });
}

export function transpose(matrix: Matrix): Matrix {
  const { rows, columns, value } = matrix;
  const start = new Int32Array(columns + 1);
  forEach(matrix, (_, j) => start[j + 1]++);
  for (let j = 0; j < columns; j++) start[j + 1] += start[j];
  const [next, column, entry] = [start.slice(), new Int32Array(value.length), new Float64Array(value.length)];
  forEach(matrix, (i, j, a) => {
    column[next[j]] = i;
    entry[next[j]++] = a;
  });
  return { rows: columns, columns: rows, start, column, value: entry };
}

/** For each row what its entries' absolute values come to, one after the other. */
export function foldRows(matrix: Matrix, fold: (total: number, magnitude: number) => number): Float64Array {
  const result = new Float64Array(matrix.rows);
  forEach(matrix, (i, _, a) => void (result[i] = fold(result[i], Math.abs(a))));
  return result;
}
