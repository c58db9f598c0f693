import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { NativeLoadError } from '../src/errors.js';

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

test('BULWARK_NATIVE comes first', async () => {
  vi.stubEnv('BULWARK_NATIVE', builtAddon);
  const { nativeCandidates, loadNative } = await freshLoader();
  expect(nativeCandidates()[0]).toBe(builtAddon);
  expect(nativeCandidates()).toHaveLength(3);
  expect(loadNative()).toBeTypeOf('object');
});

test('the compiled package loads the same addon', () => {
  const module = pathToFileURL(resolve('dist/native.js')).href;
  const script = `import(${JSON.stringify(module)}).then((m) => console.log(typeof m.loadNative()))`;
  const output = execFileSync(process.execPath, ['-e', script], { cwd: tmpdir(), encoding: 'utf8' });
  expect(output.trim()).toBe('object');
});

test('when nothing loads, the error lists every path, why it failed and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-load-'));
  try {
    const broken = join(folder, 'bulwark.node');
    writeFileSync(broken, 'not a shared library');
    vi.doMock('node:fs', async (original) => {
      const fs = await original<typeof import('node:fs')>();
      return { ...fs, existsSync: (path: string) => path === broken };
    });
    vi.stubEnv('BULWARK_NATIVE', broken);
    const { loadNative, nativeCandidates } = await freshLoader();
    let error: unknown;
    try {
      loadNative();
    } catch (caught) {
      error = caught;
    }
    expect((error as Error).name).toBe(NativeLoadError.name);
    expect((error as NativeLoadError).code).toBe('ERR_NATIVE_LOAD');
    const { message } = error as Error;
    for (const path of nativeCandidates()) expect(message).toContain(path);
    expect(message.match(/no such file/g)).toHaveLength(2);
    expect(message).toContain('npm ci');
  } finally {
    vi.doUnmock('node:fs');
    rmSync(folder, { recursive: true });
  }
});
