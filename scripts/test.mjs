/**
 * `npm test`: brings the build up to date, runs the C++ self-test and then vitest. The last line
 * counts both, `N passed, N failed, N skipped`. With arguments (`npm test -- model.onnx`) only the
 * vitest files whose names contain one of them run, without the self-test.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';
import { CountReporter } from './count-reporter.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const countedLine = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;

/** Runs a program with its output shown; resolves to its exit code (or signal) and its last line. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], ...options });
    let lastLine = '';
    let pending = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => {
      process.stdout.write(text);
      const lines = (pending + text).split('\n');
      pending = lines.pop();
      lastLine = lines.findLast((line) => line.trim() !== '')?.trim() ?? lastLine;
    });
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve({ status: 1, lastLine });
    });
    child.on('close', (code, signal) =>
      resolve({ status: signal ?? code, lastLine: pending.trim() || lastLine }),
    );
  });
}

/** npm runs its scripts with node_modules/.bin first on PATH; a shell finds the .cmd files on Windows. */
function runScript(line) {
  return run(line, [], { shell: true });
}

async function runSelftest() {
  const built = await runScript('cmake-js build --target selftest --parallel 2 --log-level error');
  if (built.status !== 0) return { passed: 0, failed: 1, skipped: 0 };
  // Fresh random inputs on every run, but for CI, whose verdict should be about the change.
  const seed = process.env.CI ? ['--seed', '1'] : [];
  const { status, lastLine } = await run(join(root, 'build', 'selftest'), seed);
  const counts = countedLine.exec(lastLine);
  if (counts === null) {
    console.error(`the self-test ended (${status}) without its counted line`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const [passed, failed, skipped] = counts.slice(1).map(Number);
  return { passed, failed: status === 0 ? failed : Math.max(failed, 1), skipped };
}

async function runVitest(filters) {
  const counter = new CountReporter();
  const vitest = await startVitest('test', filters, {
    root,
    watch: false,
    reporters: ['default', counter],
  });
  await vitest.close();
  for (const test of counter.skipped) console.log(`skipped: ${test}`);
  // Vitest also fails a run for reasons that are no test case, such as a filter that matches no file.
  const failed = process.exitCode ? Math.max(counter.failed, 1) : counter.failed;
  return { passed: counter.passed, failed, skipped: counter.skipped.length };
}

const filters = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
const add = (counts) => {
  for (const key of Object.keys(total)) total[key] += counts[key];
};

const built = await runScript('npm run --silent build');
if (built.status !== 0) {
  console.error('the build failed, so no test ran');
  add({ passed: 0, failed: 1, skipped: 0 });
} else {
  if (filters.length === 0) add(await runSelftest());
  add(await runVitest(filters));
}
process.exitCode = total.failed === 0 ? 0 : 1;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
