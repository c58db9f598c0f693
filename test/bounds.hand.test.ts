/** Networks small enough that every bound can be worked out on paper; the sums are beside the numbers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BoundsOptions,
  type Model,
  type Region,
  Verifier,
  ballL1,
  ballL2,
  ballLinf,
  box,
  outputs,
  rows,
} from '../src/index.js';
import { NetworkBuilder, Random } from './support/random-networks.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 1 });
});
afterAll(() => verifier.close());

type Options = Omit<BoundsOptions, 'specification'>;

async function bounds(model: Model, region: Region, options: Options): Promise<[number, number]> {
  const specification = outputs();
  const { lower, upper } = await verifier.bounds(model, region, { specification, upper: true, ...options });
  return [lower[0], upper![0]];
}

/** Lower and upper bound, to float32 rounding and the slack by which boxes are widened against it. */
function near(expected: readonly [number, number], digits = 5): unknown[] {
  return expected.map((value) => expect.closeTo(value, digits));
}

/** y = relu(x1 + x2) - relu(x1 - x2) + 1/4 */
function pair(): Model {
  const builder = new NetworkBuilder([2], new Random(1));
  const hidden = builder.relu(builder.linear(0, 2, [1, 1, 1, -1], [0, 0]));
  builder.linear(hidden, 1, [1, -1], [0.25]);
  return builder.model();
}

/** y = weight * relu(x) */
function neuron(weight: number): Model {
  const builder = new NetworkBuilder([1], new Random(1));
  builder.linear(builder.relu(builder.linear(0, 1, [1], [0])), 1, [weight], [0]);
  return builder.model();
}

const center = [0.5, 0];

describe('two neurons', () => {
  // |x1 - 1/2| <= 1, |x2| <= 1: both pre-activations lie in [-3/2, 5/2].
  it('linf: interval bounds', async () => {
    // relu in [0, 5/2] twice: y in [0 - 5/2 + 1/4, 5/2 - 0 + 1/4].
    const found = await bounds(pair(), ballLinf(center, 1), { method: 'ibp' });
    expect(found).toEqual(near([-2.25, 2.75]));
  });

  it('linf: CROWN', async () => {
    // Lower: relu(z1) >= z1 since 5/2 > 3/2, relu(z2) <= 5/8 (z2 + 3/2), so
    // y >= x1 + x2 - 5/8 (x1 - x2) - 15/16 + 1/4 = 3/8 x1 + 13/8 x2 - 11/16,
    // least at (-1/2, -1): -3/16 - 13/8 - 11/16 = -5/2.
    // Upper: y <= 5/8 (x1 + x2) + 15/16 - (x1 - x2) + 1/4 = -3/8 x1 + 13/8 x2 + 19/16,
    // largest at (-1/2, 1): 3/16 + 13/8 + 19/16 = 3.
    for (const boxes of ['cheap', 'crown'] as const) {
      expect(await bounds(pair(), ballLinf(center, 1), { method: 'crown', boxes })).toEqual(near([-2.5, 3]));
    }
    const found = await verifier.bounds(pair(), ballLinf(center, 1), {
      specification: outputs(),
      method: 'crown',
      coefficients: true,
      upper: true,
    });
    expect([...found.slope!]).toEqual(near([3 / 8, 13 / 8]));
    expect([...found.upperSlope!]).toEqual(near([-3 / 8, 13 / 8]));
    expect([found.offset![0], found.upperOffset![0]]).toEqual(near([-11 / 16, 19 / 16]));
  });

  it('linf: the joint optimum', async () => {
    // Lower: with relu(z1) >= 0 instead, y >= -5/8 (x1 - x2) - 15/16 + 1/4, least at (3/2, -1): -9/4. The
    // triangle relaxation at (3/2, -1) has z1 = 1/2, h1 = 1/2, h2 = 5/2: -7/4; at (1/2, -1), z1 = -1/2, h1 = 0,
    // z2 = 3/2, h2 <= 15/8: -13/8; at (1, -1), z1 = 0, h1 = 0, z2 = 2, h2 <= 35/16: -31/16, the least.
    // Upper: by x2 -> -x2 the two neurons change places: 1/2 - (-31/16) = 39/16.
    const found = await bounds(pair(), ballLinf(center, 1), {
      method: 'joint',
      boxes: 'cheap',
      iterations: 2000,
      decay: 0.996,
    });
    expect(found).toEqual(near([-31 / 16, 39 / 16], 3));
  });

  it('linf clipped to [0, 1]', async () => {
    // x in [0, 1]^2: z1 in [0, 2] is stable, z2 in [-1, 1].
    // IBP: h1 in [0, 2], h2 in [0, 1]: [-3/4, 9/4].
    const region = ballLinf(center, 1, { clip: [0, 1] });
    expect(await bounds(pair(), region, { method: 'ibp' })).toEqual(near([-0.75, 2.25]));
    // CROWN lower: h1 = z1, h2 <= (z2 + 1) / 2: y >= x1 / 2 + 3/2 x2 - 1/4, least at (0, 0): -1/4.
    const [lower] = await bounds(pair(), region, { method: 'crown', boxes: 'cheap' });
    expect(lower).toBeCloseTo(-0.25, 5);
  });

  it('l1', async () => {
    // |x1 - 1/2| + |x2| <= 1: z = 1/2 -+ 1, so both in [-1/2, 3/2]; chord 3/4 (z + 1/2).
    // Lower: h1 >= z1: y >= x1 + x2 - 3/4 (x1 - x2) - 3/8 + 1/4 = x1 / 4 + 7/4 x2 - 1/8,
    // 0 at the centre, less the largest coefficient: -7/4.
    // Upper: h2 >= z2: y <= 3/4 (x1 + x2) + 3/8 - x1 + x2 + 1/4 = -x1 / 4 + 7/4 x2 + 5/8: 1/2 + 7/4.
    expect(await bounds(pair(), ballL1(center, 1), { method: 'crown', boxes: 'cheap' })).toEqual(
      near([-1.75, 2.25]),
    );
    // IBP takes the ball's reach per neuron: h in [0, 3/2] twice.
    expect(await bounds(pair(), ballL1(center, 1), { method: 'ibp', boxes: 'cheap' })).toEqual(
      near([-1.25, 1.75]),
    );
  });

  it('l1 clipped: the ball within the range', async () => {
    // |x1 - 1/2| + |x2| <= 1/4, x in [0, 1]: both z in [1/4, 3/4], stable, so y = 2 x2 + 1/4 exactly;
    // x2 in [0, 1/4] within the range, [-1/4, 1/4] without.
    for (const method of ['crown', 'alpha-crown', 'joint'] as const) {
      const clipped = await bounds(pair(), ballL1(center, 0.25, { clip: [0, 1] }), {
        method,
        boxes: 'cheap',
      });
      expect(clipped).toEqual(near([0.25, 0.75]));
      expect(await bounds(pair(), ballL1(center, 0.25), { method, boxes: 'cheap' })).toEqual(
        near([-0.25, 0.75]),
      );
    }
  });

  it('l2', async () => {
    // ||x - (1/2, 0)|| <= 1: z = 1/2 -+ sqrt(2), chord s = (1/2 + sqrt 2) / (2 sqrt 2), offset s (sqrt 2 - 1/2).
    // Lower: y >= (1 - s) x1 + (1 + s) x2 - offset + 1/4, its value at the centre less its norm.
    const s = (0.5 + Math.SQRT2) / (2 * Math.SQRT2);
    const offset = s * (Math.SQRT2 - 0.5);
    const norm = Math.hypot(1 - s, 1 + s);
    const lower = (1 - s) / 2 - offset + 0.25 - norm; // -1.914754
    const upper = s / 2 + offset - 0.5 + 0.25 + norm; // by h1 <= s z1 + offset, h2 >= z2
    expect(lower).toBeCloseTo(-1.914754, 5);
    expect(await bounds(pair(), ballL2(center, 1), { method: 'crown', boxes: 'cheap' })).toEqual(
      near([lower, upper]),
    );
  });

  it('l2 clipped', async () => {
    // x1 in [0, 1], x2 in [0, 1]: z1 >= 0 is stable, z2 in [1/2 - sqrt 2, 1]; the affine bound
    // (1 - s) x1 + (1 + s) x2 - s (sqrt 2 - 1/2) + 1/4, s = 1 / (1/2 + sqrt 2), is least at (0, 0), which the
    // ball does not cut off. Without the range its minimum would be near -1.7.
    const s = 1 / (0.5 + Math.SQRT2);
    const region = ballL2(center, 1, { clip: [0, 1] });
    const [lower] = await bounds(pair(), region, { method: 'crown', boxes: 'cheap' });
    expect(lower).toBeCloseTo(0.25 - s * (Math.SQRT2 - 0.5), 4); // -0.227592
  });

  it('the product of norms', async () => {
    // Both matrices have norm sqrt 2, the value at the centre is 1/4: 1/4 -+ 2 eps.
    const found = await bounds(pair(), ballL2(center, 0.5), { method: 'lip' });
    expect(found[0]).toBeLessThanOrEqual(-0.75);
    expect(found).toEqual(near([-0.75, 1.25], 2));
  });

  it('an affine network is bounded exactly', async () => {
    // y = 3 x1 - 4 x2 + 1 at (1, 1) is 0; the dual norms of (3, -4) are 4, 5, 7.
    const builder = new NetworkBuilder([2], new Random(1));
    builder.linear(0, 1, [3, -4], [1]);
    const model = builder.model();
    for (const method of ['crown', 'alpha-crown', 'sdp-crown', 'joint', 'ibp'] as const) {
      expect(await bounds(model, ballL1([1, 1], 0.5), { method })).toEqual(near([-2, 2]));
      expect(await bounds(model, ballL2([1, 1], 0.5), { method })).toEqual(near([-2.5, 2.5]));
      expect(await bounds(model, ballLinf([1, 1], 0.5), { method })).toEqual(near([-3.5, 3.5]));
      // Within [0, 1]: x1 falls and x2 does not rise.
      const clip = { clip: [0, 1] } as const;
      // The whole budget of 1/2 on x2: -4 * (-1/2) = 2 up; down 3 * (-1/2).
      expect(await bounds(model, ballL1([1, 1], 0.5, clip), { method })).toEqual(near([-1.5, 2]));
      expect(await bounds(model, ballL2([1, 1], 0.5, clip), { method })).toEqual(near([-1.5, 2], 4));
      expect(await bounds(model, ballLinf([1, 1], 0.5, clip), { method })).toEqual(near([-1.5, 2]));
    }
  });

  it('rows have their constants, and each image its own region', async () => {
    const specification = rows([[2], [-1]], [10, 100]);
    const region = box(
      [
        [0, 0],
        [1, 0],
      ],
      [
        [0, 0],
        [1, 1],
      ],
    );
    // At (0, 0) y = 1/4. On [1] x [0, 1] both neurons are stable: y = 2 x2 + 1/4 in [1/4, 9/4].
    const found = await verifier.bounds(pair(), region, { specification, upper: true, method: 'crown' });
    const expected = { lower: [10.5, 99.75, 10.5, 97.75], upper: [10.5, 99.75, 14.5, 99.75] };
    expected.lower.forEach((value, i) => expect(found.lower[i]).toBeCloseTo(value, 4));
    expected.upper.forEach((value, i) => expect(found.upper![i]).toBeCloseTo(value, 4));
  });
});

describe('one neuron', () => {
  // relu on [-1, 3] and on [-3, 1]; its range is [0, u].
  const regions = { wide: box([-1], [3]), narrow: box([-3], [1]) };

  it('CROWN takes the line of smaller area below and the chord above', async () => {
    // u = 3 > 1: relu(x) >= x, least -1. The chord 3/4 (x + 1) ends at 3.
    expect(await bounds(neuron(1), regions.wide, { method: 'crown' })).toEqual(near([-1, 3]));
    // u = 1 < 3: relu(x) >= 0.
    expect(await bounds(neuron(1), regions.narrow, { method: 'crown' })).toEqual(near([0, 1]));
    expect(await bounds(neuron(-2), regions.wide, { method: 'crown' })).toEqual(near([-6, 2]));
  });

  it('free slopes find its range', async () => {
    for (const method of ['ibp', 'alpha-crown', 'joint'] as const) {
      expect(await bounds(neuron(1), regions.wide, { method })).toEqual(near([0, 3], 2));
      expect(await bounds(neuron(-2), regions.wide, { method })).toEqual(near([-6, 0], 2));
      expect(await bounds(neuron(1), regions.narrow, { method })).toEqual(near([0, 1], 2));
    }
  });

  it('at the kink', async () => {
    // l = 0 or u = 0 is a stable neuron: exact for every method.
    for (const method of ['ibp', 'crown', 'alpha-crown', 'joint'] as const) {
      expect(await bounds(neuron(1), box([0], [2]), { method })).toEqual(near([0, 2], 4));
      expect(await bounds(neuron(1), box([-2], [0]), { method })).toEqual(near([0, 0], 4));
      expect(await bounds(neuron(1), box([0], [0]), { method })).toEqual(near([0, 0], 6));
    }
  });

  it('balls of one dimension are intervals', async () => {
    for (const ball of [ballL1, ballL2, ballLinf]) {
      expect(await bounds(neuron(1), ball([1], 2), { method: 'joint' })).toEqual(near([0, 3], 2));
      expect(await bounds(neuron(1), ball([1], 2, { clip: [0.5, 1.5] }), { method: 'joint' })).toEqual(
        near([0.5, 1.5], 2),
      );
    }
  });
});
