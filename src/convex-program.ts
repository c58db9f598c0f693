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
  /** By variable, to the solver's tolerances: feasible and optimal within about 1e-7. */
  readonly x: Float64Array;
  /** By row: what the value would grow by if the row's active bound grew by 1. */
  readonly rowDual: Float64Array;
}

/**
 * Minimise `sum cost_j x_j + curvature_j x_j^2 / 2` subject to bounds of the variables and of rows, built
 * piece by piece.
 */
export class ConvexProgram {
  readonly #variables: { lower: number; upper: number; cost: number; curvature: number }[] = [];
  readonly #rows: { terms: readonly Term[]; lower: number; upper: number }[] = [];

  /**
   * @returns the variable's number.
   * @throws InvalidArgumentError for a curvature below 0: the program would not be convex.
   */
  variable({ lower = -Infinity, upper = Infinity, cost = 0, curvature = 0 }): number {
    if (!(curvature >= 0))
      throw new InvalidArgumentError(`curvature is ${curvature}, expected a number >= 0`);
    return this.#variables.push({ lower, upper, cost, curvature }) - 1;
  }

  /** `lower <= sum of terms <= upper`. Returns the row's number. */
  row(terms: readonly Term[], lower: number, upper: number): number {
    return this.#rows.push({ terms: terms.filter(([, value]) => value !== 0), lower, upper }) - 1;
  }

  /** @throws SolverError if there is no optimum: infeasible, unbounded, or the solver gave up. */
  async minimise(): Promise<Optimum> {
    const solver = await highs();
    const model = solver.createModel();
    try {
      model.options.set('output_flag', false);
      // The default adds 1e-7 to every curvature.
      model.options.set('qp_regularization_value', 0);
      model.passModel(this.#data());
      model.run();
      const status = model.getModelStatus();
      if (status !== solver.constants.modelStatus.optimal) {
        const names = Object.entries(solver.constants.modelStatus);
        const name = names.find(([, code]) => code === status)?.[0] ?? String(status);
        throw new SolverError(`the program of ${this.#variables.length} variables is ${name}`);
      }
      const { colValue, rowDual } = model.getSolution();
      return { value: model.getObjectiveValue(), x: colValue, rowDual };
    } finally {
      model.dispose();
    }
  }

  #data(): ModelData {
    const variables = this.#variables;
    const rows = this.#rows;
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
}
