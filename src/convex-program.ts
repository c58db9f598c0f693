/** Linear and convex quadratic programs, solved by HiGHS (WebAssembly, loaded on first use). */
import type highsModule from 'highs';
import type { Highs, ModelData } from 'highs';
import { InvalidArgumentError, SolverError } from './errors.js';

/** The package is CommonJS for TypeScript and an ES module for Node, so the types have one `default` too many. */
type Load = typeof highsModule.default;

let loaded: Promise<Highs> | undefined;

function highs(): Promise<Highs> {
  loaded ??= import('highs').then((module) => (module.default as unknown as Load)());
  return loaded;
}

/** `[variable, coefficient]` */
export type Term = readonly [number, number];

export interface Optimum {
  readonly value: number;
  /** By variable; rows and bounds hold within 1e-7. */
  readonly x: Float64Array;
}

interface Variable {
  readonly lower: number;
  readonly upper: number;
  readonly cost: number;
  readonly curvature: number;
}

interface Row {
  readonly terms: readonly Term[];
  readonly lower: number;
  readonly upper: number;
}

/** How far a value by tangents may lie above the optimum, relative to it and absolutely. */
const tolerance = { relative: 1e-10, absolute: 1e-8 };
const mostRounds = 100;

/**
 * Minimise `sum cost_j x_j + curvature_j x_j^2 / 2` subject to bounds of the variables and of rows, built
 * piece by piece.
 *
 * HiGHS's method for quadratic programs ends in an error at about one of a thousand dispatches of a power grid
 * (it claims an optimum that breaks a row by 6e-5, and notices). Such a program is solved as a sequence of linear
 * ones, see {@link descendOnTangents}.
 */
export class ConvexProgram {
  readonly #variables: Variable[] = [];
  readonly #rows: Row[] = [];

  /**
   * @returns the variable's number.
   * @throws InvalidArgumentError for a curvature below 0: the program would not be convex.
   */
  variable({ lower = -Infinity, upper = Infinity, cost = 0, curvature = 0 }): number {
    if (!(curvature >= 0))
      throw new InvalidArgumentError(`curvature is ${curvature}, expected a number >= 0`);
    return this.#variables.push({ lower, upper, cost, curvature }) - 1;
  }

  /** `lower <= sum of terms <= upper`. */
  row(terms: readonly Term[], lower: number, upper: number): void {
    this.#rows.push({ terms: terms.filter(([, value]) => value !== 0), lower, upper });
  }

  /** @throws SolverError if there is no optimum (infeasible, unbounded), or none was reached. */
  async minimise(): Promise<Optimum> {
    const solver = await highs();
    try {
      const optimum = solve(solver, this.#variables, this.#rows);
      if (optimum !== 'failed') return optimum;
      return descendOnTangents(solver, this.#variables, this.#rows);
    } catch (cause) {
      const size = `program of ${this.#variables.length} variables and ${this.#rows.length} rows`;
      throw new SolverError(`${size}: ${(cause as Error).message}`, { cause });
    }
  }
}

/** One run of HiGHS; `'failed'` where it gave a quadratic program up. */
function solve(solver: Highs, variables: readonly Variable[], rows: readonly Row[]): Optimum | 'failed' {
  const { modelStatus } = solver.constants;
  const model = solver.createModel(modelData(variables, rows));
  try {
    // The default adds 1e-7 to every curvature.
    model.options.set({ output_flag: false, qp_regularization_value: 0 });
    model.raw.run();
    const status = model.getModelStatus();
    if (status === modelStatus.optimal) {
      return { value: model.getObjectiveValue(), x: model.getSolution().colValue };
    }
    if (status === modelStatus.solveError && variables.some(({ curvature }) => curvature > 0))
      return 'failed';
    const name = Object.entries(modelStatus).find(([, code]) => code === status)?.[0] ?? String(status);
    throw new SolverError(`the solver's answer is '${name}', expected 'optimal'`);
  } finally {
    model.dispose();
  }
}

/**
 * Kelley's method: squares are replaced by the greatest of their tangents, one more at each round's optimum,
 * until that optimum, a lower bound, meets the value of its point.
 */
function descendOnTangents(solver: Highs, variables: readonly Variable[], rows: readonly Row[]): Optimum {
  const count = variables.length;
  const curved = [...variables.keys()].filter((j) => variables[j].curvature > 0);
  const straight = variables.map((variable) => ({ ...variable, curvature: 0 }));
  const heights = curved.map(() => ({ lower: 0, upper: Infinity, cost: 1, curvature: 0 }));
  /** height >= curvature (x v - x^2 / 2) */
  const tangent = (i: number, x: number): Row => {
    const { curvature } = variables[curved[i]];
    const terms: Term[] = [
      [count + i, 1],
      [curved[i], -curvature * x],
    ];
    return {
      terms: terms.filter(([, value]) => value !== 0),
      lower: (-curvature * x * x) / 2,
      upper: Infinity,
    };
  };
  const tangents = curved.flatMap((j, i) => {
    const { lower, upper } = variables[j];
    return [lower, upper, -1, 1].filter(Number.isFinite).map((x) => tangent(i, x));
  });
  for (let round = 0; round < mostRounds; round += 1) {
    const optimum = solve(solver, [...straight, ...heights], [...rows, ...tangents]);
    if (optimum === 'failed') break;
    const { x } = optimum;
    const gaps = curved.map((j, i) => (variables[j].curvature * x[j] ** 2) / 2 - x[count + i]);
    const gap = gaps.reduce((sum, above) => sum + Math.max(0, above), 0);
    const value = optimum.value + gap;
    if (gap <= Math.max(tolerance.absolute, tolerance.relative * Math.abs(value))) {
      return { value, x: x.slice(0, count) };
    }
    tangents.push(...curved.flatMap((j, i) => (gaps[i] > 0 ? [tangent(i, x[j])] : [])));
  }
  throw new SolverError(`no optimum after ${mostRounds} rounds of tangents`);
}

function modelData(variables: readonly Variable[], rows: readonly Row[]): ModelData {
  const starts = [0];
  for (const { terms } of rows) starts.push(starts[starts.length - 1] + terms.length);
  const entries = rows.flatMap(({ terms }) => terms);
  const curved = variables.flatMap(({ curvature }, j) => (curvature > 0 ? [j] : []));
  const curvatureStarts = [0];
  for (const { curvature } of variables) {
    curvatureStarts.push(curvatureStarts[curvatureStarts.length - 1] + (curvature > 0 ? 1 : 0));
  }
  return {
    numCols: variables.length,
    numRows: rows.length,
    colCost: variables.map(({ cost }) => cost),
    colLower: variables.map(({ lower }) => lower),
    colUpper: variables.map(({ upper }) => upper),
    rowLower: rows.map(({ lower }) => lower),
    rowUpper: rows.map(({ upper }) => upper),
    matrix: {
      format: 'csr',
      numRows: rows.length,
      numCols: variables.length,
      starts,
      indices: entries.map(([variable]) => variable),
      values: entries.map(([, value]) => value),
    },
    ...(curved.length > 0 && {
      hessian: {
        format: 'triangular',
        dimension: variables.length,
        starts: curvatureStarts,
        indices: curved,
        values: curved.map((j) => variables[j].curvature),
      },
    }),
  };
}
