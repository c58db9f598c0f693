/** Affine maps as sparse matrices: one representation for every affine operator of the graph. */
import { UnsupportedError } from '../errors.js';
import type { GraphNode } from '../model/graph.js';
import { type Shape, sizeOf } from '../tensor.js';

/** By columns, because many values are 0: entries of column j are `row[k], value[k]` for start[j] <= k < start[j + 1]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly start: Int32Array;
  readonly row: Int32Array;
  readonly value: Float64Array;
}

export type AffineNode = Exclude<GraphNode, { op: 'input' | 'reshape' | 'relu' | 'add' }>;

type Put = (row: number, column: number, value: number) => void;

/** Entries (12 bytes each) that a matrix may have, and products that a composition may take. */
const mostEntries = 2 ** 25;
const mostProducts = 2 ** 33;

/** `A x + b`, in float64. */
export function times(matrix: Matrix, x: Float64Array, b?: Float64Array): Float64Array {
  const { rows, start, row, value } = matrix;
  const y = b ? b.slice() : new Float64Array(rows);
  for (let j = 0; j < x.length; j++) {
    const factor = x[j];
    const end = factor === 0 ? 0 : start[j + 1];
    for (let k = start[j]; k < end; k++) y[row[k]] += factor * value[k];
  }
  return y;
}

/** `|A|`. */
export function magnitudes(matrix: Matrix): Matrix {
  return { ...matrix, value: matrix.value.map(Math.abs) };
}

/** What `measure` makes of the entries of each column. */
export function perColumn(matrix: Matrix, measure: (entries: Float64Array) => number): Float64Array {
  const { columns, start, value } = matrix;
  return new Float64Array(columns).map((_, j) => measure(value.subarray(start[j], start[j + 1])));
}

/** `A^T`. */
export function transpose({ rows, columns, start, row, value }: Matrix): Matrix {
  return fromEntries(columns, rows, (put) => {
    for (let j = 0; j < columns; j++) {
      for (let k = start[j]; k < start[j + 1]; k++) put(j, row[k], value[k]);
    }
  });
}

/** The matrix `A B`, in float64, its columns in the order of their rows; undefined where it would be too large. */
export function product(a: Matrix, b: Matrix): Matrix | undefined {
  const size = Math.max(a.rows, a.columns) * b.columns;
  const products = b.row.reduce((sum, i) => sum + a.start[i + 1] - a.start[i], 0);
  if (Math.min(products, size) > mostEntries || Math.max(products, size) > mostProducts) return undefined;
  return fromEntries(a.rows, b.columns, (put) => {
    for (let j = 0; j < b.columns; j++) {
      const column = new Float64Array(b.rows);
      for (let k = b.start[j]; k < b.start[j + 1]; k++) column[b.row[k]] = b.value[k];
      times(a, column).forEach((sum, i) => sum !== 0 && put(i, j, sum));
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
  const why = `node '${node.name}' has ${most} entries, and the checker takes at most ${mostEntries}`;
  if (most > mostEntries) throw new UnsupportedError(why);
  return fromEntries(rows, columns, (put) => {
    if (node.op === 'conv') convolution(node, from, put);
    else if (node.op === 'scale') node.scale.forEach((a, i) => put(i, i, a));
    else if (node.op === 'index') node.indices.forEach((j, i) => j >= 0 && put(i, j, 1));
    else node.weight.forEach((a, k) => put(Math.floor(k / columns), k % columns, a));
  });
}

/** Weight k joins one input channel to one output channel, in each place of the output that sees no padding. */
function convolution(node: Extract<AffineNode, { op: 'conv' }>, from: Shape, put: Put): void {
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

/** `entries` is called twice: to count, then to fill. */
function fromEntries(rows: number, columns: number, entries: (put: Put) => void): Matrix {
  const start = new Int32Array(columns + 1);
  entries((_, at) => void start[at + 1]++);
  for (let j = 0; j < columns; j++) start[j + 1] += start[j];
  const [next, row] = [start.slice(), new Int32Array(start[columns])];
  const value = new Float64Array(row.length);
  entries((i, at, entry) => {
    row[next[at]] = i;
    value[next[at]++] = entry;
  });
  return { rows, columns, start, row, value };
}
