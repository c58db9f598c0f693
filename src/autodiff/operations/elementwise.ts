/** Functions of single entries and of pairs of entries, with broadcasting as in ONNX (numpy). */
import { type Shape, broadcastShapes, sameShape } from '../../tensor.js';
import type { BinaryKind, UnaryKind } from '../arithmetic.js';
import type { Recorder } from '../recorder.js';
import type { Tensor } from '../tensor.js';

/** y = f(x), not recorded. */
export function mapped(tape: Recorder, kind: UnaryKind, x: Tensor): Tensor {
  const y = tape.empty(x.shape);
  tape.arithmetic.unary(kind, x.storage, y.storage);
  return y;
}

/** a o b, broadcast, not recorded. */
export function paired(tape: Recorder, kind: BinaryKind, a: Tensor, b: Tensor): Tensor {
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShapes(a.shape, b.shape, kind);
  const y = tape.empty(shape);
  tape.arithmetic.binary(kind, a.storage, b.storage, y.storage, tape.layout(shape, a.shape, b.shape));
  return y;
}

/** factor * x + shift, not recorded. */
export function scaled(tape: Recorder, x: Tensor, factor: number, shift = 0): Tensor {
  const y = tape.empty(x.shape);
  tape.arithmetic.scale(x.storage, y.storage, factor, shift);
  return y;
}

/** x summed over the axes that broadcasting `shape` to x's shape repeats, not recorded. */
export function summedTo(tape: Recorder, x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const y = tape.filled(shape, 0);
  tape.arithmetic.addReduced(x.storage, y.storage, tape.layout(x.shape, shape));
  return y;
}

type Slope = (tape: Recorder, gradient: Tensor, x: Tensor, y: Tensor) => Tensor;

/** The kinds that can be differentiated; at kinks the derivative of one side, 0 for relu, abs and sqrt at 0. */
const slopes = {
  relu: (tape, g, x) => paired(tape, 'gate', g, x),
  abs: (tape, g, x) => paired(tape, 'multiply', g, mapped(tape, 'sign', x)),
  exp: (tape, g, _x, y) => paired(tape, 'multiply', g, y),
  log: (tape, g, x) => paired(tape, 'divide', g, x),
  sqrt: (tape, g, _x, y) => paired(tape, 'gate', paired(tape, 'divide', g, scaled(tape, y, 2)), y),
  reciprocal: (tape, g, _x, y) => paired(tape, 'multiply', g, scaled(tape, mapped(tape, 'square', y), -1)),
  square: (tape, g, x) => paired(tape, 'multiply', g, scaled(tape, x, 2)),
  softplus: (tape, g, x) => paired(tape, 'multiply', g, mapped(tape, 'sigmoid', x)),
  sigmoid: (tape, g, _x, y) =>
    paired(tape, 'multiply', g, paired(tape, 'multiply', y, scaled(tape, y, -1, 1))),
} satisfies Partial<Record<UnaryKind, Slope>>;

export type SmoothKind = keyof typeof slopes;

export function unary(tape: Recorder, kind: SmoothKind, x: Tensor): Tensor {
  const y = mapped(tape, kind, x);
  return tape.record([x], y, (g) => [slopes[kind](tape, g, x, y)]);
}

export function scale(tape: Recorder, x: Tensor, factor: number, shift: number): Tensor {
  return tape.record([x], scaled(tape, x, factor, shift), (g) => [scaled(tape, g, factor)]);
}

export function add(tape: Recorder, a: Tensor, b: Tensor): Tensor {
  return tape.record([a, b], paired(tape, 'add', a, b), (g, [needA, needB]) => [
    needA ? summedTo(tape, g, a.shape) : undefined,
    needB ? summedTo(tape, g, b.shape) : undefined,
  ]);
}

export function subtract(tape: Recorder, a: Tensor, b: Tensor): Tensor {
  return tape.record([a, b], paired(tape, 'subtract', a, b), (g, [needA, needB]) => [
    needA ? summedTo(tape, g, a.shape) : undefined,
    needB ? scaled(tape, summedTo(tape, g, b.shape), -1) : undefined,
  ]);
}

export function multiply(tape: Recorder, a: Tensor, b: Tensor): Tensor {
  return tape.record([a, b], paired(tape, 'multiply', a, b), (g, [needA, needB]) => [
    needA ? summedTo(tape, paired(tape, 'multiply', g, b), a.shape) : undefined,
    needB ? summedTo(tape, paired(tape, 'multiply', g, a), b.shape) : undefined,
  ]);
}

export function divide(tape: Recorder, a: Tensor, b: Tensor): Tensor {
  const y = paired(tape, 'divide', a, b);
  return tape.record([a, b], y, (g, [needA, needB]) => {
    const byA = paired(tape, 'divide', g, b);
    return [
      needA ? summedTo(tape, byA, a.shape) : undefined,
      needB ? scaled(tape, summedTo(tape, paired(tape, 'multiply', byA, y), b.shape), -1) : undefined,
    ];
  });
}

/** The larger (or smaller) of both; where they are equal the gradient goes to b. */
export function extreme(tape: Recorder, kind: 'max' | 'min', a: Tensor, b: Tensor): Tensor {
  return tape.record([a, b], paired(tape, kind, a, b), (g, [needA, needB]) => {
    const takesA = kind === 'max' ? paired(tape, 'greater', a, b) : paired(tape, 'greater', b, a);
    const byA = paired(tape, 'multiply', g, takesA);
    return [
      needA ? summedTo(tape, byA, a.shape) : undefined,
      needB ? summedTo(tape, paired(tape, 'subtract', g, byA), b.shape) : undefined,
    ];
  });
}

/** The same numbers without a past. */
export function stopGradient(tape: Recorder, x: Tensor): Tensor {
  return tape.copied(x, x.shape);
}
