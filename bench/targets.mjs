/** What the project promises of its speed and memory on one core of an idle machine, against a run. */
import { productsOf, trainingNames } from './training.mjs';

const certifyLimits = { mnist_mlp: 10, mnist_convsmall: 60, cifar10_cnn_c: 60, cifar10_convsmall: 60 };

const milliseconds = (seconds) => `${(seconds * 1000).toPrecision(3)} ms`;

/**
 * Rows `{ what, target, measured, met }` for the targets that this run measured.
 *
 * Times are processor times per image, which are the wall times of an idle machine. The throughput of two
 * threads compares the best wall times of either count, which needs both cores for itself.
 */
export function targetRows({ cases, opponents = [], throughputs = [], proofs = [] }) {
  const find = (name) => cases.find((each) => each.name === name);
  const rows = [];
  const atMost = (what, name, limit) => {
    const found = find(name);
    if (!found) return;
    const { processor } = found.secondsPerImage;
    rows.push({
      what,
      target: `<= ${limit} ms`,
      measured: milliseconds(processor),
      met: processor * 1000 <= limit,
    });
  };
  for (const { problem, ratio } of opponents) {
    const what = `${problem}: ours / best library`;
    rows.push({ what, target: '>= 0.85', measured: ratio.toFixed(2), met: ratio >= 0.85 });
  }
  const mlp = cases.filter(({ name }) => name.startsWith('mlp '));
  for (const [method, limit] of [
    ['ibp', 0.1],
    ['crown', 0.8],
  ]) {
    const found = mlp.find(({ name }) => name.endsWith(`: ${method}`));
    if (found) atMost(`${found.name}, per image`, found.name, limit);
  }
  for (const [name, limit] of Object.entries(certifyLimits)) {
    atMost(`${name}: certify --threads 1, per image`, `${name}: certify, 1 thread`, limit);
  }
  for (const { name, images, one, two } of throughputs) {
    const what = `${name}: throughput of 2 threads / 1, ${images} images`;
    rows.push({ what, target: '>= 1.8', measured: (two / one).toFixed(2), met: two >= 1.8 * one });
  }
  for (const { name, none, real } of proofs) {
    rows.push({
      what: `${name}: certify, assurance real / none`,
      target: '<= 1.25',
      measured: `${(real / none).toFixed(2)} (${milliseconds(real)} / ${milliseconds(none)})`,
      met: real <= 1.25 * none,
    });
  }
  for (const name of Object.values(trainingNames)) {
    const [whole, products] = [find(name), find(productsOf(name))];
    if (!whole || !products) continue;
    const ratio = whole.cost / products.cost;
    rows.push({
      what: `${name} / its products alone`,
      target: '<= 1.2',
      measured: ratio.toFixed(2),
      met: ratio <= 1.2,
    });
  }
  const memory = cases.flatMap(({ peakMemory }) => peakMemory ?? []);
  if (memory.length > 0) {
    const most = Math.max(...memory);
    rows.push({
      what: 'certify: peak memory',
      target: '< 1 GB',
      measured: `${Math.round(most / 1e6)} MB`,
      met: most < 1e9,
    });
  }
  return rows;
}
