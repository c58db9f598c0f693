/** Affine maps as sparse matrices: one representation for every affine operator of the graph. */
import { UnsupportedError } from '../errors.js';
import type { Graph, GraphNode } from '../model/graph.js';
import { sizeOf } from '../tensor.js';
import { type Box, checked, gamma, tiny } from './arithmetic.js';

/** Entries of row i are `column[k], value[k]` for start[i] <= k < start[i + 1]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly value: Float64Array;
}

/**
 * `y = A x + b`. Each entry of the matrix is the true one after at most `folds` roundings, so within
 * gamma(folds) of it, relatively; the true bias is within `biasError` of `bias`. Both are exact until maps
 * are composed (folds = 0).
 */
export interface Affine {
  readonly matrix: Matrix;
  readonly bias: Float64Array;
  readonly biasError: Float64Array;
  readonly folds: number;
}

type AffineNode = Exclude<GraphNode, { op: 'input' | 'reshape' | 'relu' | 'add' }>;

/** 12 bytes an entry, and everything is kept transposed too, so this is 768 MB. */
const mostEntries = 2 ** 25;

/** @throws UnsupportedError where the matrix would not fit into memory. */
export function affineOf(node: AffineNode, graph: Graph): Affine {
  const [rows, columns] = [sizeOf(node.shape), sizeOf(graph.nodes[node.input].shape)];
  const perRow = node.op === 'linear' ? columns : node.op === 'conv' ? node.weight.length / node.shape[0] : 1;
  const limit = rows * perRow;
  if (!(limit <= mostEntries && columns <= mostEntries)) {
    throw new UnsupportedError(`node '${node.name}' is too large for the checker: ${limit} entries`);
  }
  const [start, column, value] = [new Int32Array(rows + 1), new Int32Array(limit), new Float64Array(limit)];
  const bias = new Float64Array(rows);
  let count = 0;
  const put = (at: number, weight: number): void => {
    column[count] = at;
    value[count++] = weight;
  };
  for (let row = 0; row < rows; row++) {
    if (node.op === 'linear') {
      for (let i = 0; i < columns; i++) put(i, node.weight[row * columns + i]);
    } else if (node.op === 'scale') {
      put(row, node.scale[row]);
    } else if (node.op === 'index') {
      if (node.indices[row] >= 0) put(node.indices[row], 1);
    } else {
      convolutionRow(node, graph.nodes[node.input].shape, row, put);
    }
    if (node.op === 'scale') bias[row] = node.shift[row];
    else if (node.op === 'linear') bias[row] = node.bias[row];
    else if (node.op === 'conv') bias[row] = node.bias[Math.floor(row / (node.shape[1] * node.shape[2]))];
    start[row + 1] = count;
  }
  checked(value, `node '${node.name}'`);
  checked(bias, `node '${node.name}'`);
  const matrix = { rows, columns, start, column: column.slice(0, count), value: value.slice(0, count) };
  return { matrix, bias, biasError: new Float64Array(rows), folds: 0 };
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

export function transpose({ rows, columns, start, column, value }: Matrix): Matrix {
  const begin = new Int32Array(columns + 1);
  for (const j of column) begin[j + 1]++;
  for (let j = 0; j < columns; j++) begin[j + 1] += begin[j];
  const [next, row, entry] = [begin.slice(), new Int32Array(value.length), new Float64Array(value.length)];
  for (let i = 0; i < rows; i++) {
    for (let k = start[i]; k < start[i + 1]; k++) {
      row[next[column[k]]] = i;
      entry[next[column[k]]++] = value[k];
    }
  }
  return { rows: columns, columns: rows, start: begin, column: row, value: entry };
}

/** The largest number of entries in a row. */
export function widest({ start }: Matrix): number {
  return start.reduce((most, end, i) => (i === 0 ? 0 : Math.max(most, end - start[i - 1])), 0);
}

/** Whether no row and no column has two entries, as for scales, permutations and padding. */
function isMonomial(matrix: Matrix): boolean {
  return widest(matrix) <= 1 && new Set(matrix.column).size === matrix.column.length;
}

/**
 * `outer(inner(x))` as one map if one of the two is monomial, so that every entry is a single product
 * and its error relative; undefined otherwise, and where a product comes near underflow.
 */
export function compose(outer: Affine, inner: Affine): Affine | undefined {
  if (!isMonomial(outer.matrix) && !isMonomial(inner.matrix)) return undefined;
  const [A, B] = [outer.matrix, inner.matrix];
  const start = new Int32Array(A.rows + 1);
  const [column, value]: number[][] = [[], []];
  for (let i = 0; i < A.rows; i++) {
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      for (let m = B.start[A.column[k]]; m < B.start[A.column[k] + 1]; m++) {
        const product = A.value[k] * B.value[m];
        if (Math.abs(product) < tiny && A.value[k] !== 0 && B.value[m] !== 0) return undefined;
        column.push(B.column[m]);
        value.push(product);
      }
    }
    start[i + 1] = column.length;
  }
  const folds = outer.folds + inner.folds + 1;
  const matrix = {
    rows: A.rows,
    columns: B.columns,
    start,
    column: Int32Array.from(column),
    value: checked(Float64Array.from(value), 'a folded weight'),
  };
  const bias = apply(outer, inner.bias, inner.biasError);
  return { matrix, bias: bias.middle, biasError: bias.error, folds };
}

/**
 * Encloses `A x + b` for all x with |x - middle| <= radius: within `error` of the computed `middle`.
 * By Lemma 1 with |x| <= |middle| + radius; the terms of a row are its entries and the bias.
 */
export function apply(
  { matrix, bias, biasError, folds }: Affine,
  middle: Float64Array,
  radius: Float64Array,
): { middle: Float64Array; error: Float64Array } {
  const { rows, start, column, value } = matrix;
  const n = widest(matrix) + 1;
  const g = gamma(n + folds);
  const weight = radius.map((r, i) => r + g * (Math.abs(middle[i]) + r));
  const [sums, error] = [new Float64Array(rows), new Float64Array(rows)];
  for (let i = 0; i < rows; i++) {
    let [sum, spread] = [bias[i], g * Math.abs(bias[i]) + biasError[i] + n * tiny];
    for (let k = start[i]; k < start[i + 1]; k++) {
      sum += value[k] * middle[column[k]];
      spread += Math.abs(value[k]) * weight[column[k]];
    }
    sums[i] = sum;
    error[i] = spread * (1 + g);
  }
  return { middle: checked(sums, 'an activation'), error: checked(error, 'an activation') };
}

/** The box of `A x + b` over a box (interval arithmetic in centre and radius form). */
export function boxThrough(affine: Affine, box: Box): Box {
  const { middle, error } = centred(box);
  return around(apply(affine, middle, error));
}

export function centred({ lower, upper }: Box): { middle: Float64Array; error: Float64Array } {
  const middle = lower.map((low, i) => (low + upper[i]) / 2);
  return { middle, error: middle.map((m, i) => Math.max(upper[i] - m, m - lower[i]) * (1 + gamma(1))) };
}

/** `[middle - error, middle + error]`, rounded outward. */
export function around({ middle, error }: { middle: Float64Array; error: Float64Array }): Box {
  const reach = error.map((e, i) => (e + gamma(1) * Math.abs(middle[i])) * (1 + gamma(1)));
  return { lower: middle.map((m, i) => m - reach[i]), upper: middle.map((m, i) => m + reach[i]) };
}
