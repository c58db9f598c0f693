import { DataError } from '../errors.js';
import { hex, readBytes } from './bytes.js';
import { parseCifar } from './cifar.js';
import { isIdx, parseIdx } from './idx.js';
import { isNpy, parseNpy } from './npy.js';
import { isZip, parseNpz } from './npz.js';
import type { ArrayFile } from './scalars.js';

/**
 * Reads one array from a `.npy`, `.npz` (`file.npz:name` where it holds several), IDX or CIFAR-10
 * binary (`.bin`) file, each also gzipped (`.gz`). The suffix decides the format where it is one of
 * these; other names must hold IDX, NumPy or zip data, told by their first bytes.
 *
 * @throws DataError naming the file, what was expected and what was found.
 */
export async function readArray(path: string): Promise<ArrayFile> {
  const named = /^(.+\.npz(?:\.gz)?):([^/\\:]+)$/.exec(path);
  const file = named?.[1] ?? path;
  const bytes = await readBytes(file);
  const plain = file.replace(/\.gz$/, '');
  if (plain.endsWith('.npz')) return parseNpz(bytes, named?.[2], file);
  if (plain.endsWith('.npy')) return parseNpy(bytes, file);
  if (plain.endsWith('.bin')) return parseCifar(bytes, file);
  if (isNpy(bytes)) return parseNpy(bytes, file);
  if (isZip(bytes)) return parseNpz(bytes, undefined, file);
  if (isIdx(bytes)) return parseIdx(bytes, file);
  throw new DataError(
    `${file} is none of .npy, .npz, IDX or CIFAR-10 binary (.bin): it starts with ${hex(bytes, 4)}`,
  );
}
