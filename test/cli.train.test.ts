import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
import { nativeCandidates } from '../src/native.js';
import { idx, temporaryFolder } from './support/array-files.js';
import { blobs } from './support/blobs.js';
import { runCommand } from './support/command-line.js';

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
  });
});
