/** Results for rows and for their negatives, computed together, apart again. */

/** Splits `[count, 2 * m]` into the first and the second `[count, m]`. */
export function halves<T extends Float64Array | Int32Array>(values: T, count: number): [T, T] {
  const block = values.length / count / 2;
  const part = (half: number): T => {
    const result = values.slice(0, count * block) as T;
    for (let image = 0; image < count; image += 1) {
      const begin = (2 * image + half) * block;
      result.set(values.subarray(begin, begin + block), image * block);
    }
    return result;
  };
  return [part(0), part(1)];
}

export function negate(values: Float64Array): Float64Array {
  return values.map((value) => -value);
}
