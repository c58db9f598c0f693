/** Gradients of the tape against central differences, in float64. */
import {
  type Arithmetic,
  NativeArithmetic,
  type Numbers,
  ReferenceArithmetic,
  Tape,
  Tensor,
} from '../../src/autodiff/index.js';
import { type Shape, sizeOf } from '../../src/tensor.js';
import { noise } from './onnxruntime.js';

/** A loss of one element from tensors of the given shapes. */
export type Loss = (tape: Tape, ...inputs: Tensor[]) => Tensor;

export interface Problem {
  readonly shapes: readonly Shape[];
  readonly loss: Loss;
  /** Maps noise in [-1, 1) to inputs, where the function has a domain. */
  readonly from?: (x: number) => number;
}

function inputs(problem: Problem, seed: number, arithmetic: Arithmetic): Tensor[] {
  const { shapes, from = (x) => x } = problem;
  return shapes.map((shape, i) => {
    const values = noise(seed + 17 * i, sizeOf(shape)).map((x) => Math.fround(from(x)));
    const stored = arithmetic.allocate(values.length);
    arithmetic.upload(values, stored);
    return new Tensor(stored, shape);
  });
}

/**
 * The first place where a float64 gradient differs from central differences, or a native one from the float64
 * one, in words; undefined when there is none.
 */
export function wrongGradient(problem: Problem, seed: number): string | undefined {
  const tape = new Tape(new ReferenceArithmetic());
  const exact = inputs(problem, seed, tape.arithmetic);
  const value = (): number => tape.scope(() => problem.loss(tape, ...exact).item());
  const gradients = tape.scope(() =>
    tape.grad(problem.loss(tape, ...exact), exact).map(({ data }) => Float64Array.from(data)),
  );
  const h = 1e-5;
  for (const [i, { data }] of exact.entries()) {
    for (let at = 0; at < data.length; at++) {
      const kept = data[at];
      data[at] = kept + h;
      const above = value();
      data[at] = kept - h;
      const slope = (above - value()) / (2 * h);
      data[at] = kept;
      if (!(Math.abs(gradients[i][at] - slope) < 1e-6 * Math.max(1, Math.abs(slope)))) {
        return `input ${i}, entry ${at}: ${gradients[i][at]}, differences say ${slope}`;
      }
    }
  }
  return wrongOn(new NativeArithmetic({ threads: 1 }), problem, seed);
}

/** The first place where another arithmetic's loss or gradient differs from the float64 one, in words. */
export function wrongOn(arithmetic: Arithmetic, problem: Problem, seed: number): string | undefined {
  const evaluate = (under: Arithmetic): { loss: number; gradients: Numbers[] } => {
    const tape = new Tape(under);
    return tape.scope(() => {
      const leaves = inputs(problem, seed, under);
      const loss = problem.loss(tape, ...leaves);
      const gradients = tape.grad(loss, leaves).map((gradient) => tape.read(gradient).slice());
      return { loss: tape.read(loss)[0], gradients };
    });
  };
  const [expected, given] = [evaluate(new ReferenceArithmetic()), evaluate(arithmetic)];
  if (!(Math.abs(given.loss - expected.loss) < 2e-5 * Math.max(1, Math.abs(expected.loss)))) {
    return `native loss ${given.loss}, float64 ${expected.loss}`;
  }
  for (const [i, gradient] of given.gradients.entries()) {
    const wanted = expected.gradients[i];
    const size = Math.max(1, ...Array.from(wanted, Math.abs));
    const at = Array.from(gradient).findIndex((x, j) => !(Math.abs(x - wanted[j]) < 1e-4 * size));
    if (at >= 0) return `native, input ${i}, entry ${at}: ${gradient[at]}, float64 ${wanted[at]}`;
  }
  return undefined;
}
