export type { Arithmetic, DeviceArray, Numbers, Stored } from './arithmetic.js';
export { NativeArithmetic, type NativeArithmeticOptions } from './native-arithmetic.js';
export type { ConvolutionOptions, Transposes } from './operations/products.js';
export type { PowerState } from './operations/spectral.js';
export { ReferenceArithmetic } from './reference-arithmetic.js';
export { type SumOptions, Tape } from './tape.js';
export { Tensor } from './tensor.js';
