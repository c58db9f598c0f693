/** Sweeps radii on one network after the other, writes every point to the table and draws the figures. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Verifier } from '../../dist/index.js';
import { drawFigure } from './figure.mjs';
import { affineBounds, attacked, correctImages, curves, lowerBounds, offsetMethods } from './measure.mjs';
import { Table } from './table.mjs';

/** Multiples of a network's usual radius; branch and bound, by far the slowest, takes fewer of them. */
export const defaults = {
  factors: [0.25, 0.5, 1, 1.5, 2],
  completeFactors: [0.5, 1, 1.5],
  images: 10,
  limit: 10,
  iterations: 150,
};

/**
 * @param problems what to study: an async iterable of `{ name, title, model, centers, labels, eps, clip }`.
 * @param options `out`, the folder for tightness.csv and for the .svg and .png of every network; `threads`;
 *   `log`, called with lines of progress; otherwise as in {@link defaults}, `limit` in seconds per image.
 * @returns the points of all networks.
 */
export async function study(problems, options) {
  const { out, threads, log = () => {}, ...given } = options;
  const settings = { ...defaults, ...given };
  mkdirSync(out, { recursive: true });
  const table = new Table(join(out, 'tightness.csv'));
  const verifier = new Verifier(threads ? { threads } : {});
  const all = [];
  try {
    for await (const problem of problems) {
      const points = await studyNetwork(verifier, table, problem, settings, log);
      const { svg, png } = await drawFigure(problem, points);
      writeFileSync(join(out, `${problem.name}.svg`), svg);
      writeFileSync(join(out, `${problem.name}.png`), png);
      log(`${problem.name}: drawn as ${join(out, problem.name)}.svg and .png`);
      all.push(...points);
    }
  } finally {
    await verifier.close();
  }
  return all;
}

async function studyNetwork(verifier, table, problem, settings, log) {
  const { images, iterations, factors, completeFactors } = settings;
  const chosen = await correctImages(verifier, problem, images);
  const points = [];
  const take = async (quantity, method, radius, measure) => {
    const { assurance } = curves[method];
    const limit = method === 'complete' ? settings.limit : 0;
    const key = { network: problem.name, quantity, method, assurance, radius, images, limit };
    const point = await table.point(key, measure);
    log(
      `${problem.name} radius ${radius.toPrecision(3)} ${quantity} ${method}: mean ${point.mean.toFixed(4)} ` +
        `(${point.known ? 'known already' : `${point.seconds} s`})`,
    );
    points.push(point);
  };
  for (const factor of [...new Set([...factors, ...completeFactors])].sort((a, b) => a - b)) {
    const radius = factor * problem.eps;
    let upper;
    const attack = async () => (upper ??= await attacked(verifier, chosen, radius));
    const affine = new Map();
    const affineOf = async (method) => {
      if (!affine.has(method)) {
        affine.set(method, await affineBounds(verifier, chosen, radius, method, iterations));
      }
      return affine.get(method);
    };
    await take('margin', 'attack', radius, attack);
    for (const method of Object.keys(curves)) {
      if (method === 'attack') continue;
      if (!(method === 'complete' ? completeFactors : factors).includes(factor)) continue;
      await take('margin', method, radius, async () => {
        if (offsetMethods.includes(method)) return (await affineOf(method)).lower;
        const { limit } = settings;
        const known = method === 'complete' ? await attack() : undefined;
        return lowerBounds(verifier, chosen, radius, method, { iterations, limit, upper: known });
      });
    }
    if (!factors.includes(factor)) continue;
    for (const method of offsetMethods) {
      await take('offset', method, radius, async () => (await affineOf(method)).offset);
    }
  }
  return points;
}
