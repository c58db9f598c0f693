import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ProgressDisplay } from '../src/cli/progress.js';

/** A standard error that keeps what is written. */
function stream(isTTY: boolean): { target: NodeJS.WriteStream; text: () => string } {
  const target = Object.assign(new PassThrough(), { isTTY, columns: 160 });
  let text = '';
  target.setEncoding('utf8').on('data', (part: string) => (text += part));
  return { target: target as unknown as NodeJS.WriteStream, text: () => text };
}

describe('progress', () => {
  it('is a bar with rate and remaining time on a terminal', async () => {
    const { target, text } = stream(true);
    const progress = new ProgressDisplay('images', target);
    progress.update(0, 100);
    await new Promise((resolve) => setTimeout(resolve, 50));
    progress.update(50, 100, '20 verified');
    progress.stop();
    expect(text()).toMatch(/50% \| 50\/100 images \| [\d.]+ images\/s, 0:01 left \| 20 verified/);
  });

  it('is plain lines elsewhere: the first, one now and then, the last', async () => {
    const { target, text } = stream(false);
    const progress = new ProgressDisplay('images', target);
    progress.update(20, 100);
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (let done = 21; done <= 100; done += 1) progress.update(done, 100, 'n');
    progress.stop();
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe('20/100 images, starting');
    expect(lines[1]).toMatch(/^100\/100 images, \d+ images\/s, 0:00 left \| n$/);
  });
});
