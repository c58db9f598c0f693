/**
 * A training step of a 784-128-128-10 network, and one on images that PGD-10 attacked first, each beside its
 * matrix products alone, batch 256 on one thread.
 */
import {
  NativeArithmetic,
  Tape,
  Tensor,
  TrainableNetwork,
  attackLinf,
  parseArchitecture,
} from '../dist/index.js';
import { Optimiser } from '../dist/train/optimiser.js';

const sizes = [784, 128, 128, 10];
const batch = 256;
const steps = 10;
const attack = { eps: 0.08, stepSize: 0.01, steps: 10, restarts: 1, seed: 1 };
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, clip: 0 };

/** What the rows of targets compare. */
export const trainingNames = { step: 'training step', attacked: 'training step on PGD-10' };
export const productsOf = (name) => `${name}: its products alone`;

/** The products of one pass as `{ m, n, k, transposeA, transposeB }`. */
const forward = sizes
  .slice(1)
  .map((n, k) => ({ m: batch, n, k: sizes[k], transposeA: false, transposeB: true }));
const toInputs = forward.map(({ m, n, k }) => ({ m, n: k, k: n, transposeA: false, transposeB: false }));
const toWeights = forward.map(({ m, n, k }) => ({ m: n, n: k, k: m, transposeA: true, transposeB: false }));
const step = [...forward, ...toInputs.slice(1), ...toWeights];
const attackStep = [...forward, ...toInputs];

const flops = (products) => products.reduce((sum, { m, n, k }) => sum + 2 * m * n * k, 0);

export function trainingCases() {
  const arithmetic = new NativeArithmetic({ threads: 1 });
  const tape = new Tape(arithmetic);
  const network = new TrainableNetwork(parseArchitecture(sizes.join('-')), arithmetic, 1);
  const optimiser = new Optimiser(tape, network.parameters, adam);
  const pixels = arithmetic.allocate(batch * sizes[0]);
  arithmetic.uniform(pixels, 1, 0, 1);
  const images = new Tensor(pixels, [batch, sizes[0]]);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  let count = 0;

  const trainStep = (attacked) =>
    tape.scope(() => {
      const x = attacked ? attackLinf(tape, network, images, labels, attack) : images;
      const loss = tape.crossEntropy(network.forward(tape, x), labels);
      optimiser.step(tape.grad(loss, network.parameters), 1e-4, ++count);
    });

  const largest = Math.max(...step.map(({ m, n, k }) => Math.max(m * n, m * k, n * k)));
  const [a, b, c] = [1, 2, 3].map((seed) => {
    const array = arithmetic.allocate(largest);
    arithmetic.uniform(array, seed, -1, 1);
    return array;
  });
  const multiply = (products) => {
    for (const form of products) {
      const { m, n, k } = form;
      arithmetic.product(a.subarray(0, m * k), b.subarray(0, k * n), c.subarray(0, m * n), form, false);
    }
  };

  const pair = (name, products, run) =>
    [
      { name, once: run },
      { name: productsOf(name), once: () => multiply(products) },
    ].map((one) => ({
      name: one.name,
      group: 'training',
      images: steps * batch,
      floor: steps * flops(products),
      run: () => {
        for (let i = 0; i < steps; i++) one.once();
      },
    }));
  const attacks = Array.from({ length: attack.steps }, () => attackStep).flat();
  return {
    cases: [
      ...pair(trainingNames.step, step, () => trainStep(false)),
      ...pair(trainingNames.attacked, [...attacks, ...step], () => trainStep(true)),
    ],
    close: () => undefined,
  };
}
