import { type UnzipFileFilter, unzipSync } from 'fflate';
import { DataError } from '../errors.js';
import { mostUnpacked } from '../unpack.js';
import { mostArrayBytes } from './bytes.js';
import { parseNpy } from './npy.js';
import type { ArrayFile } from './scalars.js';

/** Every entry takes at least so much of the archive's directory. */
const entryBytes = 46;

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
  const names = new Set<string>();
  unzip(bytes, where, ({ name: entry }) => {
    if (!entry.endsWith('.npy')) return false;
    const name = entry.slice(0, -'.npy'.length);
    if (names.has(name)) throw new DataError(`${where} has two arrays '${name}'`);
    names.add(name);
    return false;
  });
  return [...names];
}

function extract(bytes: Buffer, entry: string, where: string): Uint8Array {
  const content = unzip(bytes, where, ({ name, size, originalSize }) => {
    if (name !== entry) return false;
    const most = mostUnpacked(size, mostArrayBytes);
    // The library allocates what the archive promises.
    if (size <= bytes.length && originalSize <= most) return true;
    throw new DataError(
      `${where}: entry ${entry} claims ${originalSize} bytes from ${size} compressed ones, expected at most ${most}`,
    );
  })[entry];
  if (content === undefined) throw new DataError(`${where}: entry ${entry} cannot be extracted`);
  return content;
}

function unzip(bytes: Buffer, where: string, wanted: UnzipFileFilter): Record<string, Uint8Array> {
  let entries = 0;
  try {
    return unzipSync(bytes, {
      filter(file) {
        entries += 1;
        if (entries * entryBytes <= bytes.length) return wanted(file);
        throw new DataError(
          `${where}: the archive claims more entries than fit into its ${bytes.length} bytes`,
        );
      },
    });
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${where} is a broken .npz (zip) file: ${(cause as Error).message}`, { cause });
  }
}
