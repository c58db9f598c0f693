import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '../errors.js';
import { mostUnpacked } from '../unpack.js';

const inflate = promisify(gunzip);

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
  const maxOutputLength = mostUnpacked(bytes.length, mostArrayBytes);
  try {
    return await inflate(bytes, { maxOutputLength });
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new DataError(
        `${path} unpacks to more than ${maxOutputLength} bytes, too much for ${bytes.length} bytes of gzip data`,
        { cause },
      );
    }
    throw new DataError(`${path} is a broken gzip file: ${(cause as Error).message}`, { cause });
  }
}

/** The first bytes as `89 4e 55`, for messages about a wrong magic number. */
export function hex(bytes: Uint8Array, count: number): string {
  return Array.from(bytes.subarray(0, count), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
