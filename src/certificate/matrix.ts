/** Affine maps as sparse matrices: one representation for every affine operator of the graph. */
import { UnsupportedError } from '../errors.js';
import type { GraphNode } from '../model/graph.js';
import { type Shape, sizeOf } from '../tensor.js';

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

/** Calls `visit` for every entry, row by row, of all rows or those from `first` to before `end`. */
export function forEach(matrix: Matrix, visit: Visit, first = 0, end = matrix.rows): void {
  const { start, column, value } = matrix;
  for (let row = first; row < end; row++) {
    for (let k = start[row]; k < start[row + 1]; k++) visit(row, column[k], value[k]);
  }
}

type Fold = (total: number, entry: number, column: number) => number;

/** What the entries of each row come to, one after the other, beginning with `from`. */
export function foldRows(matrix: Matrix, fold: Fold, from = 0): Float64Array {
  const totals = new Float64Array(matrix.rows).fill(from);
  forEach(matrix, (i, j, a) => void (totals[i] = fold(totals[i], a, j)));
  return totals;
}

/** `A x + b`, in float64. */
export function times(
  { rows, start, column, value }: Matrix,
  x: Float64Array,
  b?: Float64Array,
): Float64Array {
  return new Float64Array(rows).map((_, row) => {
    let sum = b ? b[row] : 0;
    for (let k = start[row]; k < start[row + 1]; k++) sum += value[k] * x[column[k]];
    return sum;
  });
}

/** `|A|`. */
export function magnitudes(matrix: Matrix): Matrix {
  return { ...matrix, value: matrix.value.map(Math.abs) };
}

/** `A^T y`, in float64. */
export function transposedTimes(matrix: Matrix, y: Float64Array): Float64Array {
  const x = new Float64Array(matrix.columns);
  forEach(matrix, (i, j, a) => void (x[j] += a * y[i]));
  return x;
}

export function transpose(matrix: Matrix): Matrix {
  const { rows, columns } = matrix;
  return fromEntries(columns, rows, (put) => forEach(matrix, (i, j, a) => put(j, i, a)));
}

/** The matrix `A B`, in float64; undefined where it would be too large. */
export function product(a: Matrix, b: Matrix): Matrix | undefined {
  const size = a.rows * b.columns;
  const products = a.column.reduce((sum, k) => sum + b.start[k + 1] - b.start[k], 0);
  if (Math.min(products, size) > mostEntries || Math.max(products, size) > mostProducts) return undefined;
  const sums = new Float64Array(b.columns);
  return fromEntries(a.rows, b.columns, (put) => {
    for (let i = 0; i < a.rows; i++) {
      sums.fill(0);
      forEach(a, (_, k, x) => forEach(b, (__, j, y) => void (sums[j] += x * y), k, k + 1), i, i + 1);
      sums.forEach((sum, j) => sum !== 0 && put(i, j, sum));
    }
  });
}

/**
 * The matrix of a node that reads features of shape `from`, exactly as stored.
 *
 * @throws UnsupportedError where it would not fit into memory.
 */
export function matrixOf(node: AffineNode, from: Shape): Matrix {
  const [rows, columns] = [sizeOf(node.shape), sizeOf(from)];
  const places = node.op === 'conv' ? node.shape[1] * node.shape[2] : 1;
  const most = Math.max(rows, columns, 'weight' in node ? node.weight.length * places : 0);
  if (most > mostEntries)
    throw new UnsupportedError(
      `node '${node.name}' has more than ${mostEntries} entries, too many for the checker`,
    );
  return fromEntries(rows, columns, (put) => {
    if (node.op === 'conv') convolution(node, from, put);
    else if (node.op === 'scale') node.scale.forEach((a, i) => put(i, i, a));
    else if (node.op === 'index') node.indices.forEach((j, i) => j >= 0 && put(i, j, 1));
    else node.weight.forEach((a, k) => put(Math.floor(k / columns), k % columns, a));
  });
}

/** Weight k joins one input channel to one output channel, in each place of the output that sees no padding. */
function convolution(node: Extract<AffineNode, { op: 'conv' }>, from: Shape, put: Visit): void {
  const { weight, kernel, strides, dilations, pads, group } = node;
  const [outputs, height, width] = node.shape;
  const inputs = from[0] / group;
  weight.forEach((value, k) => {
    const [p, q] = [Math.floor(k / kernel[1]) % kernel[0], k % kernel[1]];
    const pair = Math.floor(k / (kernel[0] * kernel[1]));
    const output = Math.floor(pair / inputs);
    const input = Math.floor((output * group) / outputs) * inputs + (pair % inputs);
    for (let place = 0; place < height * width; place++) {
      const y = Math.floor(place / width) * strides[0] - pads[0] + p * dilations[0];
      const x = (place % width) * strides[1] - pads[1] + q * dilations[1];
      if (y < 0 || y >= from[1] || x < 0 || x >= from[2]) continue;
      put(output * height * width + place, (input * from[1] + y) * from[2] + x, value);
    }
  });
}

function fromEntries(rows: number, columns: number, entries: (put: Visit) => void): Matrix {
  const start = new Int32Array(rows + 1);
  entries((row) => void start[row + 1]++);
  for (let i = 0; i < rows; i++) start[i + 1] += start[i];
  const [next, column, value] = [start.slice(), new Int32Array(start[rows]), new Float64Array(start[rows])];
  entries((row, at, entry) => {
    column[next[row]] = at;
    value[next[row]++] = entry;
  });
  return { rows, columns, start, column, value };
}
