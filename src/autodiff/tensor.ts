import { InvalidArgumentError, ShapeError } from '../errors.js';
import { type Shape, formatShape, sizeOf } from '../tensor.js';
import { type Numbers, type Stored, onHost } from './arithmetic.js';

/** A dense row-major array with its shape. Tensors that a tape made lose their numbers when its scope ends. */
export class Tensor {
  /** The array where the arithmetic keeps it. */
  storage: Stored;
  readonly shape: Shape;

  /** @throws ShapeError when the data are not as many numbers as the shape says. */
  constructor(data: Stored, shape: Shape) {
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `tensor: ${data.length} numbers do not fill shape ${formatShape(shape)} (${sizeOf(shape)})`,
      );
    }
    this.storage = data;
    this.shape = shape;
  }

  /**
   * The numbers themselves, to read and to write.
   *
   * @throws InvalidArgumentError where they lie on a device: `Tape.read` copies them from there.
   */
  get data(): Numbers {
    if (onHost(this.storage)) return this.storage;
    throw new InvalidArgumentError(
      `tensor of shape ${formatShape(this.shape)}: its numbers lie on a device; read them by tape.read(tensor)`,
    );
  }

  get size(): number {
    return this.storage.length;
  }

  /** The value of a tensor of one element on the host. */
  item(): number {
    if (this.size === 1) return this.data[0];
    throw new ShapeError(`item: the tensor has shape ${formatShape(this.shape)}, expected one element`);
  }
}
