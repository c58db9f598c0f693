/** Finds and loads the native addon, once per process (and once per worker thread). */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeBinding } from './binding.js';
import { NativeLoadError } from './errors.js';

const addonFile = 'bulwark.node';
const platform = `${process.platform}-${process.arch}`;
/** Both `src/native.ts` and `dist/native.js` lie one folder below the package's root. */
const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

let loaded: NativeBinding | undefined;

/**
 * The files that `loadNative` tries, in order. A path in `BULWARK_NATIVE` stands alone, so that a
 * mistyped one is an error and not a quiet return to another build.
 */
export function nativeCandidates(): string[] {
  const chosen = process.env['BULWARK_NATIVE'];
  if (chosen) return [resolve(chosen)];
  return [
    join(packageRoot, 'build', 'Release', addonFile),
    join(packageRoot, 'prebuilds', platform, addonFile),
  ];
}

/**
 * The native binding: the addon named by the environment variable `BULWARK_NATIVE`, or without one
 * the addon built in this clone, else the one that came with the package.
 *
 * @throws NativeLoadError when none of them loads; the message lists every path and its reason.
 */
export function loadNative(): NativeBinding {
  loaded ??= loadFirst(nativeCandidates());
  return loaded;
}

function loadFirst(candidates: readonly string[]): NativeBinding {
  const reasons: string[] = [];
  for (const path of candidates) {
    if (!existsSync(path)) {
      reasons.push(`${path}: no such file`);
      continue;
    }
    try {
      return require(path) as NativeBinding;
    } catch (error) {
      reasons.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new NativeLoadError(
    [
      `bulwark's native addon could not be loaded for ${platform}, Node ${process.version}. Tried:`,
      ...reasons.map((reason) => `  - ${reason}`),
      'What to do: in a clone of the repository run `npm ci` (it needs a C++20 compiler and CMake 3.20 or newer);',
      'or set BULWARK_NATIVE to the path of a bulwark.node built elsewhere for this platform.',
    ].join('\n'),
  );
}
