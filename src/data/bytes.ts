import { readFile } from 'node:fs/promises';
import { DataError } from '../errors.js';
import { unpackGzip } from '../unpack.js';

/** Beyond this no test set is meant. */
export const mostArrayBytes = 2 ** 32 - 1;

/**
 * Reads a whole file; a gzip stream (recognised by its first two bytes, whatever the name) is inflated.
 *
 * @throws DataError if the file cannot be read, is empty, or is not a complete gzip stream, or unpacks to far more than data do.
 */
export async function readBytes(path: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new DataError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  if (bytes.length === 0) throw new DataError(`${path} is empty`);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    if (path.endsWith('.gz')) {
      throw new DataError(`${path} is not gzip data: it starts with ${hex(bytes, 2)}, expected 1f 8b`);
    }
    return bytes;
  }
  try {
    return await unpackGzip(bytes, mostArrayBytes);
  } catch (cause) {
    throw new DataError(`${path} ${(cause as Error).message}`, { cause });
  }
}

/** The first bytes as `89 4e 55`, for messages about a wrong magic number. */
export function hex(bytes: Uint8Array, count: number): string {
  return Array.from(bytes.subarray(0, count), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
