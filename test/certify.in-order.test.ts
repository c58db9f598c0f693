import { describe, expect, it } from 'vitest';
import { inOrder } from '../src/certify/in-order.js';

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function collect<T>(source: AsyncGenerator<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

describe('work in order', () => {
  it('yields in the order of the items, whatever finishes first', async () => {
    const items = Array.from({ length: 30 }, (_, i) => i);
    const found = await collect(
      inOrder(items, 4, async (i) => {
        await later((i * 7) % 5);
        return i;
      }),
    );
    expect(found).toEqual(items);
  });

  it('never runs more than the width, and goes on behind a slow item, but not without end', async () => {
    let running = 0;
    let most = 0;
    let started = 0;
    let release = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const all = collect(
      inOrder(
        Array.from({ length: 100 }, (_, i) => i),
        2,
        async (i) => {
          running += 1;
          started += 1;
          most = Math.max(most, running);
          await (i === 0 ? slow : later(0));
          running -= 1;
          return i;
        },
      ),
    );
    await later(100);
    const behind = started;
    release();
    expect((await all).length).toBe(100);
    expect(most).toBe(2);
    expect(behind).toBe(16);
  });

  it('surfaces a failure at its place and starts nothing after it', async () => {
    const started: number[] = [];
    const seen: number[] = [];
    const source = inOrder([0, 1, 2, 3, 4, 5], 2, async (i) => {
      started.push(i);
      await later(i === 0 ? 20 : 0);
      if (i === 1) throw new Error('broken');
      return i;
    });
    await expect(
      (async () => {
        for await (const each of source) seen.push(each);
      })(),
    ).rejects.toThrow('broken');
    expect(seen).toEqual([0]);
    expect(started).toEqual([0, 1]);
  });
});
