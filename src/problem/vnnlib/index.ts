export type { Formula } from './formula.js';
export { type VnnLib, isCounterexample, parseVnnLib } from './parse.js';
