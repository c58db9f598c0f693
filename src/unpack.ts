/** How much a compressed file may unpack to: a small hostile one could otherwise fill the memory. */

const always = 2 ** 26;
const mostRatio = 100;

/**
 * Bytes that `packed` compressed bytes may hold: 64 MiB, or 100 times as many where that is more (deflate
 * reaches 1032 times on zeros; images, labels and weights stay far below).
 *
 * @param most the limit for files of any size.
 */
export function mostUnpacked(packed: number, most: number): number {
  return Math.min(Math.max(always, mostRatio * packed), most);
}
