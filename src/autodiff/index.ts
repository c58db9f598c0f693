export type { Arithmetic, Numbers } from './arithmetic.js';
export { NativeArithmetic } from './native-arithmetic.js';
export type { ConvolutionOptions, PowerState, Transposes } from './operations/products.js';
export { ReferenceArithmetic } from './reference-arithmetic.js';
export { type SumOptions, Tape } from './tape.js';
export { Tensor } from './tensor.js';
