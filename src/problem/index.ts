export { parseEps, parseNumberList, parseRange } from './parse.js';
export {
  type BallOptions,
  type Norm,
  type Region,
  type RegionKind,
  type Vector,
  type Vectors,
  ball,
  ballL1,
  ballL2,
  ballLinf,
  box,
} from './region.js';
export { type Specification, margins, outputs, rows } from './specification.js';
export type { Problem } from './problem.js';
export { type VnnLib, isCounterexample, parseVnnLib } from './vnnlib/index.js';
