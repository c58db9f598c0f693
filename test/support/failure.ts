/** For tests that something is refused: the error itself, and what it must say. */
import { expect } from 'vitest';

/** The error that a promise ends with; a test that gets a result fails. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was accepted');
    },
    (reason: unknown) => reason,
  );
}

/** Matches an error with that code whose message contains every part, in any order. */
export function says(code: string, ...parts: string[]): object {
  const all = parts.map((part) => `(?=[^]*${part.replace(/[^\w ]/g, '\\$&')})`).join('');
  return { code, message: expect.stringMatching(new RegExp(`^${all}`)) };
}
