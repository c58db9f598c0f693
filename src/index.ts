/**
 * bulwark: certified robustness of neural networks. Load a model with `loadModel`, describe a region
 * (`ballL2`, ...) and a specification (`margins`, ...), and ask a `Verifier` for bounds, attacks or
 * radii; `certify` does it for a data set.
 */
export * from './autodiff/index.js';
export * from './certify/index.js';
export * from './data/index.js';
export * from './errors.js';
export * from './model/index.js';
export * from './opf/index.js';
export * from './problem/index.js';
export * from './smoothing/index.js';
export * from './train/index.js';
export * from './verify/index.js';
export * from './vnnlib/index.js';
