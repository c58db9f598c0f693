import { type LabelledImages, imagesBetween } from '../certify/data-set.js';
import { openRecords } from './options.js';
import { ProgressDisplay } from './progress.js';

/** Images that are worked on together. */
const chunkSize = 32;

export interface LabelledChunk {
  /** Index in the data file of the first image. */
  readonly index: number;
  readonly centers: readonly Float64Array[];
  readonly labels: Int32Array;
}

/**
 * Works through a data set chunk by chunk: with progress, and each record a line of `out` as it is there.
 *
 * @param settle gives the records of a chunk's images, in their order.
 * @throws DataError if `out` exists or cannot be written, and whatever `settle` throws.
 */
export async function recordChunks<Record>(
  data: LabelledImages,
  out: string | undefined,
  settle: (chunk: LabelledChunk) => Promise<readonly Record[]>,
): Promise<Record[]> {
  const { images, labels } = data;
  const file = out === undefined ? undefined : await openRecords(out);
  const progress = new ProgressDisplay('images');
  const records: Record[] = [];
  try {
    progress.update(0, images.count);
    for (let begin = 0; begin < images.count; begin += chunkSize) {
      const end = Math.min(begin + chunkSize, images.count);
      const settled = await settle({
        index: images.start + begin,
        centers: imagesBetween(data, begin, end),
        labels: labels.subarray(begin, end),
      });
      for (const record of settled) await file?.appendFile(`${JSON.stringify(record)}\n`);
      records.push(...settled);
      progress.update(records.length, images.count);
    }
  } finally {
    progress.stop();
    await file?.close();
  }
  return records;
}
