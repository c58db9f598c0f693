export {
  type CenterOptions,
  type CertifiedCenter,
  type Domain,
  type OptimalCenter,
  certifiedCenters,
  closedFormRadius,
  optimalCenter,
} from './center.js';
export { type Affine, borderDistance, dualNorm, lowerRadius, upperRadius } from './closed-form.js';
export type { NoiseOptions } from './noise.js';
export type {
  Assurance,
  AttackOptions,
  BoundsOptions,
  Boxes,
  CallOptions,
  Method,
  MethodOptions,
  ProofLevel,
} from './options.js';
export type { Radii, RadiusOptions } from './radius.js';
export {
  type Attack,
  type BoxEvidence,
  type Bounds,
  type InputSearch,
  type InputSearchReport,
  type Multipliers,
  type OperatorNorm,
  type SearchLimit,
  Verifier,
  type VerifierOptions,
} from './verifier.js';
