/** The addon whose GPU is the emulation that the C++ self-test runs its kernels on. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const emulatedAddon = fileURLToPath(new URL('../../build/bulwark_emulated.node', import.meta.url));

/** Why tests on it cannot run; undefined where they can. It is built with the self-test, by CMake alone. */
export const emulatedAbsence = existsSync(emulatedAddon)
  ? undefined
  : `${emulatedAddon} is missing: npm run build:selftest makes it`;
