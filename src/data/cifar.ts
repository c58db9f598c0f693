import { DataError } from '../errors.js';
import type { ArrayFile } from './scalars.js';

const pixels = 3 * 32 * 32;
const record = 1 + pixels;

/**
 * Parses a batch of the binary version of CIFAR-10: records of one label byte and 3072 pixel bytes
 * (channel, row, column). Images come as `[n, 3, 32, 32]` uint8, the labels beside them.
 *
 * @throws DataError if the size is no multiple of 3073 bytes or a label is above 9.
 */
export function parseCifar(bytes: Buffer, where: string): ArrayFile {
  if (bytes.length % record !== 0) {
    throw new DataError(
      `${where}: CIFAR-10 binary records take ${record} bytes each, the file has ${bytes.length}, ` +
        `${bytes.length % record} more than ${Math.floor(bytes.length / record)} records`,
    );
  }
  const count = bytes.length / record;
  const labels = new Uint8Array(count);
  const data = new Uint8Array(count * pixels);
  for (let index = 0; index < count; index += 1) {
    const label = bytes[index * record];
    if (label > 9) throw new DataError(`${where}: record ${index} has label ${label}, expected 0 to 9`);
    labels[index] = label;
    data.set(bytes.subarray(index * record + 1, (index + 1) * record), index * pixels);
  }
  return { shape: [count, 3, 32, 32], dtype: 'uint8', data, labels };
}
