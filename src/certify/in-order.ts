/** Items per running one that may wait for an earlier one: bounds memory, and what a kill loses. */
const lookahead = 8;

/**
 * Runs `work` on the items with at most `width` under way at once, and yields the results in the
 * items' order. A slow item does not hold up those behind it. A failure surfaces at its own place; what
 * is under way then is left to finish, and its outcome ignored.
 */
export async function* inOrder<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const results: Promise<Result>[] = [];
  let running = 0;
  let yielded = 0;
  let failed = false;
  const mayStart = (): boolean =>
    !failed &&
    running < width &&
    results.length < items.length &&
    results.length - yielded < lookahead * width;
  const fill = (): void => {
    while (mayStart()) {
      running += 1;
      const result = work(items[results.length]);
      results.push(result);
      // Awaited in turn below; until then a rejection must not count as unhandled.
      result.then(
        () => finish(false),
        () => finish(true),
      );
    }
  };
  const finish = (failure: boolean): void => {
    running -= 1;
    failed ||= failure;
    fill();
  };
  fill();
  for (; yielded < results.length; fill()) {
    const result = await results[yielded];
    delete results[yielded];
    yielded += 1;
    yield result;
  }
}
