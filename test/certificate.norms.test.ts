/** Norm claims: accepted just above the true spectral norm, refused just below it. */
import { describe, expect, it } from 'vitest';
import { CertificateChecker } from '../src/certificate/index.js';
import type { Matrix } from '../src/certificate/matrix.js';
import { claimNorms } from '../src/certify/norm-claims.js';
import type { Model } from '../src/index.js';
import { NetworkBuilder, Random, networkKinds } from './support/random-networks.js';

/** The spectral norm by plain power iteration on a dense copy, to about 1e-7 from below. */
function trueNorm({ rows, columns, start, row, value }: Matrix): number {
  let x = Float64Array.from({ length: columns }, (_, i) => 1 + Math.sin(i + 1));
  let norm = 0;
  for (let step = 0; step < 3000; step += 1) {
    const y = new Float64Array(rows);
    for (let j = 0; j < columns; j += 1) {
      for (let k = start[j]; k < start[j + 1]; k += 1) y[row[k]] += value[k] * x[j];
    }
    const next = new Float64Array(columns);
    for (let j = 0; j < columns; j += 1) {
      for (let k = start[j]; k < start[j + 1]; k += 1) next[j] += value[k] * y[row[k]];
    }
    const before = norm;
    const size = Math.sqrt(next.reduce((sum, entry) => sum + entry * entry, 0));
    // x has length 1 from the second step on.
    norm = step === 0 ? Infinity : Math.sqrt(size);
    if (size === 0) return 0;
    x = next.map((entry) => entry / size);
    if (Math.abs(norm - before) < 1e-15 * norm) break;
  }
  return norm;
}

/** What is wrong with the claims for a model, in words; empty if nothing is. */
function complaints(model: Model): string[] {
  const found: string[] = [];
  const checker = new CertificateChecker(model);
  const claims = claimNorms(checker);
  checker.layers.forEach(({ affine }, i) => {
    if (!affine) return;
    const truth = trueNorm(affine.chain);
    const claim = claims[i];
    if (!(claim >= truth)) found.push(`${claim} is below the norm ${truth}`);
    if (!(claim <= truth * (1 + 1e-4) + 1e-100)) found.push(`${claim} is far above the norm ${truth}`);
    const fresh = new CertificateChecker(model);
    if (!fresh.provesNorm(i, claim)) found.push(`${claim} is not proven again`);
    for (const wrong of [truth * (1 - 1e-9), truth / 2, 0, -claim, NaN, -Infinity]) {
      if (fresh.provesNorm(i, wrong)) found.push(`${wrong} passes for a norm of ${truth}`);
    }
  });
  return found;
}

describe('spectral norms', () => {
  it.each(Object.keys(networkKinds))('of the network %s', (kind) => {
    for (let seed = 1; seed <= 4; seed += 1)
      expect(complaints(networkKinds[kind](new Random(seed)))).toEqual([]);
  });

  it('of single convolutions of many kinds', () => {
    const random = new Random(9);
    for (let round = 0; round < 40; round += 1) {
      const group = random.integer(1, 2);
      const builder = new NetworkBuilder([2 * group, random.integer(4, 8), random.integer(4, 8)], random);
      const pads = () => [0, 0, 0, 0].map(() => random.integer(0, 2)) as [number, number, number, number];
      const settings = {
        kernel: [random.integer(1, 3), random.integer(1, 3)] as const,
        strides: [random.integer(1, 3), random.integer(1, 3)] as const,
        dilations: [random.integer(1, 2), random.integer(1, 2)] as const,
        pads: pads(),
        group,
      };
      const conv = builder.conv(0, group * random.integer(1, 4), settings);
      const whole = builder.shape(conv).every((extent) => extent > 0);
      expect(whole ? complaints(builder.model()) : []).toEqual([]);
    }
  });

  it('of huge, tiny and zero weights', () => {
    for (const weight of [1e30, 1e-30, 1e-160, 0]) {
      const builder = new NetworkBuilder([2], new Random(1));
      builder.linear(0, 2, [weight, weight, 0, weight]);
      const [, claim] = claimNorms(new CertificateChecker(builder.model()));
      expect(claim).toBeGreaterThanOrEqual(weight * 1.6180339887);
      expect(new CertificateChecker(builder.model()).provesNorm(1, weight * 1.618)).toBe(false);
    }
  });
});
