import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
import { gridFile } from '../src/cli/train-surrogate.js';
import { nativeCandidates } from '../src/native.js';
import { idx, temporaryFolder } from './support/array-files.js';
import { blobs } from './support/blobs.js';
import { runCommand } from './support/command-line.js';
import { pairGrid } from './support/grids.js';

const folder = temporaryFolder();
const [addon] = nativeCandidates();
let images = '';
let labels = '';

beforeAll(async () => {
  const data = blobs(300, 1);
  const pixels = Uint8Array.from(data.images, (value) => Math.round(255 * value));
  images = await folder.write('images.idx', idx(8, [300, 6, 6], pixels));
  labels = await folder.write('labels.idx', idx(8, [300], Uint8Array.from(data.labels)));
});

const trainArguments = (out: string, ...more: string[]): string[] => {
  const data = ['--data', images, '--labels', labels, '--arch', '1x6x6-8-3', '--out', out];
  return ['train', '--recipe', 'pgd', ...data, '--epochs', '2', '--batch', '50', '--threads', '1', ...more];
};

describe('bulwark train', () => {
  it('writes a network, a log and a checkpoint, and certifies what it wrote', async () => {
    const out = join(folder.path, 'net.onnx');
    const { code, stdout, stderr } = await runCommand(trainArguments(out, '--set', 'eps=0.02'), { addon });
    expect(stderr).toContain('12/12 steps');
    expect(stderr).toMatch(/loss [\d.]+, accuracy [\d.]+ %/);
    expect(stdout).toContain(`wrote ${out}`);
    expect(code).toBe(0);
    expect((await loadModel(out)).outputSize).toBe(3);
    expect((await readFile(`${out}.csv`, 'utf8')).split('\n')).toHaveLength(4);
    const again = await runCommand(trainArguments(out), { addon });
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('--force');
  });

  it('writes the same bytes when resumed', async () => {
    const [whole, parts] = [join(folder.path, 'whole.onnx'), join(folder.path, 'parts.onnx')];
    await runCommand(trainArguments(whole), { addon });
    await runCommand(trainArguments(parts), { addon });
    const resumed = await runCommand(trainArguments(parts, '--resume'), { addon });
    expect(resumed.code).toBe(0);
    expect(await readFile(parts)).toEqual(await readFile(whole));
  });

  it('says what is wrong with its arguments', async () => {
    const out = join(folder.path, 'x.onnx');
    const wrong = async (...more: string[]): Promise<string> => {
      const { code, stderr } = await runCommand(trainArguments(out, ...more), { addon });
      return `${code}: ${stderr}`;
    };
    expect(await wrong('--set', 'eps')).toMatch(/^2: .*name=number/s);
    expect(await wrong('--set', 'radius=1')).toMatch(/^2: .*its settings: eps, stepSize, steps, restarts/s);
    expect(await wrong('--arch', '36')).toMatch(/^2: .*has no layers/s);
    expect(await wrong('--data', 'mnist')).toMatch(/^2: .*--data-dir/s);
    expect(await wrong('--data', 'cifar10')).toMatch(/^2: .*--data cifar10 needs --data-dir/s);
    expect(await wrong('--data-dir', folder.path)).toMatch(/^2: .*mnist, cifar10 or opf/s);
  });

  it('trains a surrogate of optimal power flow', async () => {
    await folder.write(gridFile, Buffer.from(pairGrid));
    const out = join(folder.path, 'opf.onnx');
    const run = (recipe: string, ...more: string[]) => {
      const data = ['--data', 'opf', '--data-dir', folder.path, '--arch', '2-4-2', '--out', out];
      const settings = ['--set', 'train=20', '--set', 'test=10', '--threads', '1', '--force'];
      return runCommand(['train', '--recipe', recipe, ...data, ...settings, ...more], { addon });
    };
    const { code, stdout, stderr } = await run('certified', '--epochs', '30', '--set', 'weight=0.3');
    expect(stderr).toContain('30/30 steps');
    expect(stdout).toMatch(/squared error on 10 test demands: [\d.]+ standard deviations/);
    expect(code).toBe(0);
    const bytes = await readFile(out);
    expect((await loadModel(out)).outputSize).toBe(2);
    const { inputScale, limits } = JSON.parse(await readFile(`${out}.json`, 'utf8'));
    expect(inputScale.mean[1]).toBeGreaterThan(80);
    expect(limits.upper).toHaveLength(2);
    await run('certified', '--epochs', '30', '--set', 'weight=0.3');
    expect(await readFile(out)).toEqual(bytes);
    await run('standard', '--epochs', '30');
    expect(await readFile(out)).not.toEqual(bytes);
    const wrong = async (recipe: string, ...more: string[]): Promise<string> =>
      (await run(recipe, ...more)).stderr;
    expect(await wrong('pgd')).toContain('expected standard or certified');
    expect(await wrong('standard', '--resume')).toContain('resume');
    expect(await wrong('standard', '--batch', '3')).toContain('batch do not apply');
    expect(await wrong('standard', '--set', 'kappa=1')).toContain('its settings: weight, eps');
    expect(await wrong('standard', '--arch', '3-4-2')).toContain('the grid has 2 demands and 2 generators');
    expect(await wrong('standard', '--data-dir', join(folder.path, 'none'))).toContain(
      `expected ${gridFile}`,
    );
  });
});
