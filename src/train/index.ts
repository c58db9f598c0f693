export { type Architecture, parseArchitecture } from './architecture.js';
export { type L2Attack, type LinfAttack, attackLinf, attackSmoothed } from './attack.js';
export { type DataSet, type LabelledData, loadCifar10, loadLabelled, loadMnist } from './data.js';
export {
  type AffineLayer,
  type Box,
  type DualGradient,
  type DualProblem,
  dualGradient,
} from './dual-gradient.js';
export {
  type DispatchData,
  type DispatchOptions,
  type DispatchSet,
  type Scale,
  dispatchData,
  dispatchDefaults,
} from './dispatch.js';
export { accuracy } from './evaluate.js';
export { type OutputLimits, certifiedViolation, outputBounds } from './feasibility.js';
export { TrainableNetwork } from './network.js';
export { Optimiser, type OptimiserOptions, cosineRate } from './optimiser.js';
export type { Recipe, Objective, Settings, StepContext, StepLoss, TrainingOptions } from './recipe.js';
export { findRecipe, recipes } from './recipes/index.js';
export { type SurrogateOptions, surrogateDefaults, trainSurrogate } from './surrogate.js';
export {
  type EpochRecord,
  type StepProgress,
  type TrainRequest,
  type TrainResult,
  train,
} from './trainer.js';
