/** Random numbers and byte strings that are a function of a seed. */

/** mulberry32. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
    // Neighbouring seeds start out alike.
    for (let i = 0; i < 3; i += 1) this.uniform();
  }

  /** Uniform in [0, 1). */
  uniform() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Uniform among 0, ..., count - 1. */
  below(count) {
    return Math.floor(this.uniform() * count);
  }

  chance(share) {
    return this.uniform() < share;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

/** Numbers that readers trip over: signs, powers of two and their neighbours, more than memory, no number. */
export const oddIntegers = [
  0,
  -1,
  1,
  2,
  3,
  7,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 24,
  2 ** 26,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 52,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 31),
  -(2 ** 53),
];
export const oddFloats = [
  0,
  -0,
  1,
  -1,
  1e-45,
  1e-310,
  3.4e38,
  1e300,
  NaN,
  Infinity,
  -Infinity,
  0.1,
  2 ** 24 + 1,
];

/** A copy of `bytes` with one to four changes of any kind. `others` are files to take pieces from. */
export function mutateBytes(random, bytes, others) {
  let result = Buffer.from(bytes);
  for (let change = random.below(4); change >= 0; change -= 1) result = mutateOnce(random, result, others);
  return result;
}

function mutateOnce(random, bytes, others) {
  const place = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, place + 1 + random.below(random.chance(0.5) ? 8 : bytes.length + 1));
  const around = (middle) => Buffer.concat([bytes.subarray(0, place), middle, bytes.subarray(end)]);
  switch (random.below(9)) {
    case 0:
      if (place < bytes.length) bytes[place] ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (place < bytes.length) bytes[place] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      return bytes;
    case 2:
      return bytes.subarray(0, place);
    case 3:
      return around(Buffer.alloc(0));
    case 4:
      return around(Buffer.concat([bytes.subarray(place, end), bytes.subarray(place, end)]));
    case 5:
      return around(Buffer.from(Array.from({ length: end - place }, () => random.below(256))));
    case 6:
      return around(Buffer.alloc(end - place, random.pick([0, 0xff])));
    case 7: {
      const other = random.pick(others);
      const from = random.below(other.length);
      return around(other.subarray(from, from + 1 + random.below(other.length - from)));
    }
    default: {
      const wide = random.pick([2, 4, 8]);
      if (place + wide > bytes.length) return bytes;
      const value = BigInt.asUintN(8 * wide, BigInt(random.pick(oddIntegers)));
      for (let i = 0; i < wide; i += 1) {
        const shift = BigInt(8 * i);
        bytes[random.chance(0.8) ? place + i : place + wide - 1 - i] = Number((value >> shift) & 0xffn);
      }
      return bytes;
    }
  }
}
