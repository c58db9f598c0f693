/** How much a compressed file may unpack to: a small hostile one could otherwise fill the memory. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const inflate = promisify(gunzip);

const always = 2 ** 26;
const mostRatio = 256;

/**
 * Bytes that `packed` compressed bytes may hold: 64 MiB, or 256 times as many where that is more (deflate
 * reaches 1032 times on zeros; images and labels stay far below, networks whose matrices are mostly 0 reach
 * 180).
 *
 * @param most the limit for files of any size.
 */
export function mostUnpacked(packed: number, most: number): number {
  return Math.min(Math.max(always, mostRatio * packed), most);
}

/**
 * The content of a gzip file of at most {@link mostUnpacked} bytes.
 *
 * @throws Error whose message continues a sentence that begins with the file's name.
 */
export async function unpackGzip(bytes: Uint8Array, most: number): Promise<Buffer> {
  const maxOutputLength = mostUnpacked(bytes.length, most);
  try {
    return await inflate(bytes, { maxOutputLength });
  } catch (cause) {
    const message =
      (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
        ? `unpacks to more than ${maxOutputLength} bytes, too much for ${bytes.length} bytes of gzip data`
        : `is a broken gzip file: ${(cause as Error).message}`;
    throw new Error(message, { cause });
  }
}
