import { ShapeError } from '../errors.js';
import { type Shape, formatShape, sizeOf } from '../tensor.js';
import type { Numbers } from './arithmetic.js';

/** A dense row-major array with its shape. Tensors that a tape made lose their data when its scope ends. */
export class Tensor {
  data: Numbers;
  readonly shape: Shape;

  /** @throws ShapeError when the data are not as many numbers as the shape says. */
  constructor(data: Numbers, shape: Shape) {
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `tensor: ${data.length} numbers do not fill shape ${formatShape(shape)} (${sizeOf(shape)})`,
      );
    }
    this.data = data;
    this.shape = shape;
  }

  get size(): number {
    return this.data.length;
  }

  /** The value of a tensor of one element. */
  item(): number {
    if (this.data.length === 1) return this.data[0];
    throw new ShapeError(`item: the tensor has shape ${formatShape(this.shape)}, expected one element`);
  }
}
