import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Absolute paths of every C++ and CUDA file under native/. */
export function nativeFiles() {
  return readdirSync(join(root, 'native'), { recursive: true })
    .filter((file) => /\.(h|inl|cc|cu|cuh)$/.test(file))
    .sort()
    .map((file) => join(root, 'native', file));
}
