/** Counterexamples: float32 points, their replay, and the competition's text. */
import { evaluate } from '../model/evaluate.js';
import type { Model } from '../model/index.js';
import type { Problem } from '../problem/problem.js';
import { type VnnLib, isCounterexample } from '../problem/vnnlib/index.js';
import type { Counterexample } from './solver.js';

const single = new Float32Array(1);
const bits = new Int32Array(single.buffer);

/** The float32 next to a float32, towards plus or minus infinity. */
function neighbour(value: number, direction: 1 | -1): number {
  single[0] = value;
  if (value === 0) bits[0] = direction > 0 ? 1 : 0x80000001 | 0;
  else bits[0] += value > 0 === direction > 0 ? 1 : -1;
  return single[0];
}

/**
 * The point of the box that a float32 program should be given for x: every entry the nearest float32
 * inside the box. Where the box holds no float32 the entry stays a double, cut to the box.
 */
export function float32Inside(
  x: Float64Array,
  { lower, upper }: Pick<Problem, 'lower' | 'upper'>,
): Float64Array {
  return x.map((value, i) => {
    const inside = Math.min(Math.max(value, lower[i]), upper[i]);
    let rounded = Math.fround(inside);
    if (rounded < lower[i]) rounded = neighbour(rounded, 1);
    else if (rounded > upper[i]) rounded = neighbour(rounded, -1);
    return rounded >= lower[i] && rounded <= upper[i] ? rounded : inside;
  });
}

/**
 * Replays x in float64 against the specification's own text. It must be a counterexample as it stands
 * and with its inputs rounded to float32, which is what a float32 program computes from them.
 */
export function replay(
  model: Model,
  specification: VnnLib,
  problem: Problem,
  x: Float64Array,
): Counterexample | undefined {
  const point = float32Inside(x, problem);
  const y = evaluate(model.graph, point);
  if (!isCounterexample(specification, point, y)) return undefined;
  const rounded = point.map(Math.fround);
  if (rounded.every((value, i) => value === point[i])) return { x: point, y };
  return isCounterexample(specification, point, evaluate(model.graph, rounded)) ? { x: point, y } : undefined;
}

/** `((X_0 v)`, one pair a line, `(Y_0 v))`: every number reads back as the same double. */
export function formatWitness({ x, y }: Counterexample): string {
  const pairs = (name: string, values: Float64Array): string[] =>
    Array.from(values, (value, i) => `(${name}_${i} ${value})`);
  return `(${[...pairs('X', x), ...pairs('Y', y)].join('\n')})`;
}
