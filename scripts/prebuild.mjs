/**
 * Copies the addon into prebuilds/<platform>-<arch>/, where the loader finds it in an installed package.
 * Runs before every `npm pack`, so that the tarball needs neither a compiler nor an install script.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './native-files.mjs';

// What an older build left in dist/ must not be packed.
rmSync(join(root, 'dist'), { recursive: true, force: true });
const { status } = spawnSync('npm run --silent build', { cwd: root, shell: true, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
mkdirSync(folder, { recursive: true });
copyFileSync(join(root, 'build', 'Release', 'bulwark.node'), join(folder, 'bulwark.node'));
