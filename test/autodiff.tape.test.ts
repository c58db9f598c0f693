import { describe, expect, it } from 'vitest';
import {
  type Arithmetic,
  NativeArithmetic,
  ReferenceArithmetic,
  Tape,
  Tensor,
} from '../src/autodiff/index.js';
import { InvalidArgumentError, ShapeError } from '../src/errors.js';
import { noise } from './support/onnxruntime.js';

const matrix = (rows: number, columns: number, seed: number): Tensor =>
  new Tensor(Float32Array.from(noise(seed, rows * columns)), [rows, columns]);

describe('tape', () => {
  it('gives zeros for what the loss does not depend on, and follows only what is asked for', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const [a, b, c] = [matrix(2, 3, 1), matrix(2, 3, 2), matrix(2, 3, 3)];
    const loss = tape.sum(tape.multiply(a, b));
    const [byA, byC] = tape.grad(loss, [a, c]);
    expect(Array.from(byA.data)).toEqual(Array.from(b.data));
    expect(Array.from(byC.data)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('adds up the ways in which a tensor enters, without touching shared gradients', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const x = matrix(2, 2, 4);
    const y = tape.add(x, x);
    const z = tape.add(y, x);
    const [byX, byY] = tape.grad(tape.sum(tape.add(z, y)), [x, y]);
    expect(Array.from(byX.data)).toEqual([5, 5, 5, 5]);
    expect(Array.from(byY.data)).toEqual([2, 2, 2, 2]);
  });

  it('steps along the sign of a gradient, whoever reads the point', () => {
    const centre = matrix(5, 12, 13);
    const weight = matrix(7, 12, 14);
    const bias = new Tensor(new Float32Array(7).fill(0.1), [7]);
    const form = { step: 0.05, radius: 0.08, low: -0.9, high: 0.9 };
    const losses: Record<string, (tape: Tape, x: Tensor) => Tensor> = {
      layer: (tape, x) => tape.crossEntropy(tape.linear(x, weight, bias, { relu: true }), [1, 2, 3, 4, 6]),
      'no ReLU': (tape, x) => tape.sum(tape.square(tape.linear(x, weight, bias))),
      'read twice': (tape, x) => tape.add(tape.sum(tape.linear(x, weight, bias)), tape.sum(tape.square(x))),
      'no layer': (tape, x) => tape.sum(tape.square(x)),
      'not read': (tape) => tape.sum(weight),
    };
    for (const [name, loss] of Object.entries(losses)) {
      for (const arithmetic of [new NativeArithmetic({ threads: 1 }), new ReferenceArithmetic()]) {
        const tape = new Tape(arithmetic);
        const move = (step: (x: Tensor, middle: Tensor) => void): number[] => {
          const [x, middle] = [0, 0].map(() => tape.tensor(centre.data, centre.shape));
          for (let i = 0; i < 3; i++) step(x, middle);
          return Array.from(x.data);
        };
        const kept = move((x, middle) => {
          const [gradient] = tape.grad(loss(tape, x), [x]);
          tape.arithmetic.signStep(gradient.data, middle.data, x.data, form);
        });
        const along = move((x, middle) => tape.signStep(loss(tape, x), x, middle, form));
        expect({ name, along }).toEqual({ name, along: kept });
      }
    }
  });

  it('stops at stopGradient', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const x = matrix(2, 2, 5);
    const [byX] = tape.grad(tape.sum(tape.multiply(x, tape.stopGradient(x))), [x]);
    expect(Array.from(byX.data)).toEqual(Array.from(x.data));
  });

  it('uses the memory of the first step in every later one', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 2 }));
    const weight = matrix(8, 20, 6);
    const image = matrix(4, 20, 7);
    const labels = [1, 2, 3, 7];
    const step = (): number =>
      tape.scope(() => {
        const attacked = tape.tensor(image.data, image.shape);
        tape.scope(() => {
          const inner = tape.crossEntropy(tape.linear(attacked, weight), labels);
          const [g] = tape.grad(inner, [attacked]);
          tape.arithmetic.signStep(g.data, image.data, attacked.data, {
            step: 0.01,
            radius: 0.1,
            low: -1,
            high: 1,
          });
        });
        const loss = tape.crossEntropy(tape.relu(tape.linear(attacked, weight)), labels);
        const [g] = tape.grad(loss, [weight]);
        tape.arithmetic.combine(g.data, weight.data, -0.01, 1);
        return loss.item();
      });
    const first = step();
    const { allocated } = tape;
    const heap = process.memoryUsage().arrayBuffers;
    let last = first;
    for (let i = 0; i < 2000; i++) last = step();
    expect(last).toBeLessThan(first);
    expect(tape.allocated).toBe(allocated);
    expect(process.memoryUsage().arrayBuffers - heap).toBeLessThan(4e6);
  });

  it('takes the data of tensors whose scope has ended', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const x = matrix(2, 2, 8);
    const gone = tape.scope(() => tape.relu(x));
    expect(() => tape.add(gone, x)).toThrow('given 0');
  });

  it('refuses losses of several elements, shapes that do not fit and arrays of the wrong type', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const x = matrix(2, 3, 9);
    expect(() => tape.grad(x, [x])).toThrow(InvalidArgumentError);
    expect(() => tape.matmul(x, x)).toThrow(ShapeError);
    expect(() => tape.add(x, matrix(3, 2, 1))).toThrow(ShapeError);
    expect(() => tape.crossEntropy(x, [0, 3])).toThrow(InvalidArgumentError);
    expect(() => tape.relu(new Tensor(new Float64Array(2), [2]))).toThrow(/Float32Array/);
    expect(() => new Tensor(new Float32Array(5), [2, 3])).toThrow(ShapeError);
  });

  it('draws the same uniform numbers in both arithmetics, and nearly the same normal ones', () => {
    const [native, reference] = [new NativeArithmetic({ threads: 1 }), new ReferenceArithmetic()];
    const [a, b] = [native.allocate(999), reference.allocate(999)];
    const seed = 3 + 5 * 2 ** 33;
    native.uniform(a, seed, -1, 3);
    reference.uniform(b, seed, -1, 3);
    const furthest = (): number => Math.max(...Array.from(native.download(a), (x, i) => Math.abs(x - b[i])));
    expect(furthest()).toBeLessThan(1e-6);
    native.gaussian(a, seed, 0.5);
    reference.gaussian(b, seed, 0.5);
    expect(furthest()).toBeLessThan(1e-5);
  });

  it('computes a layer in one pass as it does in several, to the bit', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const [x, weight] = [matrix(9, 20, 10), matrix(17, 20, 11)];
    const bias = new Tensor(Float32Array.from(noise(12, 17)), [17]);
    const once = tape.linear(x, weight, bias, { relu: true });
    const passes = tape.relu(tape.add(tape.matmul(x, weight, { transposeB: true }), bias));
    expect(Array.from(once.data)).toEqual(Array.from(passes.data));
    const gradients = [once, passes].map((y) =>
      tape.grad(tape.sum(tape.square(y)), [x, weight, bias]).map(({ data }) => Array.from(data)),
    );
    expect(gradients[0]).toEqual(gradients[1]);
    expect(() => tape.linear(x, weight, matrix(17, 1, 1))).toThrow(ShapeError);
    expect(() => tape.linear(x, matrix(17, 19, 1), bias)).toThrow(ShapeError);
  });

  it('steps Adam alike in both arithmetics, and the moving average with it', () => {
    const start = noise(1, 50);
    const gradient = noise(2, 50);
    const form = { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, gradientScale: 0.7 };
    const [exact, single] = [new ReferenceArithmetic(), new NativeArithmetic({ threads: 1 })].map(
      (arithmetic: Arithmetic) => {
        const [g, w, m, v, average] = [gradient, start, [], [], start].map((values) => {
          const data = arithmetic.allocate(50);
          arithmetic.upload(values, data);
          return data;
        });
        for (let step = 1; step <= 10; step++) {
          arithmetic.adam(g, w, m, v, { ...form, step }, { average, decay: 0.8 });
        }
        return [...arithmetic.download(w), ...arithmetic.download(average)];
      },
    );
    expect(Math.max(...exact.map((x, i) => Math.abs(x - single[i])))).toBeLessThan(1e-5);
    expect(Math.abs(exact[0] - start[0])).toBeGreaterThan(0.5);
  });
});
