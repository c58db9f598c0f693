export { type DecideOptions, decide } from './decide.js';
export { loadVnnLib } from './load.js';
export type { Answer, Counterexample, SolveOptions, Solver } from './solver.js';
export { solve } from './solve.js';
export { formatWitness } from './witness.js';
