/** Linear and quadratic programs against optima known by hand. */
import { describe, expect, it } from 'vitest';
import { ConvexProgram } from '../src/convex-program.js';
import { InvalidArgumentError, SolverError } from '../src/index.js';
import { Random } from './support/random-networks.js';

describe('ConvexProgram', () => {
  it('solves a linear program', async () => {
    const program = new ConvexProgram();
    const x = program.variable({ lower: 0, upper: 3, cost: -1 });
    const y = program.variable({ lower: 0, cost: -2 });
    program.row(
      [
        [x, 1],
        [y, 1],
      ],
      -Infinity,
      4,
    );
    program.row(
      [
        [y, 1],
        [x, -1],
      ],
      -Infinity,
      1,
    );
    const optimum = await program.minimise();
    expect(optimum.value).toBeCloseTo(-6.5, 9);
    expect(optimum.x[x]).toBeCloseTo(1.5, 9);
    expect(optimum.x[y]).toBeCloseTo(2.5, 9);
  });

  it('solves a quadratic one: x^2 + 2 y^2 + x + 2 y where x + y >= 1', async () => {
    const program = new ConvexProgram();
    const x = program.variable({ cost: 1, curvature: 2 });
    const y = program.variable({ cost: 2, curvature: 4 });
    program.row(
      [
        [x, 1],
        [y, 1],
      ],
      1,
      Infinity,
    );
    const optimum = await program.minimise();
    expect(optimum.value).toBeCloseTo(23 / 12, 8);
    expect(optimum.x[x]).toBeCloseTo(5 / 6, 4);
    expect(optimum.x[y]).toBeCloseTo(1 / 6, 4);
  });

  it('agrees with the formula where one row binds', async () => {
    const random = new Random(5);
    for (let round = 0; round < 20; round += 1) {
      // min sum q x^2 / 2 - p x with sum x = s: x_j = (p_j - mu) / q_j.
      const q = random.vector(6, 0.5, 2000);
      const p = random.vector(6, -10, 10);
      const total = random.uniform(-3, 3);
      const program = new ConvexProgram();
      const variables = Array.from(q, (curvature, j) => program.variable({ curvature, cost: -p[j] }));
      program.row(
        variables.map((variable) => [variable, 1]),
        total,
        total,
      );
      const inverse = q.reduce((sum, value) => sum + 1 / value, 0);
      const mu = (q.reduce((sum, value, j) => sum + p[j] / value, 0) - total) / inverse;
      const value = q.reduce((sum, curvature, j) => {
        const x = (p[j] - mu) / curvature;
        return sum + (curvature * x * x) / 2 - p[j] * x;
      }, 0);
      expect(Math.abs((await program.minimise()).value - value)).toBeLessThan(1e-7);
    }
  });

  it('says where there is no optimum', async () => {
    const program = new ConvexProgram();
    const x = program.variable({ lower: 0, upper: 1 });
    program.row([[x, 1]], 2, Infinity);
    await expect(program.minimise()).rejects.toThrow(SolverError);
    await expect(program.minimise()).rejects.toThrow("'infeasible'");
    const free = new ConvexProgram();
    free.variable({ cost: 1 });
    await expect(free.minimise()).rejects.toThrow(SolverError);
    expect(() => free.variable({ curvature: -1 })).toThrow(InvalidArgumentError);
  });
});
