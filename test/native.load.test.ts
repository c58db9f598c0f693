import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';

const builtAddon = resolve('build/Release/bulwark.node');

/** The loader caches, so every case takes a fresh copy of the module. */
async function freshLoader() {
  vi.resetModules();
  return import('../src/native.js');
}

afterEach(() => vi.unstubAllEnvs());

test('the addon built in the clone loads, and loads once', async () => {
  vi.stubEnv('BULWARK_NATIVE', '');
  const { loadNative } = await freshLoader();
  const binding = loadNative();
  expect(typeof binding).toBe('object');
  expect(loadNative()).toBe(binding);
});

test('a path in BULWARK_NATIVE stands alone', async () => {
  vi.stubEnv('BULWARK_NATIVE', builtAddon);
  const { nativeCandidates, loadNative } = await freshLoader();
  expect(nativeCandidates()).toEqual([builtAddon]);
  expect(loadNative()).toBeTypeOf('object');

  vi.stubEnv('BULWARK_NATIVE', '/nowhere/bulwark.node');
  const other = await freshLoader();
  expect(() => other.loadNative()).toThrow('/nowhere/bulwark.node: no such file');
});

test('the compiled package loads the same addon', () => {
  const module = pathToFileURL(resolve('dist/native.js')).href;
  const script = `import(${JSON.stringify(module)}).then((m) => console.log(typeof m.loadNative()))`;
  const output = execFileSync(process.execPath, ['-e', script], { cwd: tmpdir(), encoding: 'utf8' });
  expect(output.trim()).toBe('object');
});

test('when nothing loads, the error lists every path, why it failed and what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-load-'));
  try {
    // A package of its own: a broken build, and no prebuilt addon.
    cpSync(resolve('dist'), join(folder, 'dist'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const broken = join(folder, 'build', 'Release', 'bulwark.node');
    mkdirSync(dirname(broken), { recursive: true });
    writeFileSync(broken, 'not a shared library');

    const module = pathToFileURL(join(folder, 'dist', 'native.js')).href;
    const script = `import(${JSON.stringify(module)}).then((m) => m.loadNative()).catch((e) => console.log(e.code, e.message))`;
    const message = execFileSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      env: { ...process.env, BULWARK_NATIVE: '' },
    });
    expect(message).toMatch(/^ERR_NATIVE_LOAD /);
    expect(message).toMatch(/build.Release.bulwark\.node: .*(invalid|too short|not a)/);
    expect(message).toMatch(/prebuilds.*bulwark\.node: no such file/);
    expect(message).toContain('npm ci');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
