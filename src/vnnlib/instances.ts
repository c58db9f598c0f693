/** The tables of a family of instances: `instances.csv`, `expected.csv` and our results. */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DataError, InvalidArgumentError } from '../errors.js';
import type { ProofLevel } from '../verify/options.js';

/** One line of `instances.csv`: files as written there, relative to its folder. */
export interface Instance {
  readonly onnx: string;
  readonly vnnlib: string;
  /** Seconds. */
  readonly timeout: number;
}

export const verdicts = ['sat', 'unsat', 'unknown', 'timeout', 'error'] as const;
export type InstanceVerdict = (typeof verdicts)[number];

export interface Result extends Instance {
  readonly verdict: InstanceVerdict;
  /** What `unsat` is proven of. */
  readonly assurance: ProofLevel;
  /** Wall time with reading the files. */
  readonly seconds: number;
}

const header = 'onnx,vnnlib,timeout,assurance,result,seconds';

/** @throws DataError if the file cannot be read or a line is not `onnx,vnnlib,seconds`. */
export async function readInstances(path: string): Promise<Instance[]> {
  const lines = linesOf(await readText(path));
  if (lines.length === 0) throw new DataError(`${path} has no instance`);
  return lines.map((line, number) => {
    const [onnx, vnnlib, limit, ...rest] = line.split(',').map((cell) => cell.trim());
    const timeout = limit ? Number(limit) : NaN;
    if (rest.length === 0 && onnx && vnnlib && Number.isFinite(timeout) && timeout > 0) {
      return { onnx, vnnlib, timeout };
    }
    throw new DataError(
      `${path}, line ${number + 1}: expected onnx,vnnlib,seconds, found '${line.slice(0, 80)}'`,
    );
  });
}

/**
 * The expected answers, by instance (see {@link instanceKey}); other answers than sat and unsat are left out.
 *
 * @throws DataError if the file cannot be read or its first line does not name onnx, vnnlib and expected.
 */
export async function readExpected(path: string): Promise<Map<string, 'sat' | 'unsat'>> {
  const [head = '', ...lines] = linesOf(await readText(path));
  const names = head.split(',').map((name) => name.trim());
  const [onnx, vnnlib, expected] = ['onnx', 'vnnlib', 'expected'].map((name) => names.indexOf(name));
  if (Math.min(onnx, vnnlib, expected) < 0) {
    throw new DataError(
      `${path}, line 1: expected columns onnx, vnnlib and expected, found '${head.slice(0, 80)}'`,
    );
  }
  const answers = new Map<string, 'sat' | 'unsat'>();
  for (const line of lines) {
    const cells = line.split(',').map((cell) => cell.trim());
    const answer = cells[expected];
    if (answer === 'sat' || answer === 'unsat') {
      answers.set(instanceKey({ onnx: cells[onnx], vnnlib: cells[vnnlib] }), answer);
    }
  }
  return answers;
}

export function instanceKey({ onnx, vnnlib }: Pick<Instance, 'onnx' | 'vnnlib'>): string {
  return `${onnx},${vnnlib}`;
}

/** A file named in `instances.csv`, or its `.gz` where only that is there. */
export function instanceFile(table: string, name: string): string {
  const path = resolve(dirname(table), name);
  return !existsSync(path) && existsSync(`${path}.gz`) ? `${path}.gz` : path;
}

/** Our results as CSV, one line as soon as it is known, so that a killed run can be continued. */
export class ResultFile {
  readonly #handle: FileHandle;
  /** The results of the run that is continued: those of the first instances. */
  readonly earlier: readonly Result[];

  private constructor(handle: FileHandle, earlier: readonly Result[]) {
    this.#handle = handle;
    this.earlier = earlier;
  }

  /**
   * @throws InvalidArgumentError if the file exists and that was not expected, or its lines are not
   * those of these instances with these time limits and of this level.
   * @throws DataError if it cannot be written or is not such a file.
   */
  static async open(
    path: string,
    instances: readonly Instance[],
    assurance: ProofLevel,
    existing: 'refuse' | 'resume' | 'overwrite',
  ): Promise<ResultFile> {
    const content = existing === 'overwrite' || !existsSync(path) ? '' : await readText(path);
    if (content !== '' && existing === 'refuse') {
      throw new InvalidArgumentError(
        `${path} exists already; continue it with --resume, or replace it with --force`,
      );
    }
    // A half line at the end is what a killed process leaves; its instance is run again.
    const complete = content.slice(0, content.lastIndexOf('\n') + 1);
    const earlier = parseResults(complete, path, instances, assurance);
    try {
      if (complete !== '') await truncate(path, Buffer.byteLength(complete));
      const handle = await open(path, complete === '' ? 'w' : 'a');
      if (complete === '') await handle.appendFile(`${header}\n`);
      return new ResultFile(handle, earlier);
    } catch (cause) {
      throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  async append({ onnx, vnnlib, timeout, assurance, verdict, seconds }: Result): Promise<void> {
    await this.#handle.appendFile(
      `${onnx},${vnnlib},${timeout},${assurance},${verdict},${seconds.toFixed(3)}\n`,
    );
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function parseResults(
  text: string,
  path: string,
  instances: readonly Instance[],
  assurance: ProofLevel,
): Result[] {
  const [head, ...lines] = linesOf(text);
  if (head === undefined) return [];
  if (head !== header) {
    throw new DataError(`${path}, line 1: expected '${header}', found '${head.slice(0, 80)}'`);
  }
  return lines.map((line, index) => {
    const [onnx, vnnlib, timeout, level, result, seconds] = line.split(',');
    const verdict = verdicts.find((name) => name === result);
    if (verdict === undefined || !Number.isFinite(Number(seconds))) {
      throw new DataError(`${path}, line ${index + 2}: expected '${header}', found '${line.slice(0, 80)}'`);
    }
    const instance = instances[index];
    if (instance === undefined || instanceKey(instance) !== `${onnx},${vnnlib}`) {
      throw new InvalidArgumentError(
        `${path}, line ${index + 2}: ${onnx},${vnnlib} is not instance ${index + 1} of this run`,
      );
    }
    if (instance.timeout !== Number(timeout)) {
      throw new InvalidArgumentError(
        `${path}, line ${index + 2}: made with a limit of ${timeout} s, this run's is ${instance.timeout} s`,
      );
    }
    if (level !== assurance) {
      throw new InvalidArgumentError(
        `${path}, line ${index + 2}: made with assurance ${level}, this run's is ${assurance}`,
      );
    }
    return { ...instance, verdict, assurance, seconds: Number(seconds) };
  });
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new DataError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
