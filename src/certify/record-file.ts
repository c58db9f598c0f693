import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { DataError, InvalidArgumentError } from '../errors.js';
import type { CertifyRecord } from './record.js';

/** What decides the records of a run; a resumed run must have the same. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null | readonly number[]>>;

/** What to do with a file that is there already. */
export type Existing = 'refuse' | 'resume' | 'overwrite';

/**
 * A file of JSON lines: first `{"bulwark":1,"settings":{...}}`, then one record per image in order of
 * their index. Every line is handed to the system in one write as soon as it is known, so a process
 * killed at any moment leaves whole lines and at most one half line at the end.
 */
export class RecordFile {
  readonly #handle: FileHandle;
  /** The records of the run that is continued. */
  readonly earlier: readonly CertifyRecord[];

  private constructor(handle: FileHandle, earlier: readonly CertifyRecord[]) {
    this.#handle = handle;
    this.earlier = earlier;
  }

  /**
   * Opens the file for appending.
   *
   * @param first index of the run's first image.
   * @throws InvalidArgumentError if it exists and that was not expected, or was made with other settings.
   * @throws DataError if it cannot be opened or is not a file of records.
   */
  static async open(
    path: string,
    settings: RunSettings,
    first: number,
    existing: Existing,
  ): Promise<RecordFile> {
    const content = existing === 'overwrite' ? Buffer.alloc(0) : await readIfThere(path);
    if (content.length > 0 && existing === 'refuse') {
      throw new InvalidArgumentError(
        `${path} exists already; continue it with --resume, or replace it with --force`,
      );
    }
    const old = parse(content, path, settings, first);
    try {
      if (old.bytes > 0) await truncate(path, old.bytes);
      const file = new RecordFile(await open(path, old.bytes > 0 ? 'a' : 'w'), old.records);
      if (old.bytes === 0) await file.#line({ bulwark: 1, settings });
      return file;
    } catch (cause) {
      throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  append(record: CertifyRecord): Promise<void> {
    return this.#line(record);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #line(value: unknown): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(value)}\n`);
  }
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new DataError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** The records of the whole lines, and the bytes that these take: a half line at the end is dropped. */
function parse(
  content: Buffer,
  path: string,
  settings: RunSettings,
  first: number,
): { records: CertifyRecord[]; bytes: number } {
  const bytes = content.lastIndexOf('\n') + 1;
  if (bytes === 0) return { records: [], bytes };
  const lines = content.toString('utf8', 0, bytes - 1).split('\n');
  const [header, ...rest] = lines.map((line, number) => parseLine(line, path, number + 1));
  checkSettings(header, path, settings);
  rest.forEach((record, number) => {
    if (record['index'] === first + number && typeof record['verdict'] === 'string') return;
    throw new DataError(
      `${path}, line ${number + 2}: expected the record of image ${first + number}, found ${JSON.stringify(record).slice(0, 80)}`,
    );
  });
  return { records: rest as unknown as CertifyRecord[], bytes };
}

function parseLine(line: string, path: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Reported below, like JSON that is no object.
  }
  throw new DataError(`${path}, line ${number} is not a JSON record: ${JSON.stringify(line.slice(0, 80))}`);
}

function checkSettings(header: Record<string, unknown>, path: string, settings: RunSettings): void {
  const old = header['settings'];
  if (header['bulwark'] !== 1 || typeof old !== 'object' || old === null) {
    throw new DataError(`${path}, line 1 is not the header of a file of records`);
  }
  const names = [...new Set([...Object.keys(settings), ...Object.keys(old)])];
  const differing = names.filter((name) => !isDeepStrictEqual((old as RunSettings)[name], settings[name]));
  if (differing.length === 0) return;
  const shown = differing.map(
    (name) =>
      `${name} was ${JSON.stringify((old as RunSettings)[name])}, is ${JSON.stringify(settings[name])}`,
  );
  throw new InvalidArgumentError(
    `${path} was made with other settings and cannot be continued: ${shown.join('; ')}`,
  );
}
