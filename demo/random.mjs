/**
 * Seeded random numbers that are the same on every machine: xoshiro128** (Blackman and Vigna, 2018),
 * its state filled from the seed by the finaliser of MurmurHash3. 32-bit integer arithmetic only.
 */
const rotateLeft = (x, k) => (x << k) | (x >>> (32 - k));

/** MurmurHash3's finaliser: a bijection of 32-bit integers in which every input bit moves every output bit. */
function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** One stream of random numbers; equal seeds (32-bit integers) give equal streams. */
export class Random {
  #state = new Int32Array(4);

  constructor(seed) {
    // The odd constant (2^32 / golden ratio) keeps seed 0 from filling the state with zeros.
    for (let i = 0; i < 4; i++) this.#state[i] = mix(seed + Math.imul(i + 1, 0x9e3779b9));
  }

  /** Uniform 32-bit unsigned integer. */
  uint32() {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1) {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** Bell-shaped with mean 0 and standard deviation 1: four uniforms summed, so that no library logarithm is needed. */
  bell() {
    const sum = this.uniform() + this.uniform() + this.uniform() + this.uniform();
    return (sum - 2) * Math.sqrt(3);
  }

  /** Uniform integer in 0 .. n - 1, for n far below 2^32. */
  below(n) {
    return Math.floor(this.uniform(0, n));
  }

  /** A random order of 0 .. n - 1 (Fisher-Yates). */
  permutation(n) {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
