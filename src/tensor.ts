/**
 * Shapes of row-major arrays: sizes, strides, broadcasting and how a shape is written in a message.
 */
import { ShapeError } from './errors.js';

export type Shape = readonly number[];

/** Number of elements; 1 for the scalar shape `[]`. Never overflows: huge shapes give a huge number. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** `[1, 28, 28]` as written in error messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Elements between neighbours along each axis of a row-major array. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/**
 * The shape that both operands take under ONNX (numpy) broadcasting; `where` starts the message.
 * @throws ShapeError when a pair of dimensions differs and neither is 1.
 */
export function broadcastShapes(a: Shape, b: Shape, where: string): number[] {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let axis = 0; axis < rank; axis++) {
    const da = a[axis - rank + a.length] ?? 1;
    const db = b[axis - rank + b.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) {
      throw new ShapeError(`${where}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    }
    shape[axis] = da === 1 ? db : da;
  }
  return shape;
}

/**
 * For every element of `target`, in row-major order, the flat index of the element of `from` that
 * broadcasting puts there. `from` must broadcast to `target`.
 */
export function broadcastIndices(from: Shape, target: Shape): Int32Array {
  const own = stridesOf(from);
  const lead = target.length - from.length;
  const steps = target.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : own[axis - lead]));
  return stridedIndices(target, steps);
}

/** Flat source index of every element of a row-major array of `shape` whose axes step by `steps`. */
export function stridedIndices(shape: Shape, steps: readonly number[]): Int32Array {
  const indices = new Int32Array(sizeOf(shape));
  // Axes of length 1 do not move anything; a hostile file may have any number of them.
  const axes = Array.from(shape.keys()).filter((axis) => shape[axis] !== 1);
  const counter = new Int32Array(axes.length);
  let source = 0;
  for (let i = 0; i < indices.length; i++) {
    indices[i] = source;
    for (let place = axes.length - 1; place >= 0; place--) {
      const axis = axes[place];
      source += steps[axis];
      if (++counter[place] < shape[axis]) break;
      source -= steps[axis] * shape[axis];
      counter[place] = 0;
    }
  }
  return indices;
}
