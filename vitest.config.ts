import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process for every file: a crash inside the addon fails that file and not the whole run.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
