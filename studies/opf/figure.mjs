/** Figure 2 of the closed-form radius paper: a and b, violations; c and d, outputs along growing demand. */
import { draw } from '../draw.mjs';

/** No penalty stands out; from there on, more penalty is darker, in print too. */
const shades = ['#d55e00', '#9ecae1', '#6baed6', '#4292c6', '#2171b5', '#08519c', '#08306b', '#021a3a'];

export function nameOf(weight, error) {
  return `λ = ${weight} (test MSE ${error.toFixed(4)})`;
}

/**
 * @param results per weight: `weight`, `error` (test MSE), and `violations`, `[{ eps, each }]` with one
 *   number per generator.
 * @param trajectories of two weights: `weight`, `points` `[{ scale, generator, output, lower, upper, target }]`.
 */
export function drawStudy({ results, trajectories, limits, eps }) {
  return draw({
    title: {
      text: 'Certified feasibility of a surrogate of DC optimal power flow',
      subtitle: 'after Figure 2 of the closed-form radius paper; outputs and radii in standard deviations',
      anchor: 'start',
    },
    vconcat: [
      { hconcat: [overEps(results), perGenerator(results, eps)], spacing: 30 },
      {
        hconcat: trajectories.map((trajectory, i) => along(trajectory, 'cd'[i], limits, eps)),
        spacing: 30,
      },
    ],
    spacing: 24,
  });
}

function colour(results, legend) {
  const names = results.map(({ weight, error }) => nameOf(weight, error));
  const [none, ...others] = shades;
  const range = [none, ...others.slice(1 - names.length)];
  return { field: 'curve', type: 'nominal', scale: { domain: names, range }, legend };
}

function overEps(results) {
  const values = results.flatMap(({ weight, error, violations }) =>
    violations.map(({ eps, each }) => ({ curve: nameOf(weight, error), eps, violation: sum(each) })),
  );
  return {
    title: '(a) over the radius, all generators',
    width: 400,
    height: 280,
    data: { values },
    mark: { type: 'line', strokeWidth: 2, point: { filled: true, size: 35 } },
    encoding: {
      x: { field: 'eps', type: 'quantitative', title: 'radius ε of the demands, l∞' },
      y: { field: 'violation', type: 'quantitative', title: 'certified violation, mean' },
      color: colour(results, { orient: 'top-left', labelLimit: 0, fillColor: 'white', padding: 6 }),
    },
  };
}

function perGenerator(results, eps) {
  const values = results.flatMap(({ weight, error, violations }) =>
    violations
      .find((entry) => entry.eps === eps)
      .each.map((violation, j) => ({ curve: nameOf(weight, error), generator: `G${j + 1}`, violation })),
  );
  return {
    title: `(b) by generator at ε = ${eps}`,
    width: 400,
    height: 280,
    data: { values },
    mark: 'bar',
    encoding: {
      x: { field: 'generator', type: 'nominal', title: 'generator', axis: { labelAngle: 0 } },
      xOffset: { field: 'curve', sort: results.map(({ weight, error }) => nameOf(weight, error)) },
      y: { field: 'violation', type: 'quantitative', title: 'certified violation, mean' },
      color: colour(results, null),
    },
  };
}

function along({ weight, points }, letter, limits, eps) {
  const generators = limits.lower.map((_, j) => j);
  const first = points[0].scale;
  const last = points[points.length - 1].scale;
  return {
    title: `(${letter}) λ = ${weight}: output, certified range at ε = ${eps}, limits`,
    vconcat: generators.map((generator) => {
      const x = { field: 'scale', type: 'quantitative', scale: { domain: [first, last], nice: false } };
      const axisX =
        generator === generators.length - 1 ? { title: 'demand / nominal demand' } : { title: null };
      const y = (field) => ({
        field,
        type: 'quantitative',
        title: `G${generator + 1}`,
        scale: { domain: [-4, 4] },
      });
      const out = [
        { from: limits.upper[generator], to: 4 },
        { from: -4, to: limits.lower[generator] },
      ];
      return {
        width: 400,
        height: 100,
        layer: [
          {
            // Out of limits is shaded; in between stays white.
            data: { values: out },
            mark: { type: 'rect', color: '#d62728', opacity: 0.12 },
            encoding: { y: y('from'), y2: { field: 'to' } },
          },
          {
            data: { values: points.filter((point) => point.generator === generator) },
            layer: [
              {
                mark: { type: 'area', color: '#4292c6', opacity: 0.3, clip: true },
                encoding: { x: { ...x, axis: axisX }, y: y('lower'), y2: { field: 'upper' } },
              },
              {
                mark: { type: 'line', color: '#08519c', strokeWidth: 2, clip: true },
                encoding: { x, y: y('output') },
              },
              {
                mark: { type: 'line', color: 'black', strokeDash: [3, 3], clip: true },
                encoding: { x, y: y('target') },
              },
            ],
          },
        ],
      };
    }),
    spacing: 8,
  };
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
