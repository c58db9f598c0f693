import { InvalidArgumentError, ShapeError } from '../errors.js';
import { type Shape, formatShape, sizeOf } from '../tensor.js';
import { type Arithmetic, type Numbers, type SignStepForm, type Stored, onHost } from './arithmetic.js';
import { broadcastLayout } from './layout.js';
import { Tensor } from './tensor.js';

/** Gradients of an operation's inputs, given that of its output; only those wanted are looked at. */
export type Backward = (gradient: Tensor, wanted: readonly boolean[]) => readonly (Tensor | undefined)[];

/** A sign step of an operation's first input, given the gradient of its output. */
export type Ascent = (gradient: Tensor, centre: Tensor, form: SignStepForm) => void;

interface Entry {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly backward: Backward;
  readonly ascent: Ascent | undefined;
}

const noNumbers = new Float32Array(0);

/**
 * What every tape does, whatever its operations: memory, the record of operations, and gradients.
 *
 * Memory is reused: arrays that were made inside a scope go back to a pool when it ends, and the next step,
 * which asks for the same sizes, finds them there.
 */
export class Recorder {
  readonly arithmetic: Arithmetic;
  #entries: Entry[] = [];
  #made: Tensor[] = [];
  readonly #pool = new Map<number, Stored[]>();
  readonly #staged = new Map<number, Float32Array>();
  readonly #layouts = new Map<string, Int32Array>();
  #allocated = 0;

  constructor(arithmetic: Arithmetic) {
    this.arithmetic = arithmetic;
  }

  /** Numbers in all arrays that this tape ever allocated: constant once a step has run. */
  get allocated(): number {
    return this.#allocated;
  }

  /**
   * Runs `work` and takes back all memory of the tensors that were made in it: they must not be used
   * afterwards (their data are then empty). Scopes nest.
   */
  scope<T>(work: () => T): T {
    const entries = this.#entries.length;
    const made = this.#made.length;
    try {
      return work();
    } finally {
      this.#entries.length = entries;
      for (const tensor of this.#made.splice(made)) {
        this.#free(tensor.storage);
        tensor.storage = noNumbers;
      }
    }
  }

  /** A tensor of the tape's own memory, contents unspecified. */
  empty(shape: Shape): Tensor {
    const length = sizeOf(shape);
    let data = this.#pool.get(length)?.pop();
    if (data === undefined) {
      data = this.arithmetic.allocate(length);
      this.#allocated += length;
    }
    const tensor = new Tensor(data, shape);
    this.#made.push(tensor);
    return tensor;
  }

  /**
   * The layout of operands that broadcast to `target`, kept from step to step: a small array that native code
   * reads once gets memory outside of the heap, which the collector is slow to take back.
   */
  layout(target: Shape, ...operands: readonly Shape[]): Int32Array {
    const key = `${target.join()}|${operands.map((shape) => shape.join()).join('|')}`;
    let layout = this.#layouts.get(key);
    if (layout === undefined) this.#layouts.set(key, (layout = broadcastLayout(target, operands)));
    return layout;
  }

  filled(shape: Shape, value: number): Tensor {
    const tensor = this.empty(shape);
    this.arithmetic.fill(tensor.storage, value);
    return tensor;
  }

  /** A copy of `values` in the tape's memory and precision. */
  tensor(values: ArrayLike<number>, shape: Shape): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new ShapeError(`tensor: ${values.length} numbers do not fill shape ${formatShape(shape)}`);
    }
    const tensor = this.empty(shape);
    this.arithmetic.upload(values, tensor.storage);
    return tensor;
  }

  /**
   * A tensor whose numbers the host writes: `write` is given an array with unspecified contents, the tensor's own
   * where that lies on the host.
   */
  written(shape: Shape, write: (numbers: Numbers) => void): Tensor {
    const tensor = this.empty(shape);
    if (onHost(tensor.storage)) {
      write(tensor.storage);
      return tensor;
    }
    let staged = this.#staged.get(tensor.size);
    if (staged === undefined) this.#staged.set(tensor.size, (staged = new Float32Array(tensor.size)));
    write(staged);
    this.arithmetic.upload(staged, tensor.storage);
    return tensor;
  }

  /** The same numbers under another shape of as many elements, in memory of their own; not recorded. */
  copied(x: Tensor, shape: Shape): Tensor {
    const tensor = this.empty(shape);
    this.arithmetic.copy(x.storage, tensor.storage);
    return tensor;
  }

  /**
   * The numbers of a tensor on the host: on the CPU its own array, else a copy, for which everything that is
   * queued on the device is waited for.
   */
  read(x: Tensor): Numbers {
    return this.arithmetic.download(x.storage);
  }

  /** Gives all memory back that no tensor uses, which devices need to be told. */
  close(): void {
    for (const free of this.#pool.values()) for (const data of free) this.arithmetic.free(data);
    this.#pool.clear();
    this.#staged.clear();
  }

  /** Notes that `output` was computed from `inputs`. */
  record(inputs: readonly Tensor[], output: Tensor, backward: Backward, ascent?: Ascent): Tensor {
    this.#entries.push({ inputs, output, backward, ascent });
    return output;
  }

  /**
   * Gradients of a loss of one element with respect to tensors that it was computed from, in tape memory; zeros
   * where the loss does not depend on one. Only what lies between them and the loss is walked: weights
   * cost nothing when the gradient of an input is asked for.
   */
  grad(loss: Tensor, wanted: readonly Tensor[]): Tensor[] {
    const gradients = this.#walk(loss, new Set(wanted));
    return wanted.map((tensor) => gradients.get(tensor)?.tensor ?? this.filled(tensor.shape, 0));
  }

  /**
   * One step of an l-infinity attack on `x`, in place, along the sign of the gradient of a loss of one
   * element. Where a single layer reads x, the gradient goes into the step as it is made.
   */
  signStep(loss: Tensor, x: Tensor, centre: Tensor, form: SignStepForm): void {
    const readers = this.#entries.filter(({ inputs }) => inputs.includes(x));
    const [{ inputs, output, ascent } = { inputs: [], output: x, ascent: undefined }] = readers;
    const alone = readers.length === 1 && inputs.filter((input) => input === x).length === 1;
    if (ascent !== undefined && alone && inputs[0] === x) {
      const gradient = this.#walk(loss, new Set([output])).get(output)?.tensor;
      if (gradient !== undefined) ascent(gradient, centre, form);
      return;
    }
    const [gradient] = this.grad(loss, [x]);
    this.arithmetic.signStep(gradient.storage, centre.storage, x.storage, form);
  }

  #walk(loss: Tensor, depends: Set<Tensor>): Map<Tensor, { tensor: Tensor; owned: boolean }> {
    if (loss.size !== 1) {
      throw new InvalidArgumentError(
        `grad: the loss has shape ${formatShape(loss.shape)}, expected one element`,
      );
    }
    for (const { inputs, output } of this.#entries) {
      if (inputs.some((input) => depends.has(input))) depends.add(output);
    }
    const gradients = new Map<Tensor, { tensor: Tensor; owned: boolean }>();
    gradients.set(loss, { tensor: this.filled(loss.shape, 1), owned: true });
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const { inputs, output, backward } = this.#entries[at];
      const gradient = gradients.get(output);
      if (gradient === undefined || !depends.has(output)) continue;
      const needed = inputs.map((input) => depends.has(input));
      if (!needed.includes(true)) continue;
      const parts = backward(gradient.tensor, needed);
      inputs.forEach((input, i) => {
        const part = parts[i];
        if (needed[i] && part !== undefined) this.#accumulate(gradients, input, part);
      });
    }
    return gradients;
  }

  /** The first part may be shared with another tensor's gradient, so the sum gets memory of its own. */
  #accumulate(gradients: Map<Tensor, { tensor: Tensor; owned: boolean }>, input: Tensor, part: Tensor): void {
    const known = gradients.get(input);
    if (known === undefined) {
      gradients.set(input, { tensor: part, owned: false });
      return;
    }
    if (!known.owned) {
      gradients.set(input, { tensor: this.copied(known.tensor, input.shape), owned: true });
    }
    this.arithmetic.combine(part.storage, gradients.get(input)!.tensor.storage, 1, 1);
  }

  #free(data: Stored): void {
    const free = this.#pool.get(data.length);
    if (free === undefined) this.#pool.set(data.length, [data]);
    else free.push(data);
  }
}
