import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NativeArithmetic, Tape } from '../src/autodiff/index.js';
import { AbortError, DataError, InvalidArgumentError } from '../src/errors.js';
import {
  type TrainRequest,
  accuracy,
  findRecipe,
  parseArchitecture,
  recipes,
  train,
} from '../src/train/index.js';
import { writeLog } from '../src/train/log.js';
import { temporaryFolder } from './support/array-files.js';
import { blobs } from './support/blobs.js';

const folder = temporaryFolder();
const data = blobs(600, 1);
const test = blobs(300, 2);

const request = (recipe: string, more: Partial<TrainRequest> = {}): TrainRequest => ({
  recipe: findRecipe(recipe),
  architecture: parseArchitecture('36-16-3'),
  data,
  seed: 3,
  threads: 1,
  ...more,
  teacherTraining: { epochs: 4, batch: 50, rate: 0.01, validation: 60, patience: 0 },
  training: {
    epochs: 4,
    batch: 50,
    rate: 0.01,
    finalRate: 0.001,
    validation: 60,
    patience: 0,
    ...more.training,
  },
});

const weights = async (asked: TrainRequest): Promise<number[][]> =>
  (await train(asked)).network.parameters.map((parameter) => Array.from(parameter.data));

describe('train', () => {
  it.each(recipes.map(({ name }) => name))('%s learns, and its averaged weights too', async (recipe) => {
    const { network, log } = await train(request(recipe, { training: { ema: 0.9 } }));
    expect(log.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    expect(log[3].loss).toBeLessThan(log[0].loss);
    expect(accuracy(new Tape(new NativeArithmetic({ threads: 1 })), network, test)).toBeGreaterThan(0.97);
  });

  it('gives the same weights for the same seed, whatever the number of threads, and others for another', async () => {
    const one = await weights(request('pgd'));
    expect(await weights(request('pgd', { threads: 3 }))).toEqual(one);
    expect(await weights(request('pgd', { seed: 4 }))).not.toEqual(one);
  });

  it.each(recipes.map(({ name }) => name))(
    '%s, stopped and resumed, ends with the same weights',
    async (recipe) => {
      const checkpoint = join(folder.path, `${recipe}.checkpoint`);
      const teacherSteps = findRecipe(recipe).teacher ? 44 : 0;
      let seen = 0;
      const options = { training: { ema: 0.95, clip: 1, shift: 1 }, checkpoint };
      const whole = await weights(request(recipe, options));
      const stop = new AbortController();
      const stopped = train(
        request(recipe, {
          ...options,
          signal: stop.signal,
          onStep: () => ++seen === teacherSteps + 30 && stop.abort(),
        }),
      );
      await expect(stopped).rejects.toThrow(AbortError);
      const epochs: number[] = [];
      const onEpoch: TrainRequest['onEpoch'] = (log) => void epochs.push(log.length);
      expect(await weights(request(recipe, { ...options, resume: true, onEpoch }))).toEqual(whole);
      expect(epochs).toEqual([3, 4]);
    },
  );

  it('stops early and keeps the best weights', async () => {
    const { log, network } = await train(
      request('standard', { training: { epochs: 60, patience: 2, rate: 0.05, finalRate: 0.05 } }),
    );
    const seen = log.map(({ validationAccuracy }) => validationAccuracy!);
    expect(log.length).toBeLessThan(60);
    const best = Math.max(...seen);
    expect(log.length - 1 - seen.indexOf(best)).toBe(2);
    const validation = {
      ...data,
      count: 60,
      images: data.images.subarray(540 * 36),
      labels: data.labels.subarray(540),
    };
    expect(accuracy(new Tape(new NativeArithmetic({ threads: 1 })), network, validation)).toBe(best);
  });

  it('trains convolutions', async () => {
    const architecture = parseArchitecture('1x6x6-c4k3s2p1-8-3');
    const { network } = await train(request('certified', { architecture, training: { epochs: 12 } }));
    expect(accuracy(new Tape(new NativeArithmetic({ threads: 1 })), network, test)).toBeGreaterThan(0.97);
  });

  it('logs epochs as CSV', async () => {
    const path = join(folder.path, 'log.csv');
    await train(request('standard', { onEpoch: (log) => writeLog(path, log) }));
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect(lines[0]).toBe('epoch,steps,loss,accuracy,validationAccuracy,rate,seconds');
    expect(lines).toHaveLength(5);
    expect(lines[4]).toMatch(/^4,11,[\d.e-]+,[\d.]+,[\d.]+,[\d.]+,[\d.]+$/);
  });

  it('refuses what does not fit', async () => {
    const refused = (more: Partial<TrainRequest>): Promise<unknown> => train(request('pgd', more));
    await expect(refused({ architecture: parseArchitecture('35-3') })).rejects.toThrow(
      'the images are [1, 6, 6]',
    );
    await expect(refused({ settings: { epsilon: 1 } })).rejects.toThrow("no setting 'epsilon'");
    await expect(refused({ training: { batch: 0 } })).rejects.toThrow('batch is 0');
    await expect(refused({ training: { validation: 600 } })).rejects.toThrow(InvalidArgumentError);
    await expect(refused({ training: { validation: 0, patience: 1 } })).rejects.toThrow('patience needs');
    await expect(refused({ training: { rate: 1e30, finalRate: 1e30 } })).rejects.toThrow(
      'lower the learning rate',
    );
    const missing = join(folder.path, 'none');
    await expect(refused({ checkpoint: missing, resume: true })).rejects.toThrow(DataError);
    const checkpoint = await folder.write('text', 'no checkpoint\n');
    await expect(refused({ checkpoint, resume: true })).rejects.toThrow('no checkpoint of bulwark train');
    const other = join(folder.path, 'other.checkpoint');
    await train(request('pgd', { checkpoint: other, training: { epochs: 1 } }));
    await expect(refused({ checkpoint: other, resume: true })).rejects.toThrow('belongs to another run');
    expect(() => parseArchitecture('36-c3')).toThrow("layer 'c3'");
    expect(() => parseArchitecture('36-c3k2-5')).toThrow('does not fit its input [36]');
    expect(() => findRecipe('hope')).toThrow(InvalidArgumentError);
  });
});
