import { writeFile } from 'node:fs/promises';

/** Writes bytes as an IDX file, the format of MNIST: type 8 (uint8), the extents of the axes, the values. */
export async function writeIdx(path, shape, values) {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = 8;
  header[3] = shape.length;
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  await writeFile(path, Buffer.concat([header, values]));
}
