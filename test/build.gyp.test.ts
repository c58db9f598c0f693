import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const require = createRequire(import.meta.url);
const root = resolve('.');
const exportsOf = (addon: string) =>
  JSON.parse(
    execFileSync(process.execPath, ['-p', `JSON.stringify(Object.keys(require(${JSON.stringify(addon)})))`], {
      encoding: 'utf8',
    }),
  ) as string[];

/** Why node-gyp cannot work here without downloading anything, or undefined when it can. */
function obstacle(prefix: string): string | undefined {
  for (const file of ['node_api.h', 'common.gypi'])
    if (!existsSync(join(prefix, 'include', 'node', file))) return `no include/node/${file} below ${prefix}`;
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'node-gyp needs python3';
  }
  return undefined;
}

test('node-gyp builds the same sources into the same addon', { timeout: 600_000 }, async (context) => {
  const prefix = dirname(dirname(process.execPath));
  const reason = obstacle(prefix);
  if (reason !== undefined) return context.skip(reason);

  // In a copy, because node-gyp and cmake-js both own build/.
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-gyp-'));
  try {
    for (const entry of ['native', 'binding.gyp', 'package.json'])
      cpSync(join(root, entry), join(folder, entry), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    const gyp = require.resolve('node-gyp/bin/node-gyp.js');
    await promisify(execFile)(process.execPath, [gyp, 'rebuild', '-j', '2', '--nodedir', prefix], {
      cwd: folder,
      maxBuffer: 1 << 26,
    });
    const built = exportsOf(join(folder, 'build', 'Release', 'bulwark.node'));
    expect(built).not.toHaveLength(0);
    expect(built).toEqual(exportsOf(join(root, 'build', 'Release', 'bulwark.node')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
