/** Runs the built command line as a user would on the stand-in for the addon. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fakeAddonPath } from './fake-native.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** The addon that `npm run build` made. */
export const realAddonPath = fileURLToPath(new URL('../../build/Release/bulwark.node', import.meta.url));

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningCommand {
  child: ChildProcess;
  outcome: Promise<Outcome>;
}

export interface CommandOptions {
  /** Milliseconds that each native call of the stand-in takes. */
  delay?: number;
  /** Path of another addon than the stand-in. */
  addon?: string;
}

export function startCommand(
  args: readonly string[],
  { delay = 0, addon = fakeAddonPath }: CommandOptions = {},
): RunningCommand {
  if (!existsSync(main)) throw new Error(`${main} is missing: run npm run build:ts first`);
  const env = { ...process.env, BULWARK_FAKE_DELAY: String(delay), BULWARK_NATIVE: addon };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, outcome };
}

export function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return startCommand(args, options).outcome;
}
