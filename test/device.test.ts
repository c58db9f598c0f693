import { describe, expect, it } from 'vitest';
import { DeviceError, NativeArithmetic, Verifier } from '../src/index.js';
import { loadNative } from '../src/native.js';
import { listDevices } from '../src/verify/verifier.js';
import { realAddonPath, runCommand } from './support/command-line.js';

const { devices, cudaAbsence } = listDevices();
const real = { addon: realAddonPath };
const gpu = devices.find(({ kind }) => kind === 'cuda');

/** Milliseconds of a call, and what it returned or threw. */
function timed<T>(call: () => T): { outcome: T | unknown; milliseconds: number } {
  const start = performance.now();
  let outcome: T | unknown;
  try {
    outcome = call();
  } catch (error) {
    outcome = error;
  }
  return { outcome, milliseconds: performance.now() - start };
}

describe('devices', () => {
  it('are listed, the CPU first', async () => {
    expect(devices[0]).toEqual({ kind: 'cpu', name: loadNative().instructionSets()[0] });
    expect(gpu === undefined).toBe(cudaAbsence !== '');
    const [text, json] = await Promise.all([
      runCommand(['inspect', '--devices'], real),
      runCommand(['inspect', '--devices', '--json'], real),
    ]);
    expect([text.code, json.code]).toEqual([0, 0]);
    expect(text.stdout).toMatch(/^cpu +\w+$/m);
    expect(text.stdout).toContain(gpu ? gpu.name : `no GPU: ${cudaAbsence}`);
    expect(JSON.parse(json.stdout)).toEqual({ devices, cudaAbsence });
  });

  it('inspect needs a model or --devices', async () => {
    const { code, stderr } = await runCommand(['inspect']);
    expect(code).not.toBe(0);
    expect(stderr).toContain("missing argument 'model'");
  });

  it.skipIf(gpu)('without a GPU, cuda is a typed error and auto the CPU, both at once', () => {
    const cuda = timed(() => new Verifier({ device: 'cuda', threads: 1 }));
    expect(cuda.outcome).toBeInstanceOf(DeviceError);
    expect((cuda.outcome as Error).message).toContain(cudaAbsence);
    const auto = timed(() => new Verifier({ device: 'auto', threads: 1 }));
    expect((auto.outcome as Verifier).device).toBe('cpu');
    expect(Math.max(cuda.milliseconds, auto.milliseconds)).toBeLessThan(50);
  });

  it.skipIf(gpu)('training says the same', () => {
    const cuda = timed(() => new NativeArithmetic({ device: 'cuda' }));
    expect(cuda.outcome).toBeInstanceOf(DeviceError);
    expect((cuda.outcome as Error).message).toContain(cudaAbsence);
    const auto = timed(() => new NativeArithmetic({ device: 'auto', threads: 1 }));
    expect((auto.outcome as NativeArithmetic).device).toBe('cpu');
    expect(Math.max(cuda.milliseconds, auto.milliseconds)).toBeLessThan(50);
    expect(() => loadNative().createDense({ threads: 1, device: 'cuda' })).toThrow(cudaAbsence);
  });

  it.skipIf(gpu)('the engine itself refuses a device that is not there', () => {
    expect(() => loadNative().createEngine({ threads: 1, device: 'cuda' })).toThrow(cudaAbsence);
  });
});
