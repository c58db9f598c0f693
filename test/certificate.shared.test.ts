/** Multipliers of the native engine on the published networks make certificates that the checker accepts. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { CertificateChecker } from '../src/certificate/index.js';
import { CertificateMaker, encodeCertificate } from '../src/certify/certificates.js';
import { loadImages, loadLabels } from '../src/data/index.js';
import { loadModel, margins } from '../src/index.js';
import { loadNative } from '../src/native.js';
import { ball, toNativeRegion } from '../src/problem/region.js';

const shared = fileURLToPath(new URL('../../shared/data/sdp-crown/', import.meta.url));
const there = existsSync(shared);
if (!there) console.warn(`skipped: ${shared} is absent`);

const count = 12;
const networks = [
  { name: 'mnist_mlp', set: 'mnist', eps: 1, clip: [0, 1] as const, least: 3 },
  { name: 'cifar10_cnn_c', set: 'cifar', eps: 24 / 255, clip: null, least: 3 },
];

it.skipIf(!there).each(networks)('$name', async ({ name, set, eps, clip, least }) => {
  const read = await loadModel(`${shared}models/${name}.onnx`);
  const mean = [0.4913725, 0.4823529, 0.4466667];
  const model = set === 'cifar' ? read.withNormalization({ mean, std: 0.225 }) : read;
  const from = { inputShape: model.inputShape, layout: 'nhwc', limit: count } as const;
  const images = await loadImages(`${shared}${set}/X_sdp.npy`, from);
  const { labels } = await loadLabels(`${shared}${set}/y_sdp.npy`, { classes: 10, limit: count });
  const centers = Array.from({ length: count }, (_, i) =>
    images.data.slice(i * images.size, (i + 1) * images.size),
  );

  const binding = loadNative();
  const engine = binding.createEngine({ threads: 1, device: 'cpu' });
  const specification = margins(labels);
  const options = {
    method: 'joint' as const,
    boxes: 'cheap' as const,
    iterations: 150,
    boxIterations: 0,
    learningRate: 0.1,
    decay: 0.985,
    stopWhenProven: true,
    timeLimit: 0,
    coefficients: false,
    multipliers: true,
    assurance: 'none' as const,
    decidedOnly: false,
  };
  const region = toNativeRegion(ball('l2', centers, eps, clip ? { clip } : {}));
  const rows = specification.resolve(count, 10);
  const found = await engine.bounds(binding.createNetwork(model.graph.nodes), region, rows, options, {});
  engine.close();

  const maker = new CertificateMaker(model);
  const checker = new CertificateChecker(model);
  const { slope, lambda, inputLambda } = found.multipliers!;
  const [features, relus] = [slope.length / count / 9, lambda.length / count / 9];
  let accepted = 0;
  for (const [index, center] of centers.entries()) {
    const lower = found.lower.subarray(9 * index, 9 * index + 9);
    if (!lower.every((bound) => bound > 0)) continue;
    const leaves = Array.from(lower, (_, row) => ({
      splits: [],
      slope: slope.slice((9 * index + row) * features, (9 * index + row + 1) * features),
      lambda: lambda.slice((9 * index + row) * relus, (9 * index + row + 1) * relus),
      inputLambda: inputLambda[9 * index + row],
    }));
    const certificate = maker.make({
      index,
      center,
      label: labels[index],
      region: { kind: 'l2', eps, clip },
      assurance: 'real',
      rows: leaves.map((leaf) => ({ leaves: [leaf] })),
      lower,
    });
    expect(certificate).toBeDefined();
    const image = { center, label: labels[index] };
    const { margins: proven } = checker.check(encodeCertificate(certificate!), () => image);
    // The checker relies on the same boxes and norms, so it loses next to nothing.
    proven.forEach((margin, row) => expect(lower[row] - margin).toBeLessThan(1e-5));
    accepted += 1;
  }
  expect(accepted).toBeGreaterThanOrEqual(least);
});
