/** Certified violations as expressions of the weights: gradients, soundness, agreement with the engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  NativeArithmetic,
  ShapeError,
  Tape,
  TrainableNetwork,
  Verifier,
  ballLinf,
  certifiedViolation,
  outputBounds,
  outputs,
  parseArchitecture,
} from '../src/index.js';
import { evaluate } from '../src/model/evaluate.js';
import { wrongGradient } from './support/gradients.js';
import { Random } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const architecture = parseArchitecture('3-8-6-2');

describe('outputBounds', () => {
  let verifier: Verifier;
  beforeAll(() => {
    verifier = new Verifier({ threads: 1 });
  });
  afterAll(() => verifier.close());

  it('contain what the network does, and are no tighter than what the engine proves', async () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const network = new TrainableNetwork(architecture, tape.arithmetic, 3);
    const random = new Random(8);
    const images = Array.from({ length: 5 }, () => Float32Array.from(random.normals(3)));
    const eps = 0.4;
    const [lower, upper] = tape.scope(() => {
      const x = tape.tensor(
        images.flatMap((image) => [...image]),
        [5, 3],
      );
      const bounds = outputBounds(tape, network, x, eps);
      return [Float64Array.from(bounds.lower.data), Float64Array.from(bounds.upper.data)];
    });
    const model = await network.model();
    const region = ballLinf(images, eps);
    for (let image = 0; image < 5; image += 1) {
      for (const point of samplePoints(random, region, image, 200)) {
        evaluate(model.graph, point).forEach((y, j) => {
          expect(y).toBeGreaterThan(lower[2 * image + j] - 1e-5);
          expect(y).toBeLessThan(upper[2 * image + j] + 1e-5);
        });
      }
    }
    const proven = await verifier.bounds(model, region, { specification: outputs(), upper: true });
    proven.lower.forEach((bound, i) => expect(bound).toBeGreaterThan(lower[i] - 1e-4));
    proven.upper?.forEach((bound, i) => expect(bound).toBeLessThan(upper[i] + 1e-4));
  });
});

describe('certifiedViolation', () => {
  const limits = { lower: [-0.3, -0.1], upper: [0.4, 0.2] };

  it('has the gradients that differences show', () => {
    // The network's own weights are replaced by the tensors that are differentiated.
    const shapes = [[8, 3], [8], [6, 8], [6], [2, 6], [2], [4, 3]];
    const wrong = wrongGradient(
      {
        shapes,
        loss(tape, ...tensors) {
          const network = new TrainableNetwork(architecture, tape.arithmetic, 1);
          const layers = network.layers.map(({ spec }, k) => ({
            spec,
            weight: tensors[2 * k],
            bias: tensors[2 * k + 1],
          }));
          const own = Object.assign(Object.create(network) as TrainableNetwork, { layers });
          return certifiedViolation(tape, own, tensors[6], 0.1, limits);
        },
      },
      11,
    );
    expect(wrong).toBeUndefined();
  });

  it('is 0 where limits are far, and refuses limits of another number', () => {
    const tape = new Tape(new NativeArithmetic({ threads: 1 }));
    const network = new TrainableNetwork(architecture, tape.arithmetic, 1);
    tape.scope(() => {
      const x = tape.tensor([0, 0, 0], [1, 3]);
      const far = { lower: [-1e3, -1e3], upper: [1e3, 1e3] };
      expect(certifiedViolation(tape, network, x, 0.1, far).item()).toBe(0);
      const one = { lower: [0], upper: [1] };
      expect(() => certifiedViolation(tape, network, x, 0.1, one)).toThrow(ShapeError);
    });
  });
});
