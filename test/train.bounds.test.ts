import { afterAll, describe, expect, it } from 'vitest';
import { NativeArithmetic, ReferenceArithmetic, Tape, type Tensor } from '../src/autodiff/index.js';
import { InvalidArgumentError } from '../src/errors.js';
import { ballLinf, margins } from '../src/problem/index.js';
import {
  hiddenIntervals,
  inputBox,
  layerInterval,
  marginBounds,
  worstCrossEntropies,
  worstLogits,
} from '../src/train/bounds.js';
import {
  closedFormRadii,
  crownLower,
  inversePenalty,
  marginRows,
  mixedPenalty,
  softMin,
  targetHinge,
} from '../src/train/crown.js';
import { TrainableNetwork, parseArchitecture } from '../src/train/index.js';
import { jointAlpha, paperJointAlpha } from '../src/train/joint-alpha.js';
import { cleanMargins } from '../src/train/penalties.js';
import { certifiedRadii } from '../src/train/recipes/hybrid.js';
import { Verifier } from '../src/verify/index.js';
import { noise, random } from './support/onnxruntime.js';

const verifier = new Verifier({ threads: 1 });
afterAll(() => verifier.close());

const range = { low: 0, high: 1 };
const labels = Int32Array.of(2, 0, 1);

/** A random network in float64 with biases, and images in [0, 1]. */
function problem(arch: string, seed: number): { tape: Tape; network: TrainableNetwork; images: Tensor } {
  const tape = new Tape(new ReferenceArithmetic());
  const network = new TrainableNetwork(parseArchitecture(arch), tape.arithmetic, seed);
  network.layers.forEach(({ bias }, k) => tape.arithmetic.uniform(bias.data, 100 * seed + k, -0.3, 0.3));
  const images = tape.tensor(
    noise(seed, labels.length * network.inputSize)
      .map((x) => 0.5 + 0.6 * x)
      .map((x) => Math.min(1, Math.max(0, x))),
    [labels.length, network.inputSize],
  );
  return { tape, network, images };
}

/** Points of the ball around every image, corners among them. */
function neighbours(tape: Tape, images: Tensor, eps: number, seed: number): Tensor {
  const next = random(seed);
  const moved = images.data.map((x) => {
    const step = next() < 0.5 ? Math.sign(next() - 0.5) : 2 * next() - 1;
    return Math.min(1, Math.max(0, x + eps * step));
  });
  return tape.tensor(moved, images.shape);
}

describe.each(['6-8-7-3', '6-3', '2x3x4-c3k2p1-c2k2s2-5-3'])('interval bounds of %s', (arch) => {
  it("hold everywhere in the box, and never pass the engine's", async () => {
    for (const seed of [1, 2, 3]) {
      const { tape, network, images } = problem(arch, seed);
      for (const eps of [0, 0.05, 0.3]) {
        const box = inputBox(tape, images, eps, range);
        const { preActivations, last } = hiddenIntervals(tape, network, box);
        const bounds = marginBounds(tape, network, last, labels);
        const logitBox = layerInterval(tape, network, network.layers.length - 1, last);
        const worst = worstLogits(tape, network, last, labels).data;
        for (let round = 0; round < 60; round++) {
          const x = neighbours(tape, images, eps, 1000 * seed + round);
          const logits = network.forward(tape, x);
          bounds.data.forEach((bound, i) => {
            const row = Math.floor(i / 3);
            expect(bound).toBeLessThanOrEqual(logits.data[3 * row + labels[row]] - logits.data[i] + 1e-12);
          });
          logits.data.forEach((z, i) =>
            expect(Math.abs(z - logitBox.centre.data[i])).toBeLessThanOrEqual(
              logitBox.radius.data[i] + 1e-12,
            ),
          );
          logits.data.forEach((z, i) => {
            const sign = i % 3 === labels[Math.floor(i / 3)] ? -1 : 1;
            expect(sign * (worst[i] - z)).toBeGreaterThanOrEqual(-1e-12);
          });
        }
        expect(preActivations).toHaveLength(network.layers.length - 1);
        const centres = [0, 1, 2].map((row) =>
          images.data.subarray(row * network.inputSize, (row + 1) * network.inputSize),
        );
        const region = ballLinf(centres, eps, { clip: [0, 1] });
        const engine = await verifier.bounds(await network.model(), region, {
          specification: margins(labels),
          method: 'ibp',
          boxes: 'cheap',
          assurance: 'none',
        });
        const own = bounds.data.filter((_, i) => i % 3 !== labels[Math.floor(i / 3)]);
        own.forEach((bound, i) => expect(bound).toBeLessThan(engine.lower[i] + 1e-4));
      }
    }
  });
});

/** Compares gradients with respect to all weights with central differences. */
function wrongWeightGradient(network: TrainableNetwork, tape: Tape, value: () => Tensor): string | undefined {
  const gradients = tape.scope(() =>
    tape.grad(value(), network.parameters).map(({ data }) => Float64Array.from(data)),
  );
  const h = 1e-6;
  for (const [p, { data }] of network.parameters.entries()) {
    for (let i = 0; i < data.length; i++) {
      const kept = data[i];
      data[i] = kept + h;
      const above = tape.scope(() => value().item());
      data[i] = kept - h;
      const slope = (above - tape.scope(() => value().item())) / (2 * h);
      data[i] = kept;
      if (!(Math.abs(slope - gradients[p][i]) < 1e-5 * Math.max(1, Math.abs(slope)))) {
        return `parameter ${p}, entry ${i}: ${gradients[p][i]}, differences say ${slope}`;
      }
    }
  }
  return undefined;
}

describe('CROWN as an expression of the weights', () => {
  const eps = 0.1;

  it('bounds every margin from below, with any slopes of the lower lines', () => {
    for (const seed of [1, 2, 3, 4]) {
      const { tape, network, images } = problem('6-8-7-3', seed);
      const { preActivations } = hiddenIntervals(tape, network, inputBox(tape, images, eps, range));
      const rows = marginRows(tape, labels, 3);
      const slopes = preActivations.map(({ centre }, k) => {
        const chosen = tape.empty(centre.shape);
        tape.arithmetic.uniform(chosen.data, seed + 7 * k, 0, 1);
        return chosen;
      });
      for (const bound of [
        crownLower(tape, network, preActivations, rows),
        crownLower(tape, network, preActivations, rows, slopes),
      ]) {
        for (let round = 0; round < 100; round++) {
          const x = neighbours(tape, images, eps, 50 * seed + round);
          const logits = network.forward(tape, x);
          for (let row = 0; row < 6; row++) {
            const image = row >> 1;
            let affine = bound.offset.data[row];
            for (let i = 0; i < 6; i++) affine += bound.slope.data[6 * row + i] * x.data[6 * image + i];
            const value = [0, 1, 2].reduce(
              (sum, j) => sum + rows.data[3 * row + j] * logits.data[3 * image + j],
              0,
            );
            expect(affine).toBeLessThanOrEqual(value + 1e-9);
          }
        }
      }
    }
  });

  it('gives the exact radius of a linear network, capped where the domain ends', () => {
    const { tape, network, images } = problem('6-3', 5);
    const rows = marginRows(tape, labels, 3);
    const logits = network.forward(tape, images).data;
    const { weight } = network.layers[0];
    const bound = crownLower(tape, network, [], rows);
    const radii = closedFormRadii(tape, bound, images, { perImage: 2, cap: tape.filled([], 10) });
    const capped = closedFormRadii(tape, bound, images, { perImage: 2, cap: tape.filled([], 0.01) });
    radii.data.forEach((radius, row) => {
      const image = row >> 1;
      const label = labels[image];
      const other = [0, 1, 2].filter((j) => j !== label)[row % 2];
      let steepness = 0;
      for (let i = 0; i < 6; i++)
        steepness += Math.abs(weight.data[6 * label + i] - weight.data[6 * other + i]);
      const exact = (logits[3 * image + label] - logits[3 * image + other]) / steepness;
      expect(radius).toBeCloseTo(exact, 9);
      expect(capped.data[row]).toBeCloseTo(Math.max(-0.01, Math.min(0.01, exact)), 9);
    });
  });

  it('gives a row without slope the radius of its domain, with the sign of its offset', () => {
    const tape = new Tape(new ReferenceArithmetic());
    const bound = { slope: tape.filled([2, 3], 0), offset: tape.tensor([0.5, -0.5], [2]) };
    const form = { perImage: 2, cap: tape.filled([], 0.2) };
    expect(Array.from(closedFormRadii(tape, bound, tape.filled([1, 3], 1), form).data)).toEqual([0.2, -0.2]);
  });

  it('has the gradient of the radius, through intermediate bounds and slopes too', () => {
    for (const seed of [1, 2, 3]) {
      const { tape, network, images } = problem('4-6-5-3', seed);
      const domain = tape.filled([3, 1], 0.3);
      const wrong = wrongWeightGradient(network, tape, () => {
        const radii = certifiedRadii(tape, network, images, labels, domain, { kappa: 0.05, tighten: false });
        return tape.sum(mixedPenalty(tape, radii, tape.filled([3], 0.2)));
      });
      expect(wrong, `seed ${seed}`).toBeUndefined();
    }
  });

  it('has the gradient of the loss that intervals allow', () => {
    for (const arch of ['4-6-5-3', '1x3x4-c2k2-6-3']) {
      const { tape, network, images } = problem(arch, 3);
      const wrong = wrongWeightGradient(network, tape, () => {
        const { last } = hiddenIntervals(tape, network, inputBox(tape, images, 0.1, range));
        const byLogits = tape.crossEntropy(worstLogits(tape, network, last, labels), labels, 0);
        const byMargins = worstCrossEntropies(tape, marginBounds(tape, network, last, labels));
        return tape.add(tape.mean(byMargins), byLogits);
      });
      expect(wrong, `architecture ${arch}`).toBeUndefined();
    }
  });

  it('tightens radii by joint alpha', () => {
    let [plain, tightened] = [0, 0];
    for (let seed = 1; seed <= 8; seed++) {
      const { tape, network, images } = problem('6-12-12-3', seed);
      const domain = tape.filled([3, 1], eps);
      const form = { perImage: 2, cap: domain };
      const { preActivations } = hiddenIntervals(tape, network, inputBox(tape, images, eps, range));
      const rows = marginRows(tape, labels, 3);
      const smallest = (slopes?: Tensor[]): number => {
        const bound = crownLower(tape, network, preActivations, rows, slopes);
        return tape.sum(softMin(tape, closedFormRadii(tape, bound, images, form), 0.01)).item();
      };
      plain += smallest();
      tightened += smallest(jointAlpha(tape, network, preActivations, rows, images, form, paperJointAlpha));
    }
    expect(tightened).toBeGreaterThan(plain);
  });

  it('refuses convolutions', () => {
    const { tape, network, images } = problem('2x3x4-c3k2-3', 1);
    const domain = tape.filled([3, 1], eps);
    expect(() =>
      certifiedRadii(tape, network, images, labels, domain, { kappa: 0.01, tighten: false }),
    ).toThrow(InvalidArgumentError);
  });
});

describe('penalties', () => {
  const tape = new Tape(new NativeArithmetic({ threads: 1 }));
  const radius = tape.tensor([0.01, 0.02, -0.01], [3]);
  const goal = tape.filled([3], 0.015);

  it('are the formulas of the paper', () => {
    const near = (values: ArrayLike<number>, expected: number[]): void =>
      expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4));
    near(targetHinge(tape, radius, goal).data, [0.005, 0, 0.025]);
    near(inversePenalty(tape, radius, 0.1).data, [1 / 0.11, 1 / 0.12, 10]);
    const mixed = [
      0.3 * -Math.log(0.01) + 0.7 * 0.005,
      0.3 * -Math.log(0.02),
      0.3 * -Math.log(0.001) + 0.7 * 0.025,
    ];
    near(mixedPenalty(tape, radius, goal).data, mixed);
    near(softMin(tape, tape.tensor([1, 2, 3], [1, 3]), 1e-3).data, [1]);
    expect(softMin(tape, tape.tensor([1, 1], [1, 2]), 0.1).item()).toBeCloseTo(1 - 0.1 * Math.log(2), 5);
  });

  it('take the margin over the strongest other class', () => {
    const logits = tape.tensor([1, 5, 2, 7, 1, 3, 0, 0, 1], [3, 3]);
    expect(Array.from(cleanMargins(tape, logits, labels).data)).toEqual([-3, 4, -1]);
  });
});
