import { describe, expect, it } from 'vitest';
import { DataError } from '../src/errors.js';
import { parseMatpower } from '../src/opf/index.js';
import { cifarBatches, loadCifar10 } from '../src/train/data.js';
import { certifiedViolation, dispatchData, trainSurrogate } from '../src/train/index.js';
import { NativeArithmetic, Tape } from '../src/autodiff/index.js';
import { temporaryFolder } from './support/array-files.js';
import { idleGrid } from './support/grids.js';

describe('CIFAR-10 by name', () => {
  const folder = temporaryFolder();
  /** `count` records whose labels and pixels begin at `first`. */
  const batch = (first: number, count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        Buffer.concat([Buffer.of((first + i) % 10), Buffer.alloc(3072, first + i)]),
      ),
    );

  it('asks for all six files, reads them in order, gzipped or not', async () => {
    await expect(loadCifar10(folder.path)).rejects.toThrow(
      /expected data_batch_1.bin or data_batch_1.bin.gz/,
    );
    for (const [i, name] of cifarBatches.entries()) {
      if (i === 2) await folder.write(`${name}.gz`, batch(10 * i, 3));
      else await folder.write(name, batch(10 * i, 3));
    }
    await expect(loadCifar10(folder.path)).rejects.toThrow(/expected test_batch.bin/);
    await folder.write('test_batch.bin', batch(7, 2));
    const { training, test } = await loadCifar10(folder.path);
    expect(training).toMatchObject({ shape: [3, 32, 32], size: 3072, count: 15 });
    expect(Array.from(training.labels)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(training.images[7 * 3072]).toBeCloseTo(21 / 255, 6);
    expect(training.images).toHaveLength(15 * 3072);
    expect(Array.from(test?.labels ?? [])).toEqual([7, 8]);
    await folder.write('data_batch_4.bin', batch(0, 2).subarray(1));
    await expect(loadCifar10(folder.path)).rejects.toThrow(DataError);
  });
});

describe('surrogates', () => {
  it('leave a generator without capacity at exactly 0, whatever the weight of the violation', async () => {
    const data = await dispatchData(parseMatpower(idleGrid), { train: 30, test: 10, spread: 0.2, seed: 2 });
    expect(data.limits.lower[2]).toBe(0);
    expect(data.limits.upper[2]).toBe(0);
    const options = { architecture: '2-5-3', steps: 80, rate: 0.02, eps: 0.5, seed: 4, threads: 1 };
    for (const weight of [0, 0.3]) {
      const network = await trainSurrogate(data, weight, options);
      const last = network.layers[network.layers.length - 1];
      expect(Array.from(last.weight.data.subarray(10))).toEqual([0, 0, 0, 0, 0]);
      expect(last.bias.data[2]).toBe(0);
      // The others have moved, and are not free of violation.
      const tape = new Tape(new NativeArithmetic({ threads: 1 }));
      const x = tape.tensor(data.test.inputs, [10, 2]);
      expect(certifiedViolation(tape, network, x, 0.5, data.limits).item()).toBeGreaterThan(0);
    }
    const stop = AbortSignal.abort();
    await expect(trainSurrogate(data, 0, { ...options, signal: stop })).rejects.toThrow('stopped');
    await expect(
      dispatchData(parseMatpower(idleGrid), { train: 0, test: 1, spread: 0.2, seed: 1 }),
    ).rejects.toThrow('train: 0 samples');
  });
});
