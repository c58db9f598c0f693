export { evaluate, evaluateAll } from './evaluate.js';
export { exportOnnx } from './export-onnx.js';
export type * from './graph.js';
export { supportedOperators } from './lower.js';
export { loadModel, Model, type ModelInfo, type Normalization, type NormalizationOptions } from './model.js';
