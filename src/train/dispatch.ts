/** Demands of a power grid around the nominal ones and their dispatch by DC-OPF, standardised. */
import { NativeArithmetic } from '../autodiff/index.js';
import { InvalidArgumentError } from '../errors.js';
import { type PowerGrid, dcOptimalPowerFlow } from '../opf/index.js';
import type { OutputLimits } from './feasibility.js';

export interface DispatchOptions {
  /** Samples. */
  readonly train: number;
  readonly test: number;
  /** How far a demand lies from nominal at most, as a share of it. */
  readonly spread: number;
  readonly seed: number;
}

/** Of the closed-form radius paper's study. */
export const dispatchDefaults: DispatchOptions = { train: 1000, test: 500, spread: 0.2, seed: 1 };

/** Rows of numbers in standard deviations from the training mean. */
export interface DispatchSet {
  readonly count: number;
  /** `[count, loaded buses]` */
  readonly inputs: Float32Array;
  /** `[count, generators]` */
  readonly targets: Float32Array;
}

/** MW of mean and deviation by column; a deviation of 1 where a column never changes. */
export interface Scale {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

export interface DispatchData {
  readonly training: DispatchSet;
  readonly test: DispatchSet;
  readonly inputScale: Scale;
  readonly targetScale: Scale;
  /** 5th and 95th percentiles of the training targets. */
  readonly limits: OutputLimits;
}

/**
 * Samples demands, uniform within `spread` of nominal at every bus that has one, and solves each one's
 * DC-OPF: the inputs and targets of a surrogate.
 *
 * @param log is told how far it is.
 * @throws InvalidArgumentError for sample numbers below 1 or a negative spread; SolverError where a demand
 *   cannot be met.
 */
export async function dispatchData(
  grid: PowerGrid,
  { train, test, spread, seed }: DispatchOptions = dispatchDefaults,
  log: (line: string) => void = () => undefined,
): Promise<DispatchData> {
  for (const [name, count] of Object.entries({ train, test })) {
    if (Number.isSafeInteger(count) && count > 0) continue;
    throw new InvalidArgumentError(`${name}: ${count} samples, expected a whole number above 0`);
  }
  if (!(spread >= 0)) throw new InvalidArgumentError(`spread: ${spread}, expected a number of at least 0`);
  const loaded = grid.buses.flatMap(({ demand }, i) => (demand > 0 ? [i] : []));
  const count = train + test;
  const uniform = new Float32Array(count * loaded.length);
  new NativeArithmetic().uniform(uniform, seed, 1 - spread, 1 + spread);
  const demands: number[][] = [];
  const dispatches: number[][] = [];
  for (let sample = 0; sample < count; sample++) {
    const demand = grid.buses.map((bus) => bus.demand);
    loaded.forEach((bus, i) => (demand[bus] *= uniform[sample * loaded.length + i]));
    const { generation } = await dcOptimalPowerFlow(grid, demand);
    demands.push(loaded.map((bus) => demand[bus]));
    dispatches.push([...generation]);
    if ((sample + 1) % 500 === 0) log(`${sample + 1} of ${count} dispatches`);
  }
  const inputScale = scaleOf(demands.slice(0, train));
  const targetScale = scaleOf(dispatches.slice(0, train));
  const set = (begin: number, end: number): DispatchSet => ({
    count: end - begin,
    inputs: standardised(demands.slice(begin, end), inputScale),
    targets: standardised(dispatches.slice(begin, end), targetScale),
  });
  const training = set(0, train);
  const columns = targetScale.mean.map((_, j) => column(training.targets, targetScale.mean.length, j));
  return {
    training,
    test: set(train, count),
    inputScale,
    targetScale,
    limits: { lower: columns.map((c) => quantile(c, 0.05)), upper: columns.map((c) => quantile(c, 0.95)) },
  };
}

function scaleOf(rows: readonly number[][]): Scale {
  const mean = rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);
  const variance = mean.map((m, j) => rows.reduce((sum, row) => sum + (row[j] - m) ** 2, 0) / rows.length);
  // A generator without capacity always gives 0: it keeps its unit.
  const deviation = variance.map((v) => (Math.sqrt(v) > 1e-6 ? Math.sqrt(v) : 1));
  return { mean, deviation };
}

function standardised(rows: readonly number[][], { mean, deviation }: Scale): Float32Array {
  return Float32Array.from(rows.flatMap((row) => row.map((value, j) => (value - mean[j]) / deviation[j])));
}

/** Column j of rows of `width` numbers. */
export function column(values: Float32Array, width: number, j: number): number[] {
  return Array.from({ length: values.length / width }, (_, i) => values[i * width + j]);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
