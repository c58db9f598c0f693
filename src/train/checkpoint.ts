/** Checkpoints: a line of JSON, then the arrays it names the lengths of, as little-endian float32. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { DataError } from '../errors.js';

const format = 'bulwark training checkpoint 1';

export interface Checkpoint<Header> {
  readonly header: Header;
  readonly arrays: readonly Float32Array[];
}

/** Replaces the file whole: a run that is killed while writing leaves the old one. */
export async function writeCheckpoint<Header>(
  path: string,
  { header, arrays }: Checkpoint<Header>,
): Promise<void> {
  const lengths = arrays.map(({ length }) => length);
  const head = Buffer.from(`${JSON.stringify({ format, lengths, header })}\n`);
  const parts = arrays.map((array) => {
    const bytes = Buffer.from(Float32Array.from(array).buffer);
    return endianness() === 'LE' ? bytes : bytes.swap32();
  });
  const part = `${path}.part`;
  await writeFile(part, Buffer.concat([head, ...parts]));
  await rename(part, path);
}

/** @throws DataError when the file is missing, is no checkpoint or is not whole. */
export async function readCheckpoint<Header>(path: string): Promise<Checkpoint<Header>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DataError(`cannot read checkpoint ${path}: ${(cause as Error).message}`, { cause });
  });
  const end = bytes.indexOf(10);
  const wrong = (why: string): DataError =>
    new DataError(`${path} is no checkpoint of bulwark train: ${why}`);
  if (end < 0) throw wrong('its first line has no end');
  const { lengths, header } = parseHead<Header>(bytes.subarray(0, end).toString('utf8'), wrong);
  const expected = lengths.reduce((sum, length) => sum + 4 * length, end + 1);
  if (bytes.length !== expected) throw wrong(`expected ${expected} bytes, the file has ${bytes.length}`);
  let at = end + 1;
  const arrays = lengths.map((length) => {
    const own = Buffer.from(bytes.subarray(at, at + 4 * length));
    at += 4 * length;
    return Float32Array.from({ length }, (_, i) => own.readFloatLE(4 * i));
  });
  return { header, arrays };
}

function parseHead<Header>(
  text: string,
  wrong: (why: string) => DataError,
): { lengths: number[]; header: Header } {
  let head: { format?: unknown; lengths?: unknown; header?: unknown };
  try {
    head = JSON.parse(text) as typeof head;
  } catch {
    throw wrong('its first line is not JSON');
  }
  const { lengths } = head;
  const valid = Array.isArray(lengths) && lengths.every((length) => Number.isInteger(length) && length >= 0);
  if (head.format !== format || !valid) throw wrong(`expected the format '${format}'`);
  return { lengths: lengths as number[], header: head.header as Header };
}
