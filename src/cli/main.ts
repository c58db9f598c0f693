#!/usr/bin/env node
import { run } from './program.js';

// A reader that has seen enough (`| head`) is no error worth a stack trace, but what it did not see is not done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(1);
});

process.exitCode = await run(process.argv.slice(2));
