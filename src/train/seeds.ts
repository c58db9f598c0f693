/** Everything random in training is a function of the run's seed and of where it happens, so that nothing has to be kept to resume. */

/** Murmur3's finaliser. */
function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seed for one purpose and place of a run: a whole number below 2^53. */
export function derivedSeed(seed: number, ...path: readonly number[]): number {
  let low = mix(seed ^ 0x9e3779b9);
  let high = mix(Math.floor(seed / 2 ** 32) ^ 0x7f4a7c15 ^ low);
  for (const part of path) {
    low = mix(low ^ mix(part + 0x632be5ab));
    high = mix(high ^ low);
  }
  return low + (high & 0x1fffff) * 2 ** 32;
}

/** A random order of 0 .. count - 1 (Fisher-Yates, numbers from a counter). */
export function permutation(count: number, seed: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const [low, high] = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  for (let i = count - 1; i > 0; i--) {
    const draw = mix(mix(i ^ low) ^ high) / 2 ** 32;
    const j = Math.floor(draw * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
