import { type Shape, stridesOf } from '../tensor.js';

/**
 * `[rank, dims..., strides...]` of `operands` that broadcast to `target`, with axes merged where every operand
 * walks through them as through one; what {@link Arithmetic} calls a layout.
 */
export function broadcastLayout(target: Shape, operands: readonly Shape[]): Int32Array {
  const steps = operands.map((shape) => {
    const own = stridesOf(shape);
    const lead = target.length - shape.length;
    return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : own[axis - lead]));
  });
  const dims: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (let axis = target.length - 1; axis >= 0; axis--) {
    const dim = target[axis];
    if (dim === 1) continue;
    const joins = dims.length > 0 && steps.every((step, i) => step[axis] === strides[i][0] * dims[0]);
    if (joins) {
      dims[0] *= dim;
    } else {
      dims.unshift(dim);
      steps.forEach((step, i) => strides[i].unshift(step[axis]));
    }
  }
  if (dims.length === 0) return Int32Array.of(1, 1, ...operands.map(() => 1));
  return Int32Array.of(dims.length, ...dims, ...strides.flat());
}
