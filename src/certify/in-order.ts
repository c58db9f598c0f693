/**
 * Runs `work` on the items with at most `width` under way at once, and yields the results in the
 * items' order. A failure surfaces at its own place; what is under way then is left to finish, and
 * its outcome ignored.
 */
export async function* inOrder<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  let next = 0;
  const startOne = (): void => {
    const result = work(items[next]);
    next += 1;
    // Awaited in turn; until then a rejection must not count as unhandled.
    result.catch(() => undefined);
    running.push(result);
  };
  while (next < items.length && running.length < width) startOne();
  for (let first = running.shift(); first !== undefined; first = running.shift()) {
    const result = await first;
    if (next < items.length) startOne();
    yield result;
  }
}
