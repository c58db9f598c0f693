import type { NativeNoiseOptions } from '../binding.js';
import { InvalidArgumentError } from '../errors.js';
import { type CallOptions, integer, positive } from './options.js';

export interface NoiseOptions extends CallOptions {
  /** Standard deviation of the noise, in the units of the input. */
  sigma: number;
  /** Samples of each input. */
  samples: number;
  /** Number of the first sample; default 0. */
  first?: number;
  /** Default 0. */
  seed?: number;
  /** Of the inputs' noise; default 0, 1, 2, ... */
  streams?: Int32Array;
}

/** @throws InvalidArgumentError naming the option, what was given and what it takes. */
export function resolveNoiseOptions(
  options: NoiseOptions,
  count: number,
): Omit<NativeNoiseOptions, 'center'> {
  const streams = options.streams ?? Int32Array.from({ length: count }, (_, i) => i);
  if (streams.length !== count) {
    throw new InvalidArgumentError(`streams has ${streams.length} numbers, expected ${count}, one an input`);
  }
  return {
    streams,
    sigma: positive('sigma', options.sigma),
    seed: integer('seed', options.seed ?? 0, 0),
    first: integer('first', options.first ?? 0, 0),
    samples: integer('samples', options.samples, 1),
  };
}
