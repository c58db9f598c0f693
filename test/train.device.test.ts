/**
 * Training on a GPU, which here is the emulation of one: the addon, the kernels and the trainer are those that
 * run on a real one.
 */
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NativeArithmetic, Tape, Tensor } from '../src/autodiff/index.js';
import { DeviceError, InvalidArgumentError } from '../src/errors.js';
import { loadModel } from '../src/model/index.js';
import { type TrainRequest, findRecipe, parseArchitecture, recipes, train } from '../src/train/index.js';
import { idx, temporaryFolder } from './support/array-files.js';
import { blobs } from './support/blobs.js';
import { runCommand } from './support/command-line.js';
import { emulatedAbsence, emulatedAddon } from './support/emulated-gpu.js';
import { problems, randomGraph } from './support/gradient-problems.js';
import { wrongOn } from './support/gradients.js';

const folder = temporaryFolder();
const data = blobs(120, 1);

/** Less of what takes long on an emulation: steps of attacks, images that are bounded. */
const lighter: Record<string, Partial<TrainRequest>> = {
  pgd: { settings: { steps: 3 } },
  smoothing: { settings: { steps: 2, samples: 2, views: 2 } },
  hybrid: { settings: { steps: 2, screened: 3, processed: 1 }, data: blobs(50, 1) },
};

// Before the addon is loaded: this process's is the one with the emulated GPU.
if (emulatedAbsence === undefined) vi.stubEnv('BULWARK_NATIVE', emulatedAddon);
else console.log(`skipped: ${emulatedAbsence}`);

afterEach(() => vi.restoreAllMocks());

const request = (recipe: string, device: 'cpu' | 'cuda', more: Partial<TrainRequest> = {}): TrainRequest => ({
  recipe: findRecipe(recipe),
  architecture: parseArchitecture('36-12-3'),
  data,
  seed: 3,
  threads: 1,
  device,
  teacherTraining: { epochs: 1, batch: 20, rate: 0.01, validation: 20, patience: 0 },
  ...lighter[recipe],
  ...more,
  training: { epochs: 2, batch: 10, rate: 0.003, validation: 20, patience: 0, ema: 0.9, ...more.training },
});

const weights = async (asked: TrainRequest): Promise<number[][]> =>
  (await train(asked)).network.parameters.map(({ data: numbers }) => Array.from(numbers));

const losses = async (asked: TrainRequest): Promise<number[]> => {
  const all: number[] = [];
  await train({ ...asked, onStep: ({ loss }) => all.push(loss) });
  return all;
};

describe.skipIf(emulatedAbsence)('training on a device', () => {
  let cuda: NativeArithmetic;
  beforeAll(() => {
    cuda = new NativeArithmetic({ device: 'cuda' });
  });

  it('is what auto chooses, and arrays live there', () => {
    expect(new NativeArithmetic({ device: 'auto' }).device).toBe('cuda');
    const x = cuda.allocate(5);
    expect(x).not.toBeInstanceOf(Float32Array);
    expect(Array.from(cuda.download(x))).toEqual([0, 0, 0, 0, 0]);
    cuda.upload([1, 2, 3, 4, 5], x);
    const y = cuda.allocate(4);
    cuda.fill(y, -1);
    cuda.copy(x, y, { from: 2, to: 1, count: 2 });
    expect(Array.from(cuda.download(y))).toEqual([-1, 3, 4, -1]);
    expect(() => new Tensor(y, [4]).data).toThrow(InvalidArgumentError);
    expect(() => cuda.copy(x, y, { from: 4, to: 0, count: 2 })).toThrow(/begin/);
    cuda.free(x);
    expect(() => cuda.scale(x, x, 1, 0)).toThrow(/given back/);
    expect(() => cuda.scale(new Float32Array(4), y, 1, 0)).toThrow(/allocated on its device/);
    expect(() => cuda.scale(new NativeArithmetic({ device: 'cuda' }).allocate(4), y, 1, 0)).toThrow(
      /allocated/,
    );
    expect(() => cuda.allocate(2 ** 30)).toThrow(DeviceError);
  });

  it.each(Object.entries(problems))('gradient of %s', (_, problem) => {
    for (const seed of [1, 2]) expect(wrongOn(cuda, problem, seed)).toBeUndefined();
  });

  it('gradients of random graphs', () => {
    for (let seed = 1; seed <= 20; seed++) {
      expect(wrongOn(cuda, randomGraph(seed), seed), `seed ${seed}`).toBeUndefined();
    }
  });

  it('reuses the memory of a step', () => {
    const tape = new Tape(cuda);
    const step = (): void =>
      tape.scope(() => {
        const x = tape.tensor([1, -2, 3], [3]);
        tape.grad(tape.sum(tape.square(tape.relu(x))), [x]);
      });
    step();
    const { allocated } = tape;
    for (let i = 0; i < 20; i++) step();
    expect(tape.allocated).toBe(allocated);
    tape.close();
  });

  it.each(recipes.map(({ name }) => name))('%s goes as on the CPU, and twice the same', async (name) => {
    const [here, there] = [await losses(request(name, 'cpu')), await losses(request(name, 'cuda'))];
    expect(there).toHaveLength(here.length);
    there.forEach((loss, step) => expect(Math.abs(loss - here[step])).toBeLessThan(2e-3 * (1 + here[step])));
    expect(Math.abs(there[0] - here[0])).toBeLessThan(1e-5 * (1 + here[0]));
    const one = await weights(request(name, 'cuda'));
    expect(await weights(request(name, 'cuda'))).toEqual(one);
  });

  it('convolutions learn there, too', async () => {
    const more = { architecture: parseArchitecture('1x6x6-c4k3s2p1-3') };
    const [here, there] = [
      await losses(request('standard', 'cpu', more)),
      await losses(request('standard', 'cuda', more)),
    ];
    there.forEach((loss, step) => expect(Math.abs(loss - here[step])).toBeLessThan(1e-4 * (1 + here[step])));
    expect(there[19]).toBeLessThan(there[0]);
  });

  it.each(['standard', 'certified', 'hybrid'])(
    '%s, stopped and resumed, ends with the same weights',
    async (name) => {
      const more = { checkpoint: join(folder.path, `${name}.checkpoint`) };
      const whole = await weights(request(name, 'cuda'));
      const stop = new AbortController();
      const stopped = train({
        ...request(name, 'cuda', more),
        signal: stop.signal,
        onEpoch: () => stop.abort(),
      });
      await expect(stopped).rejects.toThrow('stopped');
      expect(await weights(request(name, 'cuda', { ...more, resume: true }))).toEqual(whole);
    },
  );

  it('looks at the device every eighth step', async () => {
    const downloads = vi.spyOn(NativeArithmetic.prototype, 'download');
    const steps: number[] = [];
    // Of one epoch: two looks at losses and counts, one at what validation gave.
    const counts: number[] = [];
    await train({
      ...request('certified', 'cuda'),
      onStep: ({ step }) => steps.push(step),
      onEpoch: () => {
        counts.push(downloads.mock.calls.length);
        downloads.mockClear();
      },
    });
    expect(counts[1]).toBe(2 * 2 + 1);
    expect(steps).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('from the command line', async () => {
    const pixels = Uint8Array.from(data.images, (value) => Math.round(255 * value));
    const images = await folder.write('images.idx', idx(8, [120, 6, 6], pixels));
    const labels = await folder.write('labels.idx', idx(8, [120], Uint8Array.from(data.labels)));
    const out = join(folder.path, 'net.onnx');
    const given = ['--data', images, '--labels', labels, '--arch', '1x6x6-8-3', '--out', out];
    const { code, stderr } = await runCommand(
      [
        'train',
        '--recipe',
        'standard',
        ...given,
        '--epochs',
        '1',
        '--validation',
        '0',
        '--patience',
        '0',
        '--device',
        'cuda',
      ],
      { addon: emulatedAddon },
    );
    expect(stderr).toMatch(/loss [\d.]+/);
    expect(code).toBe(0);
    expect((await loadModel(out)).outputSize).toBe(3);
    const opf = ['--data', 'opf', '--data-dir', folder.path, '--arch', '3-8-3', '--out', `${out}.opf`];
    const refused = await runCommand(['train', '--recipe', 'standard', ...opf, '--device', 'cuda'], {
      addon: emulatedAddon,
    });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('--data opf trains on the CPU');
  });
});
