// Builds opponents.cc with the kernels and whichever of OpenBLAS and oneDNN this machine has, and runs it on one
// thread. `node bench/native/opponents.mjs`; the compiler is $CXX, or c++.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiler = process.env.CXX ?? 'c++';
const folder = mkdtempSync(join(tmpdir(), 'bulwark-opponents-'));

const libraries = [
  { name: 'OpenBLAS', header: 'cblas.h', link: '-lopenblas', define: '-DBULWARK_OPENBLAS' },
  { name: 'oneDNN', header: 'dnnl.hpp', link: '-ldnnl', define: '-DBULWARK_ONEDNN' },
];

/** Whether a program that uses this library builds here. */
function isPresent({ header, link }) {
  const source = `#include <${header}>\nint main() {}\n`;
  const run = spawnSync(compiler, ['-std=c++20', '-x', 'c++', '-', link, '-o', join(folder, 'probe')], {
    input: source,
  });
  return run.status === 0;
}

/** OpenBLAS falls back to SSE on CPUs newer than itself: name its AVX-512 kernels where the CPU runs them. */
function openblasKernels() {
  if (process.env.OPENBLAS_CORETYPE || process.platform !== 'linux') return {};
  return /\bavx512vl\b/.test(readFileSync('/proc/cpuinfo', 'utf8')) ? { OPENBLAS_CORETYPE: 'SkylakeX' } : {};
}

try {
  const present = libraries.filter(isPresent);
  for (const library of libraries)
    if (!present.includes(library)) console.log(`${library.name}: not installed, skipped`);
  const { engine } = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8'));
  const kernels = engine.filter((file) => file.startsWith('kernels/') && file.endsWith('.cc'));
  const sources = [...kernels, 'selftest/bench_measure.cc'].map((file) => join(root, 'native', file));
  const program = join(folder, 'opponents');
  const flags = ['-std=c++20', '-O3', '-fno-math-errno', '-fno-trapping-math', `-I${join(root, 'native')}`];
  const defines = present.map((library) => library.define);
  const inputs = [...sources, join(root, 'bench/native/opponents.cc')];
  const links = present.map((library) => library.link);
  const build = spawnSync(compiler, [...flags, ...defines, ...inputs, '-o', program, '-pthread', ...links], {
    stdio: 'inherit',
  });
  if (build.status !== 0) throw new Error(`${compiler} could not build opponents.cc`);
  const oneThread = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', ...openblasKernels() };
  const run = spawnSync(program, { stdio: 'inherit', env: { ...process.env, ...oneThread } });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
