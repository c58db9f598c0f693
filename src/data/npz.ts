import { unzipSync } from 'fflate';
import { DataError } from '../errors.js';
import { parseNpy } from './npy.js';
import type { ArrayFile } from './scalars.js';

export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b;
}

/**
 * Parses one array of a NumPy .npz archive.
 *
 * @param name the array's name as given to `numpy.savez`; may be left out where the archive has only one.
 * @throws DataError if the archive is broken, has no such array, or has several and no name was given.
 */
export function parseNpz(bytes: Buffer, name: string | undefined, where: string): ArrayFile {
  const names = list(bytes, where);
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined || !names.includes(chosen)) {
    const problem = name === undefined ? `has ${names.length} arrays` : `has no array '${name}'`;
    throw new DataError(`${where} ${problem}; name one of [${names.join(', ')}], as in file.npz:name`);
  }
  const entry = extract(bytes, `${chosen}.npy`, where);
  return parseNpy(Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength), `${where}:${chosen}`);
}

function list(bytes: Buffer, where: string): string[] {
  const names: string[] = [];
  unzip(bytes, where, (entry) => {
    if (entry.endsWith('.npy')) names.push(entry.slice(0, -'.npy'.length));
    return false;
  });
  return names;
}

function extract(bytes: Buffer, entry: string, where: string): Uint8Array {
  const content = unzip(bytes, where, (name) => name === entry)[entry];
  if (content === undefined) throw new DataError(`${where}: entry ${entry} cannot be extracted`);
  return content;
}

function unzip(bytes: Buffer, where: string, wanted: (name: string) => boolean): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes, { filter: (file) => wanted(file.name) });
  } catch (cause) {
    throw new DataError(`${where} is a broken .npz (zip) file: ${(cause as Error).message}`, { cause });
  }
}
