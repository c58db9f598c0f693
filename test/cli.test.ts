import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CertifyRecord, CertifySummary } from '../src/index.js';
import { npyFloat64, npyInt64, temporaryFolder } from './support/array-files.js';
import { type Outcome, runCommand, startCommand } from './support/command-line.js';
import { identityOnnx } from './support/fake-native.js';

const folder = temporaryFolder();
const count = 96;
/** Arguments of a run that takes all the paths through the cascade; see certify.test.ts for the fake's margins. */
let certify: string[];

beforeAll(async () => {
  const margins = [-1, 0.05, 0.15, 0.3, 0.7, 1.5];
  const values = Array.from({ length: count }, (_, i) => [margins[(i * 5) % 6], 0]).flat();
  const model = await folder.write('identity.onnx', identityOnnx());
  const data = await folder.write('x.npy', npyFloat64([count, 2], values));
  const labels = await folder.write('y.npy', npyInt64(Array.from({ length: count }, () => 0)));
  certify = [
    'certify',
    model,
    '--data',
    data,
    '--labels',
    labels,
    '--norm',
    '2',
    '--eps',
    '1',
    '--threads',
    '1',
  ];
});

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

async function recordsIn(path: string): Promise<Omit<CertifyRecord, 'seconds'>[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const { seconds: _seconds, ...rest } = JSON.parse(line) as CertifyRecord;
    return rest;
  });
}

describe('bulwark certify', () => {
  it('ends with a table, and progress in plain lines on standard error', async () => {
    const { code, stdout, stderr } = await runCommand(certify);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^verified +48 +50\.0 %$/m);
    expect(stdout).toMatch(/^total +96 +100\.0 %$/m);
    expect(stdout).toMatch(/accuracy 83\.3 %, verified accuracy 50\.0 %, [\d.]+ ms per image/);
    expect(stderr).toMatch(/^96\/96 images, \d+ images\/s, 0:00 left \| .*\d+ verified/m);
  });

  it('--json ends standard output with one object', async () => {
    const { code, stdout } = await runCommand([...certify, '--json', '--start', '6', '--limit', '12']);
    expect(code).toBe(0);
    const summary = JSON.parse(lastLine(stdout)) as CertifySummary;
    expect(summary).toMatchObject({
      total: 12,
      correct: 10,
      verified: 6,
      falsified: 2,
      misclassified: 2,
      unknown: 2,
      timeouts: 0,
      errors: 0,
      verifiedAccuracy: 0.5,
    });
    expect(summary.secondsPerImage).toBeGreaterThan(0);
  });

  it('eps is in the units of the data: --mean and --std change model and ball together', async () => {
    const json = async (extra: string[]): Promise<CertifySummary> =>
      JSON.parse(lastLine((await runCommand([...certify, '--json', ...extra])).stdout)) as CertifySummary;
    // y = (x - mean) / 0.5 doubles margins and sensitivity alike, so the verdicts stay.
    const [plain, scaled] = await Promise.all([json([]), json(['--mean', '0.1', '--std', '0.5'])]);
    expect({ ...scaled, secondsPerImage: 0 }).toEqual({ ...plain, secondsPerImage: 0 });
  });

  it('options reach the campaign', async () => {
    const out = join(folder.path, 'options.jsonl');
    const extra = [
      '--method',
      'crown',
      '--attack',
      'off',
      '--clip',
      '-1,2',
      '--eps',
      '2/4',
      '--out',
      out,
      '--limit',
      '3',
    ];
    expect((await runCommand([...certify, ...extra])).code).toBe(0);
    expect((await recordsIn(out)).map(({ method, attackMargin }) => [method, attackMargin])).toEqual([
      ['predict', null],
      ['crown', null],
      ['crown', null],
    ]);
    const settings: unknown = JSON.parse(await readFile(`${out}.settings.json`, 'utf8'));
    expect(settings).toMatchObject({
      method: 'crown',
      attack: false,
      clip: [-1, 2],
      eps: 0.5,
      norm: 'l2',
      count: 3,
    });
  });
});

/** Runs the command and kills it once it has written so many bytes more than there were; it may end first. */
async function killAfter(args: string[], out: string, bytes: number): Promise<Outcome> {
  const size = async (): Promise<number> => (await readFile(out).catch(() => '')).length;
  const goal = (await size()) + bytes;
  const { child, outcome } = startCommand(args, { delay: 40 });
  const ended = outcome.then(() => true);
  while (!(await Promise.race([ended, sleep(3, false)]))) {
    if ((await size()) >= goal) child.kill('SIGKILL');
  }
  return outcome;
}

describe('kill and resume', () => {
  it('killed at several moments, resumed, it ends with the records of an unbroken run', async () => {
    const whole = join(folder.path, 'whole.jsonl');
    expect((await runCommand([...certify, '--out', whole])).code).toBe(0);
    const expected = await recordsIn(whole);
    expect(expected).toHaveLength(count);

    await Promise.all(
      [1, 3000].map(async (bytes) => {
        const out = join(folder.path, `killed-${bytes}.jsonl`);
        const args = [...certify, '--out', out];
        let outcome = await killAfter(args, out, bytes);
        expect(outcome.signal).toBe('SIGKILL');
        while (outcome.signal !== null) outcome = await killAfter([...args, '--resume'], out, bytes);
        expect(outcome.code).toBe(0);
        expect(await recordsIn(out)).toEqual(expected);
      }),
    );
  });

  it('an interrupt keeps the records and ends with exit code 1', async () => {
    const out = join(folder.path, 'interrupted.jsonl');
    const { child, outcome } = startCommand([...certify, '--out', out], { delay: 150 });
    while ((await readFile(out).catch(() => '')).length === 0) await sleep(5);
    child.kill('SIGINT');
    const { code, stderr } = await outcome;
    expect([code, lastLine(stderr)]).toEqual([1, 'bulwark: interrupted']);
    const kept = (await recordsIn(out)).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(count);
    const resumed = await runCommand([...certify, '--out', out, '--resume', '--json']);
    expect(JSON.parse(lastLine(resumed.stdout))).toMatchObject({ total: count, verified: 48 });
  });

  it('refuses to replace or to mix up records', async () => {
    const out = join(folder.path, 'mixed.jsonl');
    expect((await runCommand([...certify, '--out', out, '--limit', '2'])).code).toBe(0);
    const [again, other, forced] = await Promise.all([
      runCommand([...certify, '--out', out, '--limit', '2']),
      runCommand([...certify, '--out', out, '--limit', '2', '--resume', '--eps', '0.5']),
      runCommand([...certify, '--resume']),
    ]);
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringMatching(/exists already; .*--resume.*--force/),
    ]);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringMatching(/other settings .*eps was 1, is 0.5/),
    ]);
    expect([forced.code, forced.stderr]).toEqual([2, expect.stringMatching(/--resume needs --out/)]);
    expect((await runCommand([...certify, '--out', out, '--limit', '1', '--force'])).code).toBe(0);
    expect(await recordsIn(out)).toHaveLength(1);
  });
});

describe('bulwark radius', () => {
  it('gives median and quantiles of the certified radii', async () => {
    const out = join(folder.path, 'radii.jsonl');
    const args = ['radius', ...certify.slice(1, 8), '--limit', '12', '--tolerance', '1e-4', '--threads', '1'];
    const [table, json] = await Promise.all([
      runCommand(args),
      runCommand([...args, '--json', '--out', out]),
    ]);
    expect([table.code, json.code]).toEqual([0, 0]);
    // The fake proves radius margin / 0.4; the margins of the ten right images have the median 0.3.
    expect(table.stdout).toMatch(/^median +0\.7\d+$/m);
    expect(table.stdout).toContain('over the 10 of 12 images that are classified correctly');
    const summary = JSON.parse(lastLine(json.stdout)) as { median: number; quantiles: unknown[] };
    expect(summary).toMatchObject({ total: 12, correct: 10, median: expect.closeTo(0.75, 3) as number });
    expect(summary.quantiles).toHaveLength(7);
    const lines = (await readFile(out, 'utf8')).trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line) as { index: number; radius: number });
    expect(records).toHaveLength(12);
    expect(records[0]).toMatchObject({ index: 0, label: 0, predicted: 1, radius: 0 });
    expect(records[1].radius).toBeCloseTo(3.75, 3);
  });
});

describe('bulwark inspect', () => {
  it('shows graph, shapes, parameters and norms', async () => {
    const [text, json] = await Promise.all([
      runCommand(['inspect', certify[1]]),
      runCommand(['inspect', certify[1], '--json']),
    ]);
    expect([text.code, json.code]).toEqual([0, 0]);
    expect(text.stdout).toMatch(/input \[2\], 2 outputs, 6 parameters/);
    expect(text.stdout).toMatch(/^1 +linear +0 +\[2\] +6 +Gemm_y$/m);
    expect(JSON.parse(lastLine(json.stdout))).toMatchObject({
      inputShape: [2],
      outputSize: 2,
      parameters: 6,
      nodes: [{ op: 'input' }, { op: 'linear', inputs: [0], shape: [2], parameters: 6 }],
      norms: [{ name: 'Gemm_y', norm: Math.SQRT2 }],
    });
  });
});

describe('exit codes', () => {
  it('0 for help and version', async () => {
    const [help, version] = await Promise.all([runCommand(['certify', '--help']), runCommand(['--version'])]);
    expect([help.code, version.code]).toEqual([0, 0]);
    expect(help.stdout).toContain('--time-limit <S>');
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('2 for wrong usage and bad input, with the cause on standard error', async () => {
    const model = certify[1];
    const cut = await folder.write('cut.onnx', identityOnnx().subarray(0, 40));
    const short = await folder.write('short.npy', npyFloat64([3, 2], [1, 2, 3, 4, 5, 6]).subarray(0, -1));
    const wide = await folder.write('wide.npy', npyFloat64([1, 3], [1, 2, 3]));
    const nan = await folder.write('nan.npy', npyFloat64([1, 2], [1, NaN]));
    const badLabels = await folder.write('bad.txt', '0\n7\n');
    const few = await folder.write('few.txt', '0\n1\n');
    const replaced = (option: string, value: string): string[] =>
      certify.map((argument, i) => (certify[i - 1] === option ? value : argument));
    const cases: [string[], RegExp][] = [
      [[], /Usage: bulwark/],
      [['certfy'], /unknown command 'certfy'/],
      [['certify', model], /required option '--data <file>' not specified/],
      [certify.filter((a) => a !== '--norm' && a !== '2'), /required option '--norm <p>' not specified/],
      [replaced('--norm', '3'), /'3', expected 1, 2 or inf/],
      [replaced('--eps', '-1'), /eps is '-1'/],
      [replaced('--eps', 'NaN'), /eps is 'NaN'/],
      [[...certify, '--clip', '1,0'], /expected two numbers lo,hi with lo < hi/],
      [[...certify, '--clip', '0,1'], /image 0 has the value -1, outside the clip range/],
      [[...certify, '--layout', 'chw'], /Allowed choices are nchw, nhwc/],
      [[...certify, '--method', 'magic'], /Allowed choices are ibp, crown/],
      [[...certify, '--limit', '0'], /limit is 0, expected a positive integer/],
      [[...certify, '--start', '1000'], /start is 1000, expected an integer from 0 to 95/],
      [[...certify, '--start', '1.5'], /'1.5', expected a whole number/],
      [[...certify, '--threads', '0'], /threads is 0/],
      [[...certify, '--device', 'cuda'], /device is 'cuda', but there is no CUDA device/],
      [[...certify, '--cublas', 'system'], /cublas is asked for, but there is no CUDA device/],
      [[...certify, '--cublas', 'system', '--device', 'cpu'], /cublas is asked for on device 'cpu'/],
      [[...certify, '--mean', '0.5'], /--mean and --std go together/],
      [[...certify, '--mean', '0.5', '--std', '0'], /std is 0/],
      [[...certify, '--frobnicate'], /unknown option '--frobnicate'/],
      [replaced('certify', join(folder.path, 'absent.onnx')), /cannot read model/],
      [replaced('certify', cut), /./],
      [replaced('--data', join(folder.path, 'absent.npy')), /cannot read .*absent.npy/],
      [replaced('--data', short), /short.npy: shape \[3, 2\] of float64 takes 48 bytes, the file has 47/],
      [replaced('--data', wide), /shape \[1, 3\], the model takes \[2\]/],
      [replaced('--data', nan), /image 0 has the value NaN/],
      [replaced('--labels', badLabels), /label 7 of image 1, expected 0 to 1/],
      [replaced('--labels', few), /few.txt has 2 labels, .*x.npy has 96 images/],
      [certify.filter((a, i) => a !== '--labels' && certify[i - 1] !== '--labels'), /--labels is missing/],
    ];
    const outcomes: Outcome[] = [];
    // A few at a time: each is a process of its own.
    for (let i = 0; i < cases.length; i += 4) {
      outcomes.push(...(await Promise.all(cases.slice(i, i + 4).map(([args]) => runCommand(args)))));
    }
    for (const [i, [args, message]] of cases.entries()) {
      const { code, stderr } = outcomes[i];
      expect({ args, code, stderr }).toEqual({
        args,
        code: 2,
        stderr: expect.stringMatching(message) as string,
      });
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });

  it('1, without a stack trace, where the reader of standard output leaves', async () => {
    const { child, outcome } = startCommand(['train', '--help']);
    child.stdout!.destroy();
    const { code, stderr } = await outcome;
    expect(code).toBe(1);
    expect(stderr).not.toMatch(/EPIPE/);
  });

  it('1 where the engine cannot be loaded', async () => {
    const addon = await folder.write('broken.cjs', 'throw new Error("no engine here")');
    const { code, stderr } = await runCommand(certify, { addon });
    expect([code, stderr]).toEqual([1, expect.stringContaining('no engine here')]);
  });
});
