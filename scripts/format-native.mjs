/** Formats native/ with the clang-format of the npm package, so that every machine runs one version. */
import { spawnSync } from 'node:child_process';
import clangFormat from 'clang-format-node';
import { nativeFiles, root } from './native-files.mjs';

const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
const { status, error } = spawnSync(clangFormat.clangFormatPath, [...mode, ...nativeFiles()], {
  cwd: root,
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
