import { describe, expect, it } from 'vitest';
import { problems, randomGraph } from './support/gradient-problems.js';
import { wrongGradient } from './support/gradients.js';

describe('gradients', () => {
  it.each(Object.entries(problems))('%s', (_, problem) => {
    for (const seed of [1, 2, 3]) expect(wrongGradient(problem, seed)).toBeUndefined();
  });

  it('random graphs', () => {
    for (let seed = 1; seed <= 40; seed++) {
      expect(wrongGradient(randomGraph(seed), seed), `seed ${seed}`).toBeUndefined();
    }
  });
});
