/** Radii of method complete where inputs are few: bisecting these decides each ball. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Model,
  type RadiusOptions,
  Verifier,
  ballL2,
  ballLinf,
  box,
  evaluate,
  margins,
  rows,
} from '../src/index.js';
import { decideByInputs, decidesByInputs } from '../src/verify/input-decision.js';
import { Random, linearNetwork } from './support/random-networks.js';

/** Counts searches on inputs. */
class Counting extends Verifier {
  searches = 0;
  override inputSearch(...given: Parameters<Verifier['inputSearch']>) {
    this.searches += 1;
    return super.inputSearch(...given);
  }
}
let verifier: Counting;
beforeAll(() => {
  verifier = new Counting({ threads: 2 });
});
afterAll(() => verifier.close());

const tolerance = 1e-3;

/** A network of two inputs and points of the unit square. */
function problem(seed: number, inputs = 2) {
  const random = new Random(seed);
  const model = linearNetwork(random, [inputs, 16, 16, 16, 3]);
  const points = Array.from({ length: 3 }, () => random.vector(inputs, 0.1, 0.9));
  return { model, points };
}

/** Distance in the l-infinity norm of the nearest point of a grid on the unit square with a row <= 0. */
function nearestOnGrid(center: Float64Array, least: (x: Float64Array) => number): number {
  const steps = 120;
  let nearest = Infinity;
  for (let i = 0; i <= steps; i += 1) {
    for (let j = 0; j <= steps; j += 1) {
      const x = Float64Array.of(i / steps, j / steps);
      const distance = Math.max(Math.abs(x[0] - center[0]), Math.abs(x[1] - center[1]));
      if (distance < nearest && least(x) <= 0) nearest = distance;
    }
  }
  return nearest;
}

function leastMargin(model: Model, label: number): (x: Float64Array) => number {
  return (x) => {
    const y = evaluate(model.graph, x);
    return Math.min(...[...y].map((value, j) => (j === label ? Infinity : y[label] - value)));
  };
}

const common = { norm: 'linf', method: 'complete', clip: [0, 1], tolerance, max: 1 } as const;

describe('few inputs', () => {
  it('brackets are closed, and points of a grid and splits of ReLUs agree with both ends', async () => {
    const wrong: string[] = [];
    let closed = 0;
    for (let seed = 1; seed <= 6; seed += 1) {
      const { model, points } = problem(seed);
      const labels = await verifier.predict(model, points);
      const specification = margins(labels);
      const { lower, upper, evaluations } = await verifier.radius(model, points, {
        ...common,
        specification,
      });
      for (const [i, center] of points.entries()) {
        const name = `${seed}, ${i}: ${lower[i]} to ${upper[i]}`;
        const nearest = nearestOnGrid(center, leastMargin(model, labels[i]));
        if (!(nearest > lower[i])) wrong.push(`${name}, but ${nearest} on the grid`);
        // Beyond the range of inputs nothing is left to refute.
        const whole = lower[i] === common.max && nearest === Infinity;
        if (!whole && !(upper[i] - lower[i] <= tolerance)) wrong.push(`${name} is open`);
        if (evaluations[i] === 0) wrong.push(`${name} without a decision`);
        if (whole) continue;
        closed += 1;
        const split = await verifier.bounds(model, ballLinf(center, upper[i], { clip: [0, 1] }), {
          specification: margins(labels[i]),
          method: 'complete',
        });
        if (split.lower.every((bound) => bound > 0)) wrong.push(`${name}, but ReLUs prove it`);
      }
    }
    expect(wrong).toEqual([]);
    expect(closed).toBeGreaterThan(8);
  });

  it('rows with constants, and the answers of splits of ReLUs', async () => {
    const { model, points } = problem(7);
    const values = points.map((x) => evaluate(model.graph, x)[0]);
    const below = 0.3 + Math.max(...values.map((value) => -value), 0);
    const specification = rows([[1, 0, 0]], [below]);
    const { lower, upper } = await verifier.radius(model, points, { ...common, specification });
    for (const [i, center] of points.entries()) {
      const nearest = nearestOnGrid(center, (x) => evaluate(model.graph, x)[0] + below);
      expect(nearest).toBeGreaterThan(lower[i]);
      const region = ballLinf(center, lower[i], { clip: [0, 1] });
      const proven = await verifier.bounds(model, region, { specification, method: 'complete' });
      expect(proven.lower[0]).toBeGreaterThan(0);
      expect(upper[i] === Infinity ? lower[i] - common.max : upper[i] - lower[i]).toBeLessThanOrEqual(
        tolerance,
      );
    }
  });

  it('keeps its limits, and refuses what they cannot be', async () => {
    const { model, points } = problem(1);
    const specification = margins(await verifier.predict(model, points));
    const { lower, upper } = await verifier.radius(model, points, {
      ...common,
      specification,
      subproblems: 0,
    });
    expect(Array.from(lower)).toEqual([0, 0, 0]);
    expect(Array.from(upper)).toEqual([Infinity, Infinity, Infinity]);
    await expect(
      verifier.radius(model, points, { ...common, specification, subproblems: -1 }),
    ).rejects.toThrow('subproblems is -1');
    const stopped = AbortSignal.abort();
    await expect(
      verifier.radius(model, points, { ...common, specification, signal: stopped }),
    ).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('what is split', () => {
  const searches = async (inputs: number, more: Partial<RadiusOptions>): Promise<number> => {
    const { model, points } = problem(2, inputs);
    const center = points[0];
    const specification = margins(await verifier.predict(model, center));
    const before = verifier.searches;
    const options: RadiusOptions = { ...common, specification, tolerance: 0.1, subproblems: 100, ...more };
    await verifier.radius(model, center, options);
    return verifier.searches - before;
  };

  it('inputs, where these are at most 20, in l-infinity balls, and a proof is asked for', async () => {
    expect(await searches(2, {})).toBeGreaterThan(0);
    expect(await searches(20, {})).toBeGreaterThan(0);
    expect(await searches(21, {})).toBe(0);
    expect(await searches(2, { norm: 'l2' })).toBe(0);
    expect(await searches(2, { assurance: 'none' })).toBe(0);
    expect(await searches(2, { method: 'joint' })).toBe(0);
  });

  it('boxes are decided too, and regions that are none refused', async () => {
    const { model, points } = problem(3);
    const center = points[0];
    const [label] = await verifier.predict(model, center);
    const given = margins(label).resolve(1, model.outputSize);
    const search = { verifier, model, assurance: 'real', deadline: Infinity } as const;
    const nearest = nearestOnGrid(center, leastMargin(model, label));
    expect(nearest).toBeLessThan(Infinity);
    const decide = (reach: number) => {
      const low = center.map((x) => Math.max(0, x - reach)),
        high = center.map((x) => Math.min(1, x + reach));
      expect(decidesByInputs(model, 'box', 'real')).toBe(true);
      return decideByInputs(search, box(low, high), given, 10_000);
    };
    const { counterexample, limit } = await decide(1.05 * nearest);
    expect(limit).toBe('falsified');
    expect(counterexample!.margin).toBe(leastMargin(model, label)(counterexample!.x));
    expect(counterexample!.margin).toBeLessThan(0);
    const { lower: radius } = await verifier.radius(model, center, {
      ...common,
      specification: margins(label),
    });
    const { lower } = await decide(0.95 * radius[0]);
    expect(lower!.every((bound) => bound > 0)).toBe(true);
    await expect(decideByInputs(search, ballL2(center, 0.1), given, 10)).rejects.toThrow("of kind 'l2'");
    const two = ballLinf([center, center], 0.1);
    await expect(decideByInputs(search, two, given, 10)).rejects.toThrow('the region is 2');
  });
});
