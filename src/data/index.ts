export { type Images, type Layout, type LoadImagesOptions, type Selection, loadImages } from './images.js';
export { type LoadLabelsOptions, checkLabels, loadLabels } from './labels.js';
export { readArray } from './read-array.js';
export type { ArrayData, ArrayFile, DType } from './scalars.js';
