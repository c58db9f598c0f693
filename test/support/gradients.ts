/** Gradients of the tape against central differences, in float64. */
import { NativeArithmetic, ReferenceArithmetic, Tape, Tensor } from '../../src/autodiff/index.js';
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

function inputs(
  problem: Problem,
  seed: number,
  make: (values: number[]) => Float32Array | Float64Array,
): Tensor[] {
  const { shapes, from = (x) => x } = problem;
  return shapes.map((shape, i) => {
    const values = noise(seed + 17 * i, sizeOf(shape)).map((x) => Math.fround(from(x)));
    return new Tensor(make(values), shape);
  });
}

/**
 * The first place where a float64 gradient differs from central differences, or a native one from the float64
 * one, in words; undefined when there is none.
 */
export function wrongGradient(problem: Problem, seed: number): string | undefined {
  const tape = new Tape(new ReferenceArithmetic());
  const exact = inputs(problem, seed, (values) => Float64Array.from(values));
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
  return wrongNative(problem, seed, value(), gradients);
}

function wrongNative(
  problem: Problem,
  seed: number,
  expected: number,
  gradients: readonly Float64Array[],
): string | undefined {
  const tape = new Tape(new NativeArithmetic({ threads: 1 }));
  const single = inputs(problem, seed, (values) => Float32Array.from(values));
  return tape.scope(() => {
    const loss = problem.loss(tape, ...single);
    if (!(Math.abs(loss.item() - expected) < 2e-5 * Math.max(1, Math.abs(expected)))) {
      return `native loss ${loss.item()}, float64 ${expected}`;
    }
    for (const [i, { data }] of tape.grad(loss, single).entries()) {
      const size = gradients[i].reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      const at = data.findIndex((x, j) => !(Math.abs(x - gradients[i][j]) < 1e-4 * size));
      if (at >= 0) return `native, input ${i}, entry ${at}: ${data[at]}, float64 ${gradients[i][at]}`;
    }
    return undefined;
  });
}
