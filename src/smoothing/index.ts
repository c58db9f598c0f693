export {
  type SmoothedPrediction,
  type SmoothedRadius,
  type SmoothedRadiusOptions,
  type SmoothingOptions,
  smoothedPrediction,
  smoothedRadius,
} from './smoothed.js';
export { binomialLowerBound } from './binomial.js';
export { normalQuantileDown } from './normal.js';
