export { type Dispatch, dcOptimalPowerFlow } from './dc-opf.js';
export {
  type Branch,
  type Bus,
  type Generator,
  type GeneratorCost,
  type PowerGrid,
  parseMatpower,
} from './matpower.js';
