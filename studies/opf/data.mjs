/** Demands around the nominal ones and their dispatch by DC-OPF, standardised. */
import { NativeArithmetic, dcOptimalPowerFlow } from '../../dist/index.js';

/**
 * @param grid a power grid with as many generators in service as wanted outputs.
 * @param options `train` and `test`, numbers of samples; `spread`, how far a demand lies from nominal at most,
 *   as a share of it; `seed`.
 * @returns sets of `inputs` and `targets`, standardised by the training set's mean and deviation (by 1 where
 *   a quantity never changes), and the `limits`: 5th and 95th percentiles of the training targets.
 */
export async function dispatchData(grid, { train, test, spread, seed }, log = () => {}) {
  const loaded = grid.buses.flatMap(({ demand }, i) => (demand > 0 ? [i] : []));
  const count = train + test;
  const uniform = new Float32Array(count * loaded.length);
  new NativeArithmetic().uniform(uniform, seed, 1 - spread, 1 + spread);
  const demands = [];
  const dispatches = [];
  for (let sample = 0; sample < count; sample += 1) {
    const demand = grid.buses.map((bus) => bus.demand);
    loaded.forEach((bus, i) => (demand[bus] *= uniform[sample * loaded.length + i]));
    const { generation } = await dcOptimalPowerFlow(grid, demand);
    demands.push(loaded.map((bus) => demand[bus]));
    dispatches.push([...generation]);
    if ((sample + 1) % 500 === 0) log(`${sample + 1} of ${count} dispatches`);
  }
  const inputScale = scaleOf(demands.slice(0, train));
  const targetScale = scaleOf(dispatches.slice(0, train));
  const set = (begin, end) => ({
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

function scaleOf(rows) {
  const mean = rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);
  const variance = mean.map((m, j) => rows.reduce((sum, row) => sum + (row[j] - m) ** 2, 0) / rows.length);
  // A generator without capacity always gives 0: it keeps its unit.
  const deviation = variance.map((v) => (Math.sqrt(v) > 1e-6 ? Math.sqrt(v) : 1));
  return { mean, deviation };
}

function standardised(rows, { mean, deviation }) {
  return Float32Array.from(rows.flatMap((row) => row.map((value, j) => (value - mean[j]) / deviation[j])));
}

function column(values, width, j) {
  return Array.from({ length: values.length / width }, (_, i) => values[i * width + j]);
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
