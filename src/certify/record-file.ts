import { type FileHandle, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { DataError, InvalidArgumentError } from '../errors.js';

/** What decides the records of a run; a resumed run must have the same. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null | readonly number[]>>;

/** What to do with a file that is there already. */
export type Existing = 'refuse' | 'resume' | 'overwrite';

/**
 * A file of JSON lines, one record per image in order of their index. Every line is handed to the
 * system in one write as soon as it is known, so a process killed at any moment leaves whole lines and
 * at most one half line at the end. The run's settings lie beside it, in `<file>.settings.json`.
 */
export class RecordFile<Entry extends { readonly index: number }> {
  readonly #handle: FileHandle;
  /** The records of the run that is continued. */
  readonly earlier: readonly Entry[];

  private constructor(handle: FileHandle, earlier: readonly Entry[]) {
    this.#handle = handle;
    this.earlier = earlier;
  }

  /**
   * Opens the file for appending.
   *
   * @param mark name of a text that every record of this kind has.
   * @param first index of the run's first image.
   * @throws InvalidArgumentError if it exists and that was not expected, or was made with other settings.
   * @throws DataError if it cannot be opened or is not a file of records.
   */
  static async open<Entry extends { readonly index: number }>(
    path: string,
    mark: keyof Entry & string,
    settings: RunSettings,
    first: number,
    existing: Existing,
  ): Promise<RecordFile<Entry>> {
    const content = existing === 'overwrite' ? '' : await readIfThere(path);
    if (content !== '' && existing === 'refuse') {
      throw new InvalidArgumentError(
        `${path} exists already; continue it with --resume, or replace it with --force`,
      );
    }
    // A half line at the end is what a killed process leaves; its record is computed again.
    const whole = content.slice(0, content.lastIndexOf('\n') + 1);
    const earlier = parseRecords<Entry>(whole, path, mark, first);
    if (earlier.length > 0) await checkSettings(path, settings);
    try {
      if (earlier.length > 0) await truncate(path, Buffer.byteLength(whole));
      const handle = await open(path, earlier.length > 0 ? 'a' : 'w');
      if (earlier.length === 0) await writeFile(settingsPath(path), `${JSON.stringify(settings, null, 2)}\n`);
      return new RecordFile<Entry>(handle, earlier);
    } catch (cause) {
      throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  async append(record: Entry): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(record)}\n`);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function settingsPath(path: string): string {
  return `${path}.settings.json`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new DataError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

function parseRecords<Entry>(text: string, path: string, mark: string, first: number): Entry[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, number) => {
    const record = parseObject(line);
    if (record?.['index'] === first + number && typeof record[mark] === 'string') {
      return record as Entry;
    }
    const found = JSON.stringify(line.slice(0, 80));
    throw new DataError(
      `${path}, line ${number + 1}: expected the record of image ${first + number}, found ${found}`,
    );
  });
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function checkSettings(path: string, settings: RunSettings): Promise<void> {
  const old = parseObject(await readIfThere(settingsPath(path)));
  if (old === undefined) {
    throw new DataError(`${settingsPath(path)} is missing or broken: without it ${path} cannot be continued`);
  }
  const names = [...new Set([...Object.keys(settings), ...Object.keys(old)])];
  const differing = names.filter((name) => !isDeepStrictEqual(old[name], settings[name]));
  if (differing.length === 0) return;
  const shown = differing.map(
    (name) => `${name} was ${JSON.stringify(old[name])}, is ${JSON.stringify(settings[name])}`,
  );
  throw new InvalidArgumentError(
    `${path} was made with other settings and cannot be continued: ${shown.join('; ')}`,
  );
}
