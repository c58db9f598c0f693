/** Trains surrogates of DC-OPF under growing weights of the certified violation, and measures what is certified. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Verifier,
  dcOptimalPowerFlow,
  dispatchData,
  dispatchDefaults,
  surrogateDefaults,
  trainSurrogate,
} from '../../dist/index.js';
import { drawStudy, sum } from './figure.mjs';
import { provenBounds, squaredError, violations } from './measure.mjs';

/** Radii in standard deviations of the demands; the last is the one of training, as in the paper. */
export const defaults = {
  weights: [0, 0.01, 0.03, 0.1, 0.3, 1],
  radii: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
  trajectoryWeights: [0, 0.1],
  ...dispatchDefaults,
  hidden: 16,
  steps: surrogateDefaults.steps,
  rate: surrogateDefaults.rate,
};

/**
 * @param grid a parsed power grid.
 * @param options `out`, the folder for opf.csv, opf.md, opf.svg and opf.png; `threads`; `log`; otherwise as
 *   in {@link defaults}.
 * @returns per weight its test error and violations, and `rises`, where a violation grew with the weight.
 */
export async function study(grid, { out, threads, log = () => {}, ...given }) {
  const settings = { ...defaults, ...given };
  const { weights, radii, trajectoryWeights } = settings;
  const data = await dispatchData(grid, settings, log);
  const outputs = data.limits.lower.length;
  const inputs = data.inputScale.mean.length;
  const eps = radii[radii.length - 1];
  const training = { ...settings, architecture: `${inputs}-${settings.hidden}-${outputs}`, eps };
  const verifier = new Verifier(threads ? { threads } : {});
  const results = [];
  const trajectories = [];
  try {
    for (const weight of weights) {
      const network = await trainSurrogate(data, weight, training);
      const model = await network.model();
      const error = await squaredError(verifier, model, data.test);
      const found = [];
      for (const radius of radii) {
        const bounds = await provenBounds(verifier, model, data.test, radius);
        found.push({ eps: radius, each: violations(bounds, data.limits) });
      }
      results.push({ weight, error, violations: found });
      log(
        `λ = ${weight}: test MSE ${error.toFixed(4)}, violation ${sum(found[found.length - 1].each).toFixed(4)}`,
      );
      if (!trajectoryWeights.includes(weight)) continue;
      trajectories.push({
        weight,
        points: await trajectory(verifier, model, grid, data, settings.spread, eps),
      });
    }
  } finally {
    await verifier.close();
  }
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'opf.csv'), csv(results));
  writeFileSync(join(out, 'opf.md'), markdown(results, radii));
  const { svg, png } = await drawStudy({ results, trajectories, limits: data.limits, eps });
  writeFileSync(join(out, 'opf.svg'), svg);
  writeFileSync(join(out, 'opf.png'), png);
  return { results, rises: rises(results) };
}

/** What the network says, what is certified around it and what is right, as all demands grow together. */
async function trajectory(verifier, model, grid, { inputScale, targetScale }, spread, eps) {
  const steps = 41;
  const scales = Array.from({ length: steps }, (_, i) => 1 - spread + (2 * spread * i) / (steps - 1));
  const nominal = grid.buses.map(({ demand }) => demand);
  const loaded = nominal.filter((demand) => demand > 0);
  const inputs = Float32Array.from(
    scales.flatMap((scale) =>
      loaded.map((d, j) => (d * scale - inputScale.mean[j]) / inputScale.deviation[j]),
    ),
  );
  const bounds = await provenBounds(verifier, model, { count: steps, inputs }, eps);
  const outputs = await provenBounds(verifier, model, { count: steps, inputs }, 0);
  const points = [];
  for (const [i, scale] of scales.entries()) {
    const { generation } = await dcOptimalPowerFlow(
      grid,
      nominal.map((demand) => demand * scale),
    );
    generation.forEach((power, generator) => {
      const at = i * generation.length + generator;
      points.push({
        scale,
        generator,
        output: outputs.lower[at],
        lower: bounds.lower[at],
        upper: bounds.upper[at],
        target: (power - targetScale.mean[generator]) / targetScale.deviation[generator],
      });
    });
  }
  return points;
}

/** Every place where a larger weight has a larger violation: by generator and in all, at each radius. */
export function rises(results) {
  const found = [];
  results.slice(1).forEach(({ weight, violations: now }, i) => {
    now.forEach(({ eps, each }, k) => {
      const before = results[i].violations[k].each;
      each.forEach((violation, j) => {
        if (violation > before[j]) found.push({ weight, eps, generator: j + 1, by: violation - before[j] });
      });
      const more = sum(each) - sum(before);
      if (more > 0) found.push({ weight, eps, generator: 'all', by: more });
    });
  });
  return found;
}

function csv(results) {
  const lines = results.flatMap(({ weight, error, violations: found }) =>
    found.flatMap(({ eps, each }) =>
      each.map((violation, j) => [weight, error, eps, j + 1, violation].join()),
    ),
  );
  return `${['weight,test_mse,eps,generator,violation', ...lines].join('\n')}\n`;
}

function markdown(results, radii) {
  const shown = radii.filter((_, k) => k % 5 === 0);
  const last = radii[radii.length - 1];
  const count = results[0].violations[0].each.length;
  const generators = Array.from({ length: count }, (_, j) => `G${j + 1} @ ${last}`);
  const head = ['λ', 'test MSE', ...shown.map((eps) => `violation @ ${eps}`), ...generators];
  const rows = results.map(({ weight, error, violations: found }) => [
    weight,
    error.toFixed(4),
    ...shown.map((eps) => sum(found.find((entry) => entry.eps === eps).each).toFixed(4)),
    ...found[found.length - 1].each.map((violation) => violation.toFixed(4)),
  ]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
