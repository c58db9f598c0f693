/** Power grids in MATPOWER case files, format version 2: the numbers of `mpc`, with their units. */
import { DataError } from '../errors.js';

export interface Bus {
  readonly id: number;
  /** 1 PQ, 2 PV, 3 reference, 4 isolated. */
  readonly type: number;
  /** Real power demand, MW. */
  readonly demand: number;
  /** Shunt conductance: MW at a voltage of 1 per unit. */
  readonly shunt: number;
}

export interface Generator {
  readonly bus: number;
  readonly inService: boolean;
  /** MW */
  readonly least: number;
  readonly most: number;
  readonly cost: GeneratorCost;
}

/** $/h as a function of MW: coefficients of a polynomial from the highest power on, or points to join. */
export type GeneratorCost =
  | { readonly kind: 'polynomial'; readonly coefficients: readonly number[] }
  | { readonly kind: 'piecewise'; readonly points: readonly (readonly [number, number])[] };

export interface Branch {
  readonly from: number;
  readonly to: number;
  readonly inService: boolean;
  /** Series resistance and reactance, per unit. */
  readonly resistance: number;
  readonly reactance: number;
  /** Long-term rating in MVA; Infinity where the file has 0. */
  readonly rating: number;
  /** Limits of the difference of voltage angles, degrees; infinite where the file has none. */
  readonly leastAngle: number;
  readonly mostAngle: number;
}

export interface PowerGrid {
  readonly name: string;
  readonly baseMva: number;
  readonly buses: readonly Bus[];
  readonly generators: readonly Generator[];
  readonly branches: readonly Branch[];
}

/**
 * Reads the text of a MATPOWER case file: assignments `mpc.name = value;` of scalars, texts and matrices of
 * numbers, with comments and continued lines. Of the matrices it takes bus, gen, branch and gencost.
 *
 * @throws DataError naming the matrix and row where something is missing or is not what the format has there.
 */
export function parseMatpower(text: string): PowerGrid {
  const plain = text.replace(/%.*$/gm, '').replace(/\.\.\.[^\n]*\n/g, ' ');
  const name = /function\s+\w+\s*=\s*(\w+)/.exec(plain)?.[1] ?? '';
  const version = /mpc\.version\s*=\s*'([^']*)'/.exec(plain)?.[1];
  if (version !== '2') throw new DataError(`MATPOWER version is ${version ?? 'missing'}, expected '2'`);
  const baseMva = toNumber(/mpc\.baseMVA\s*=\s*([^;\n]+)/.exec(plain)?.[1] ?? 'missing', 'baseMVA');
  if (!(baseMva > 0)) throw new DataError(`baseMVA is ${baseMva}, expected a number > 0`);

  const generators = matrix(plain, 'gen', 10);
  const costs = matrix(plain, 'gencost', 4);
  // Rows past the generators', where there are any, are costs of reactive power.
  if (costs.length !== generators.length && costs.length !== 2 * generators.length) {
    throw new DataError(
      `gencost has ${costs.length} rows, expected one or two for each of ${generators.length}`,
    );
  }
  const grid: PowerGrid = {
    name,
    baseMva,
    buses: matrix(plain, 'bus', 13).map((row) => ({
      id: row[0],
      type: row[1],
      demand: row[2],
      shunt: row[4],
    })),
    generators: generators.map((row, i) => ({
      bus: row[0],
      inService: row[7] > 0,
      most: row[8],
      least: row[9],
      cost: costOf(costs[i], i),
    })),
    branches: matrix(plain, 'branch', 11).map((row) => ({
      from: row[0],
      to: row[1],
      resistance: row[2],
      reactance: row[3],
      rating: row[5] === 0 ? Infinity : row[5],
      inService: row[10] > 0,
      ...angles(row[11] ?? 0, row[12] ?? 0),
    })),
  };
  check(grid);
  return grid;
}

function matrix(text: string, name: string, columns: number): number[][] {
  const body = new RegExp(`mpc\\.${name}\\s*=\\s*\\[([^\\]]*)\\]`).exec(text)?.[1];
  if (body === undefined) throw new DataError(`mpc.${name} is missing`);
  const rows = body
    .split(/[;\n]/)
    .map((row) => row.split(/[\s,]+/).filter((word) => word !== ''))
    .filter((row) => row.length > 0);
  return rows.map((row, i) => {
    const where = `mpc.${name}, row ${i + 1}`;
    if (row.length < columns) {
      throw new DataError(`${where} has ${row.length} columns, expected at least ${columns}`);
    }
    return row.map((word, column) => toNumber(word, `${where}, column ${column + 1}`));
  });
}

function toNumber(word: string, where: string): number {
  const text = word.trim();
  const infinite = /^([+-]?)inf$/i.exec(text);
  if (infinite) return infinite[1] === '-' ? -Infinity : Infinity;
  const value = Number(text);
  if (text !== '' && !Number.isNaN(value)) return value;
  throw new DataError(`${where} is '${text}', expected a number`);
}

/** Columns: model, startup, shutdown, n, then n coefficients or n points. */
function costOf(row: readonly number[], index: number): GeneratorCost {
  const [model, , , n] = row;
  const where = `mpc.gencost, row ${index + 1}`;
  const count = model === 1 ? 2 * n : n;
  if (!Number.isInteger(n) || n < 0 || row.length < 4 + count) {
    throw new DataError(
      `${where} announces ${n} ${model === 1 ? 'points' : 'coefficients'}, has ${row.length - 4} numbers`,
    );
  }
  const values = row.slice(4, 4 + count);
  if (model === 2) return { kind: 'polynomial', coefficients: values };
  if (model === 1 && n >= 2) {
    return {
      kind: 'piecewise',
      points: Array.from({ length: n }, (_, i) => [values[2 * i], values[2 * i + 1]]),
    };
  }
  throw new DataError(`${where} has model ${model} with n = ${n}, expected 1 with at least 2 points, or 2`);
}

/** 0 and 0 mean none; so does a whole turn. */
function angles(least: number, most: number): { leastAngle: number; mostAngle: number } {
  if (least === 0 && most === 0) return { leastAngle: -Infinity, mostAngle: Infinity };
  return { leastAngle: least <= -360 ? -Infinity : least, mostAngle: most >= 360 ? Infinity : most };
}

function check({ buses, generators, branches }: PowerGrid): void {
  const known = new Set(buses.map(({ id }) => id));
  if (known.size !== buses.length) throw new DataError('mpc.bus has a number twice');
  const ends = [
    ...generators.map(({ bus }, i) => [`mpc.gen, row ${i + 1}`, bus] as const),
    ...branches.flatMap(({ from, to }, i) =>
      [from, to].map((bus) => [`mpc.branch, row ${i + 1}`, bus] as const),
    ),
  ];
  for (const [where, bus] of ends) {
    if (!known.has(bus)) throw new DataError(`${where} names bus ${bus}, which mpc.bus has not`);
  }
}
