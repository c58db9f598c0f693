import { readBytes } from '../data/bytes.js';
import { type VnnLib, parseVnnLib } from '../problem/vnnlib/index.js';

/**
 * Reads a VNN-LIB file, unpacked first where it is gzip data.
 *
 * @throws DataError if the file cannot be read; otherwise as `parseVnnLib`.
 */
export async function loadVnnLib(path: string): Promise<VnnLib> {
  const bytes = await readBytes(path);
  return parseVnnLib(bytes.toString('utf8'), path);
}
