/** Sums, extremes and log-sum-exp over axes, and moving entries about. */
import { ShapeError } from '../../errors.js';
import { type Shape, formatShape, sizeOf } from '../../tensor.js';
import type { Recorder } from '../recorder.js';
import { Tensor } from '../tensor.js';
import { mapped, paired, summedTo } from './elementwise.js';

/** x repeated to `shape`, not recorded: the larger of x and x, broadcast. */
function spread(tape: Recorder, x: Tensor, shape: Shape): Tensor {
  const y = tape.empty(shape);
  tape.arithmetic.binary('max', x.storage, x.storage, y.storage, tape.layout(shape, x.shape, x.shape));
  return y;
}

/** Sum over `axes` (all of them when left out); summed axes stay with length 1 where `keep` says so. */
export function sum(tape: Recorder, x: Tensor, axes: readonly number[] | undefined, keep: boolean): Tensor {
  const summed = new Set(axes ?? x.shape.keys());
  for (const axis of summed) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= x.shape.length) {
      throw new ShapeError(`sum: axis ${axis} of shape ${formatShape(x.shape)}`);
    }
  }
  const kept = x.shape.map((dim, axis) => (summed.has(axis) ? 1 : dim));
  const y = summedTo(tape, x, kept);
  const shape = keep ? kept : x.shape.filter((_, axis) => !summed.has(axis));
  return tape.record([x], tape.copied(y, shape), (g) => [spread(tape, new Tensor(g.storage, kept), x.shape)]);
}

/** @throws ShapeError when the sizes differ. */
export function reshape(tape: Recorder, x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== x.size) {
    throw new ShapeError(`reshape: ${formatShape(x.shape)} does not fit ${formatShape(shape)}`);
  }
  return tape.record([x], tape.copied(x, shape), (g) => [tape.copied(g, x.shape)]);
}

/** Entries of x by their flat index, in a tensor of `shape`; 0 where the index is -1. */
export function gather(tape: Recorder, x: Tensor, indices: Int32Array, shape: Shape): Tensor {
  if (indices.length !== sizeOf(shape)) {
    throw new ShapeError(`gather: ${indices.length} indices do not fill shape ${formatShape(shape)}`);
  }
  const y = tape.empty(shape);
  tape.arithmetic.gather(x.storage, indices, y.storage);
  return tape.record([x], y, (g) => {
    const byX = tape.filled(x.shape, 0);
    tape.arithmetic.scatterAdd(g.storage, indices, byX.storage);
    return [byX];
  });
}

function lastAxis(x: Tensor, what: string): { rows: number; columns: number; shape: Shape } {
  const columns = x.shape.at(-1);
  if (columns === undefined || columns < 1) {
    throw new ShapeError(`${what}: shape ${formatShape(x.shape)} has no last axis to work along`);
  }
  return { rows: x.size / columns, columns, shape: x.shape.slice(0, -1) };
}

/** The largest entry along the last axis; the first of equals takes the gradient. */
export function largest(tape: Recorder, x: Tensor): Tensor {
  const { rows, columns, shape } = lastAxis(x, 'largest');
  const y = tape.empty(shape);
  tape.arithmetic.largestOfRows(x.storage, rows, columns, y.storage);
  return tape.record([x], y, (g) => {
    const byX = tape.empty(x.shape);
    tape.arithmetic.largestGradient(x.storage, y.storage, g.storage, rows, columns, byX.storage);
    return [byX];
  });
}

/** log sum exp along the last axis. */
export function logSumExp(tape: Recorder, x: Tensor): Tensor {
  const { rows, columns, shape } = lastAxis(x, 'logSumExp');
  const y = tape.empty(shape);
  tape.arithmetic.logSumExpOfRows(x.storage, rows, columns, y.storage);
  return tape.record([x], y, (g) => {
    const column = [...shape, 1];
    const softmax = mapped(tape, 'exp', paired(tape, 'subtract', x, new Tensor(y.storage, column)));
    return [paired(tape, 'multiply', softmax, new Tensor(g.storage, column))];
  });
}

/** Broadcasts x to `shape`. */
export function broadcastTo(tape: Recorder, x: Tensor, shape: Shape): Tensor {
  return tape.record([x], spread(tape, x, shape), (g) => [summedTo(tape, g, x.shape)]);
}

/** Tensors behind each other along the first axis. */
export function concatenate(tape: Recorder, parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  const rest = first.shape.slice(1);
  const bad = parts.find(({ shape }) => formatShape(shape.slice(1)) !== formatShape(rest));
  if (bad) {
    throw new ShapeError(`concatenate: shapes ${formatShape(first.shape)} and ${formatShape(bad.shape)}`);
  }
  const y = tape.empty([parts.reduce((count, { shape }) => count + shape[0], 0), ...rest]);
  const starts: number[] = [];
  let at = 0;
  for (const { storage: from, size: count } of parts) {
    tape.arithmetic.copy(from, y.storage, { from: 0, to: at, count });
    starts.push(at);
    at += count;
  }
  return tape.record(parts, y, (g) =>
    parts.map(({ shape, size: count }, i) => {
      const part = tape.empty(shape);
      tape.arithmetic.copy(g.storage, part.storage, { from: starts[i], to: 0, count });
      return part;
    }),
  );
}
