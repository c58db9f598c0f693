/**
 * cuBLAS as an option of an engine. The GPU is the emulation, whose addon has a stand-in for the library under the
 * library's own names: so the addon is given as the library's file.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Bounds,
  DeviceError,
  InvalidArgumentError,
  Verifier,
  ballL2,
  evaluate,
  rows,
} from '../src/index.js';
import { exportOnnx } from '../src/model/index.js';
import { npyFloat64, temporaryFolder } from './support/array-files.js';
import { runCommand } from './support/command-line.js';
import { emulatedAbsence, emulatedAddon } from './support/emulated-gpu.js';
import { NetworkBuilder, Random } from './support/random-networks.js';
import { samplePoints } from './support/sampling.js';

const folder = temporaryFolder();

// Before the addon is loaded: this process's is the one with the emulated GPU.
if (emulatedAbsence === undefined) vi.stubEnv('BULWARK_NATIVE', emulatedAddon);
else console.log(`skipped: ${emulatedAbsence}`);

describe.skipIf(emulatedAbsence)('cublas', () => {
  const verifiers: Verifier[] = [];
  const open = (options: ConstructorParameters<typeof Verifier>[0]): Verifier => {
    const verifier = new Verifier({ threads: 2, ...options });
    verifiers.push(verifier);
    return verifier;
  };
  let cpu: Verifier, cuda: Verifier, cublas: Verifier;
  beforeAll(() => {
    cpu = open({ device: 'cpu' });
    cuda = open({ device: 'cuda' });
    cublas = open({ device: 'auto', cublas: emulatedAddon });
  });
  afterAll(() => Promise.all(verifiers.map((verifier) => verifier.close())));

  it('is off unless asked for', () => {
    expect([cpu.cublas, cuda.cublas, cublas.cublas]).toEqual([false, false, true]);
    expect(cublas.device).toBe('cuda');
    expect(open({ device: 'cuda', cublas: false }).cublas).toBe(false);
  });

  it('a library that is not there is a typed error that names it', () => {
    const absent = join(folder.path, 'libcublas.so');
    expect(() => new Verifier({ device: 'cuda', cublas: absent })).toThrow(DeviceError);
    expect(() => new Verifier({ device: 'cuda', cublas: absent })).toThrow(absent);
    expect(() => new Verifier({ device: 'cuda', cublas: 'libm.so.6' })).toThrow(
      /libm\.so\.6 without cublasCreate_v2/,
    );
  });

  it('goes with no CPU, and is true, false or a file', () => {
    for (const device of ['cpu', undefined] as const) {
      const options = { cublas: emulatedAddon, ...(device && { device }) };
      expect(() => new Verifier(options)).toThrow(InvalidArgumentError);
    }
    for (const wrong of ['', 3, null, {}]) {
      const options = { device: 'cuda', cublas: wrong } as ConstructorParameters<typeof Verifier>[0];
      expect(() => new Verifier(options)).toThrow(/expected true, false or the library's file/);
    }
  });

  const random = new Random(11);
  const networks = {
    dense: () => {
      const b = new NetworkBuilder([12], random);
      b.linear(b.relu(b.linear(b.relu(b.linear(0, 33)), 40)), 5);
      return b.model();
    },
    convolutional: () => {
      const b = new NetworkBuilder([2, 6, 6], random);
      const first = b.relu(b.conv(0, 4, { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }));
      b.linear(b.relu(b.linear(first, 20)), 4);
      return b.model();
    },
  };

  it.each(Object.keys(networks) as (keyof typeof networks)[])('%s: joint bounds', async (kind) => {
    const model = networks[kind]();
    const images = 18;
    const centers = Array.from({ length: images }, () => random.vector(model.inputSize, 0, 1));
    const region = ballL2(
      centers,
      centers.map((_, i) => [1e-3, 0.05, 0.3][i % 3]),
      { clip: [0, 1] },
    );
    const c = Array.from({ length: 3 }, () => random.normals(model.outputSize));
    const d = random.normals(3);
    const specification = rows(c, d);
    const bounds = (
      verifier: Verifier,
      iterations: number,
      assurance: 'none' | 'real' = 'real',
    ): Promise<Bounds> => verifier.bounds(model, region, { specification, iterations, assurance });
    const apart = (a: Bounds, b: Bounds): number =>
      Math.max(...a.lower.map((x, row) => Math.abs(x - b.lower[row]) / (1 + Math.abs(x))));

    const meanApart = (a: Bounds, b: Bounds): number =>
      a.lower.reduce((sum, x, row) => sum + (x - b.lower[row]) / (1 + Math.abs(x)), 0) / a.lower.length;

    // Where the ascent starts, a bound is a function of the network; later any two of the three walk apart, by up
    // to 1.5 % on a row.
    const [here, there, library] = await Promise.all(
      [cpu, cuda, cublas].map((each) => bounds(each, 0, 'none')),
    );
    expect(apart(here, library)).toBeLessThan(1e-4);
    expect(apart(there, library)).toBeLessThan(1e-4);
    const onCpu = await bounds(cpu, 20);
    const [plain, climbed] = await Promise.all([cuda, cublas].map((each) => bounds(each, 20)));
    expect(Math.abs(meanApart(plain, climbed))).toBeLessThan(2e-3);
    expect(Math.abs(meanApart(onCpu, climbed))).toBeLessThan(2e-3);
    const claimed = await bounds(cublas, 20, 'none');
    for (let image = 0; image < images; image += 1) {
      const outputs = samplePoints(random, region, image, 60).map((x) => evaluate(model.graph, x));
      for (const [row, coefficients] of c.entries()) {
        const at = image * c.length + row;
        const values = outputs.map((y) => y.reduce((sum, v, j) => sum + v * coefficients[j], d[row]));
        expect(climbed.lower[at]).toBeLessThanOrEqual(Math.min(...values));
        expect(claimed.lower[at]).toBeLessThanOrEqual(Math.min(...values) + 1e-4);
        expect(climbed.lower[at]).toBeGreaterThanOrEqual(
          library.lower[at] - 1e-4 * (1 + Math.abs(library.lower[at])),
        );
      }
    }
  });

  it('from the command line, and part of what a run is', async () => {
    const model = networks.dense();
    const points = Array.from({ length: 8 }, () => random.vector(12, 0, 1));
    const classes = points.map((x) => {
      const y = evaluate(model.graph, x);
      return y.indexOf(Math.max(...y));
    });
    const file = await folder.write('net.onnx', exportOnnx(model.graph));
    const data = await folder.write(
      'x.npy',
      npyFloat64(
        [8, 12],
        points.flatMap((x) => Array.from(x)),
      ),
    );
    const labels = await folder.write('y.txt', `${classes.join('\n')}\n`);
    const certify = (out: string, ...more: string[]) => {
      const given = ['certify', file, '--data', data, '--labels', labels, '--norm', '2', '--eps', '0.05'];
      return runCommand([...given, '--out', join(folder.path, out), '--threads', '1', ...more], {
        addon: emulatedAddon,
      });
    };
    const verdicts = async (out: string): Promise<unknown[]> =>
      (await readFile(join(folder.path, out), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { verdict: unknown }).verdict);
    const library = ['--device', 'cuda', '--cublas', emulatedAddon];
    const [onCpu, withLibrary] = [
      await certify('cpu.jsonl', '--device', 'cpu'),
      await certify('cublas.jsonl', ...library),
    ];
    expect([onCpu.code, withLibrary.code]).toEqual([0, 0]);
    expect(await verdicts('cublas.jsonl')).toEqual(await verdicts('cpu.jsonl'));
    const resumed = await certify('cublas.jsonl', '--device', 'cuda', '--resume');
    expect(resumed.code).not.toBe(0);
    expect(resumed.stderr).toContain('cublas was true, is false');
    const refused = await certify('none.jsonl', '--device', 'cuda', '--cublas', join(folder.path, 'none.so'));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('none.so');
  });
});
