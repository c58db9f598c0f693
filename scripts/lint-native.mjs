/**
 * Lints C++ with the compiler itself: every source of the build once more, syntax only, under stricter
 * warnings than the build has, each of them an error. Needs the build folder that `npm ci` leaves.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './native-files.mjs';

const strict = [
  '-Werror',
  '-Wpedantic',
  '-Wshadow',
  '-Wnon-virtual-dtor',
  '-Woverloaded-virtual',
  '-Wold-style-cast',
  '-Wundef',
  '-Wimplicit-fallthrough',
].join(' ');

const commandsFile = join(root, 'build', 'compile_commands.json');
if (!existsSync(commandsFile)) {
  console.error(`${commandsFile} is missing: run \`npm run build:native\` first (with gcc or clang)`);
  process.exit(1);
}
const native = join(root, 'native');
// CUDA sources are seen as C++, through the wrappers that compile them for the emulation.
const emulated = join(root, 'build', 'emulated');
const entries = JSON.parse(readFileSync(commandsFile, 'utf8')).filter(
  ({ file }) => file.endsWith('.cc') && (file.startsWith(native) || file.startsWith(emulated)),
);

function check({ command, directory, file }) {
  const line = `${command.replace(/ -o \S+ -c /, ' -fsyntax-only ')} ${strict}`;
  return new Promise((resolve) => {
    const child = spawn(line, { cwd: directory, shell: true, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (code) => resolve(code === 0 ? [] : [relative(root, file)]));
  });
}

/** Two compilers at a time, as in the build. */
const queue = entries.values();
async function work() {
  const failed = [];
  for (const entry of queue) failed.push(...(await check(entry)));
  return failed;
}
const failed = (await Promise.all([work(), work()])).flat();
console.log(`C++ lint: ${entries.length} files, ${failed.length} with warnings`);
process.exitCode = failed.length === 0 ? 0 : 1;
