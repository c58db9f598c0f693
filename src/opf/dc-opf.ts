import { ConvexProgram, type Term } from '../convex-program.js';
import { InvalidArgumentError, UnsupportedError } from '../errors.js';
import type { GeneratorCost, PowerGrid } from './matpower.js';

export interface Dispatch {
  /** $/h */
  readonly cost: number;
  /** MW, by generator of the file; 0 for one out of service. */
  readonly generation: Float64Array;
  /** Radians, by bus of the file. */
  readonly angle: Float64Array;
  /** MW, by branch of the file, from its first bus to its second; 0 for one out of service. */
  readonly flow: Float64Array;
}

/**
 * The DC approximation of the optimal power flow problem, as PGLib's published costs have it: lines without
 * loss carry `b (angle_from - angle_to)` per unit with `b = x / (r^2 + x^2)`, tap ratios and phase shifts
 * left out; generation meets demand at every bus; generators, flows and angle differences stay within limits;
 * the cost of generation is least. A linear or convex quadratic program.
 *
 * @param demand MW, by bus of the file; default: the file's.
 * @throws InvalidArgumentError if `demand` has another length; UnsupportedError for costs that are not
 *   convex or polynomials of a degree above 2; SolverError where no dispatch is feasible.
 */
export async function dcOptimalPowerFlow(
  { baseMva, buses, generators, branches }: PowerGrid,
  demand: ArrayLike<number> = buses.map((bus) => bus.demand),
): Promise<Dispatch> {
  if (demand.length !== buses.length) {
    throw new InvalidArgumentError(
      `demand has ${demand.length} numbers, expected ${buses.length}, one a bus`,
    );
  }
  const program = new ConvexProgram();
  const place = new Map(buses.map(({ id }, i) => [id, i]));
  // Power in per unit: numbers near 1 suit the solver.
  const angle = buses.map(({ type }) => program.variable(type === 3 ? { lower: 0, upper: 0 } : {}));
  let constant = 0;
  const generation = generators.map(({ inService, least, most, cost }, i) => {
    if (!inService) return undefined;
    const limits = { lower: least / baseMva, upper: most / baseMva };
    const { terms, fixed, pieces } = costTerms(cost, baseMva, i);
    constant += fixed;
    const power = program.variable({ ...limits, ...terms });
    if (pieces) {
      const height = program.variable({ cost: 1 });
      for (const { slope, offset } of pieces)
        program.row(
          [
            [height, 1],
            [power, -slope],
          ],
          offset,
          Infinity,
        );
    }
    return power;
  });
  const balance: Term[][] = buses.map(() => []);
  generators.forEach(({ bus }, i) => {
    const power = generation[i];
    if (power !== undefined) balance[place.get(bus)!].push([power, 1]);
  });
  const susceptance = branches.map(({ resistance: r, reactance: x }) => x / (r * r + x * x));
  branches.forEach(({ from, to, inService, rating, leastAngle, mostAngle }, i) => {
    if (!inService) return;
    const b = susceptance[i];
    const [first, second] = [place.get(from)!, place.get(to)!];
    balance[first].push([angle[first], -b], [angle[second], b]);
    balance[second].push([angle[first], b], [angle[second], -b]);
    const degree = Math.PI / 180;
    const reach = rating / baseMva / Math.abs(b);
    const [low, high] = [Math.max(leastAngle * degree, -reach), Math.min(mostAngle * degree, reach)];
    if (low > -Infinity || high < Infinity)
      program.row(
        [
          [angle[first], 1],
          [angle[second], -1],
        ],
        low,
        high,
      );
  });
  buses.forEach(({ shunt }, i) => {
    const load = (demand[i] + shunt) / baseMva;
    program.row(sumByVariable(balance[i]), load, load);
  });
  const { value, x } = await program.minimise();
  return {
    cost: value + constant,
    generation: Float64Array.from(generation, (power) => (power === undefined ? 0 : x[power] * baseMva)),
    angle: Float64Array.from(angle, (variable) => x[variable]),
    flow: Float64Array.from(branches, ({ from, to, inService }, i) => {
      const difference = x[angle[place.get(from)!]] - x[angle[place.get(to)!]];
      return inService ? susceptance[i] * difference * baseMva : 0;
    }),
  };
}

/** A cost in $/h of power in per unit: linear and quadratic terms, or the greatest of several lines. */
function costTerms(
  cost: GeneratorCost,
  base: number,
  index: number,
): {
  terms: { cost: number; curvature: number };
  fixed: number;
  pieces?: { slope: number; offset: number }[];
} {
  const unsupported = (what: string): Error =>
    new UnsupportedError(`the cost of generator ${index + 1} is ${what}`);
  if (cost.kind === 'polynomial') {
    const [fixed = 0, linear = 0, square = 0, ...higher] = cost.coefficients.toReversed();
    if (higher.some((coefficient) => coefficient !== 0)) {
      throw unsupported(`a polynomial of degree ${higher.length + 2}, expected at most 2`);
    }
    if (square < 0) throw unsupported(`not convex: its square has the factor ${square}`);
    return { terms: { cost: linear * base, curvature: 2 * square * base * base }, fixed };
  }
  const pieces = cost.points.slice(1).map(([x, y], i) => {
    const [x0, y0] = cost.points[i];
    const slope = (y - y0) / (x - x0);
    return { slope: slope * base, offset: y0 - slope * x0 };
  });
  pieces.slice(1).forEach(({ slope }, i) => {
    if (!(slope >= pieces[i].slope))
      throw unsupported(`not convex: piece ${i + 2} is flatter than the one before`);
  });
  return { terms: { cost: 0, curvature: 0 }, fixed: 0, pieces };
}

/** One term for each variable: parallel branches meet a bus several times. */
function sumByVariable(terms: readonly Term[]): Term[] {
  const sums = new Map<number, number>();
  for (const [variable, value] of terms) sums.set(variable, (sums.get(variable) ?? 0) + value);
  return [...sums];
}
