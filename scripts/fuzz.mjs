/**
 * `npm run fuzz`: 10,000 mutated files for each reader and 10,000 changed graphs and calls for the addon,
 * which is built with address and undefined-behaviour sanitizers (in build-asan/). Findings are printed
 * and their files kept in build-asan/findings; exit code 1 if there are any. `--target`, `--count`,
 * `--seed`, `--first` choose what runs, `--plain` runs it on the ordinary build.
 */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzz, targets } from '../test/fuzz/campaign.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'build-asan');
const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: targets },
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    plain: { type: 'boolean', default: false },
  },
});

/** Builds the addon with sanitizers; the environment in which node can load it. */
function sanitized() {
  const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });
  run(
    'cmake',
    '-S',
    '.',
    '-B',
    folder,
    '-DBULWARK_SANITIZE=address,undefined',
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
  );
  run('cmake', '--build', folder, '--target', 'bulwark');
  const runtime = execFileSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  return {
    BULWARK_NATIVE: join(folder, 'bulwark.node'),
    LD_PRELOAD: runtime,
    // V8 keeps what it allocates to the end, so leaks are for `scripts/leak.mjs`.
    ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=32',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  };
}

const env = values.plain ? {} : sanitized();
const limits = values.plain ? { seconds: 10, megabytes: 1500 } : { seconds: 30, megabytes: 4000 };
let found = 0;
for (const target of values.target) {
  const begin = performance.now();
  const [count, seed, first] = [values.count, values.seed, values.first].map(Number);
  const result = await fuzz({ target, count, seed, first, env, keep: join(folder, 'findings'), ...limits });
  const took = (performance.now() - begin) / 1000;
  console.log(
    `${target}: ${count} files, seed ${seed}, in ${took.toFixed(0)} s; slowest ${result.slowest.toFixed(2)} s, ` +
      `peak ${result.megabytes} MB; ${JSON.stringify(result.counts)}; ${result.findings.length} findings`,
  );
  for (const { number, why, path } of result.findings)
    console.log(`  seed ${seed} number ${number}, ${path}\n  ${why}`);
  found += result.findings.length;
}
process.exitCode = found > 0 ? 1 : 0;
