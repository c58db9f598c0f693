/** Directed rounding on float64: the next double below or above, and sums rounded outward. */
const word = new Float64Array(1);
const bits = new BigInt64Array(word.buffer);

/** The smallest double greater than x (x itself for +Infinity and NaN). */
export function nextUp(x: number): number {
  if (x === Infinity || Number.isNaN(x)) return x;
  if (x === 0) return Number.MIN_VALUE;
  word[0] = x;
  bits[0] += x > 0 ? 1n : -1n;
  return word[0];
}

/** The greatest double smaller than x. */
export function nextDown(x: number): number {
  return -nextUp(-x);
}

/** The error of the rounded sum s = a + b, exactly (Knuth's TwoSum): a + b = s + error. */
function sumError(a: number, b: number, s: number): number {
  const bRounded = s - a;
  return a - (s - bRounded) + (b - bRounded);
}

/** The greatest double not above the exact a + b. */
export function sumDown(a: number, b: number): number {
  const s = a + b;
  return sumError(a, b, s) < 0 ? nextDown(s) : s;
}

/** The smallest double not below the exact a + b. */
export function sumUp(a: number, b: number): number {
  return -sumDown(-a, -b);
}
