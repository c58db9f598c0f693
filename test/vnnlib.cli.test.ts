/** `bulwark vnnlib` and `bulwark vnncomp` as a user runs them, on the real engine. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { spawnSync } from 'node:child_process';
import { nativeCandidates } from '../src/native.js';
import { temporaryFolder } from './support/array-files.js';
import { type Outcome, runCommand } from './support/command-line.js';
import { identityOnnx } from './support/fake-native.js';

const folder = temporaryFolder();
const addon = nativeCandidates().find((path) => existsSync(path));
const declarations = ['X_0', 'X_1', 'Y_0', 'Y_1'].map((name) => `(declare-const ${name} Real)`).join('\n');
const bounds = [0, 1].map((i) => `(assert (>= X_${i} 0.1)) (assert (<= X_${i} 0.7))`).join('\n');
const outputs = {
  // The model is the identity.
  sat: '(assert (>= Y_0 0.65)) (assert (<= Y_1 0.15))',
  unsat: '(assert (<= Y_0 0.0999))',
  broken: '(assert (<= Y_0 ))',
};
let model: string;
const specs: Record<string, string> = {};

beforeAll(async () => {
  model = await folder.write('identity.onnx.gz', identityOnnx());
  for (const [name, text] of Object.entries(outputs)) {
    specs[name] = await folder.write(`${name}.vnnlib`, `${declarations}\n${bounds}\n${text}\n`);
  }
});

function command(...args: string[]): Promise<Outcome> {
  return runCommand([...args, '--threads', '1'], { addon });
}

describe('bulwark vnnlib', () => {
  it('prints and writes unsat', async () => {
    const result = join(folder.path, 'unsat.txt');
    const { code, stdout } = await command(
      'vnnlib',
      model,
      specs.unsat,
      '--timeout',
      '20',
      '--result',
      result,
    );
    expect([code, stdout, await readFile(result, 'utf8')]).toEqual([0, 'unsat\n', 'unsat\n']);
  });

  it('prints and writes sat with a witness in the competition format', async () => {
    const result = join(folder.path, 'sat.txt');
    const { code, stdout } = await command('vnnlib', model, specs.sat, '--timeout', '20', '--result', result);
    expect(code).toBe(0);
    expect(await readFile(result, 'utf8')).toBe(stdout);
    const number = '(-?[0-9.]+(?:e-?[0-9]+)?)';
    const pattern = ['X_0', 'X_1', 'Y_0', 'Y_1'].map((name) => `\\(${name} ${number}\\)`).join('\n');
    const match = new RegExp(`^sat\n\\(${pattern}\\)\n$`).exec(stdout);
    const [x0, x1, y0, y1] = (match ?? []).slice(1).map(Number);
    expect([y0, y1]).toEqual([x0, x1]);
    expect([x0, x1]).toEqual([x0, x1].map(Math.fround));
    expect(x0 >= 0.65 && x0 <= 0.7 && x1 >= 0.1 && x1 <= 0.15).toBe(true);
  });

  it('writes error, says why on standard error and ends with code 2', async () => {
    const result = join(folder.path, 'error.txt');
    const { code, stdout, stderr } = await command('vnnlib', model, specs.broken, '--result', result);
    expect([code, stdout, await readFile(result, 'utf8')]).toEqual([2, 'error\n', 'error\n']);
    expect(stderr).toMatch(/broken\.vnnlib, line 7, column 9: '<=' has 1 operands, expected 2/);
  });

  it('counts its own start in the time limit', async () => {
    const { code, stdout } = await command('vnnlib', model, specs.unsat, '--timeout', '0.001');
    expect([code, stdout]).toEqual([0, 'timeout\n']);
  });
});

describe('bulwark vnncomp', () => {
  const lines = ['sat', 'unsat', 'broken', 'unsat'].map(
    (name, i) => `identity.onnx,${name}.vnnlib,${20 + i}`,
  );
  const verdicts = ['sat', 'unsat', 'error', 'unsat'];
  const answers = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[4]);
  let instances: string;
  beforeAll(async () => {
    instances = await folder.write('instances.csv', `${lines.join('\n')}\n`);
  });

  it('runs a family, finds .gz files, keeps going after an error and writes witnesses', async () => {
    const out = join(folder.path, 'results.csv');
    const witnesses = join(folder.path, 'witnesses');
    const { code, stdout, stderr } = await command(
      'vnncomp',
      instances,
      '--out',
      out,
      '--witnesses',
      witnesses,
    );
    expect(code).toBe(0);
    const text = await readFile(out, 'utf8');
    expect(text).toMatch(
      /^onnx,vnnlib,timeout,assurance,result,seconds\nidentity\.onnx,sat\.vnnlib,20,real,sat,\d+\.\d{3}\n/,
    );
    expect(answers(text)).toEqual(verdicts);
    expect(stdout).toMatch(/^unsat +2 +50\.0 %$/m);
    expect(stdout).not.toContain('expected answers');
    expect(stderr).toContain('identity.onnx,broken.vnnlib: ');
    expect(await readFile(join(witnesses, 'identity_sat.txt'), 'utf8')).toMatch(/^sat\n\(\(X_0 0\.6/);
  });

  it('compares with expected answers, and fails on a contradiction', async () => {
    const table = (last: string): string =>
      `vnnlib,onnx,expected\nsat.vnnlib,identity.onnx,sat\nbroken.vnnlib,identity.onnx,unknown\nunsat.vnnlib,identity.onnx,${last}\n`;
    const right = await folder.write('right.csv', table('unsat'));
    const wrong = await folder.write('wrong.csv', table('sat'));
    const out = join(folder.path, 'compared.csv');
    const good = await command('vnncomp', instances, '--out', out, '--expected', right);
    expect([good.code, good.stdout]).toEqual([
      0,
      expect.stringContaining('expected answers: 3 known, 3 found, 0 contradicted'),
    ]);
    const bad = await command('vnncomp', instances, '--out', out, '--expected', wrong, '--force');
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('3 known, 1 found, 2 contradicted');
    expect(bad.stderr).toContain('identity.onnx,unsat.vnnlib: unsat');
  });

  it('continues a killed run at the line that is not whole, and nowhere else', async () => {
    const head = 'onnx,vnnlib,timeout,assurance,result,seconds\n';
    const kept = 'identity.onnx,sat.vnnlib,20,real,unknown,7.000\n';
    const out = await folder.write('killed.csv', `${head}${kept}identity.onnx,unsat.vn`);
    const refused = await command('vnncomp', instances, '--out', out);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('exists already')]);
    const { code } = await command('vnncomp', instances, '--out', out, '--resume');
    expect(code).toBe(0);
    const text = await readFile(out, 'utf8');
    expect(text.startsWith(`${head}${kept}identity.onnx,unsat.vnnlib,21,real,unsat,`)).toBe(true);
    expect(answers(text)).toEqual(['unknown', ...verdicts.slice(1)]);
    const other = await command('vnncomp', instances, '--out', out, '--resume', '--time-limit', '2');
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining("a limit of 20 s, this run's is 2 s"),
    ]);
    const level = await command('vnncomp', instances, '--out', out, '--resume', '--assurance', 'float32');
    expect([level.code, level.stderr]).toEqual([
      2,
      expect.stringContaining("made with assurance real, this run's is float32"),
    ]);
  });

  it('names the line of a broken table', async () => {
    const broken = await folder.write('broken.csv', 'a.onnx,a.vnnlib,60\na.onnx,b.vnnlib\n');
    const { code, stderr } = await command('vnncomp', broken, '--out', join(folder.path, 'none.csv'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/broken\.csv, line 2: expected onnx,vnnlib,seconds/);
  });
});

describe.skipIf(process.platform === 'win32')('vnncomp_scripts', () => {
  const scripts = join(dirname(dirname(fileURLToPath(import.meta.url))), 'vnncomp_scripts');
  const call = (name: string, ...args: string[]) =>
    spawnSync(join(scripts, name), args, {
      encoding: 'utf8',
      env: { ...process.env, BULWARK_NATIVE: addon },
    });

  it('prepare and run an instance', async () => {
    const result = join(folder.path, 'scripted.txt');
    expect(call('prepare_instance.sh', 'v1', 'test', model, specs.unsat).status).toBe(0);
    expect(call('run_instance.sh', 'v1', 'test', model, specs.unsat, result, '20').status).toBe(0);
    expect(await readFile(result, 'utf8')).toBe('unsat\n');
  });

  it('refuse another version and files that are not there', () => {
    expect(call('install_tool.sh', 'v2').status).toBe(1);
    expect(call('run_instance.sh', 'v2', 'test', model, specs.unsat, 'r', '20').status).toBe(1);
    expect(call('prepare_instance.sh', 'v1', 'test', model, join(folder.path, 'none')).status).toBe(1);
  });
});
