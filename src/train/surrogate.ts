/** Surrogates of DC-OPF under the loss of equations 40 and 41: squared error and certified violation. */
import { setImmediate } from 'node:timers/promises';
import { NativeArithmetic, Tape, type Tensor } from '../autodiff/index.js';
import { AbortError, InvalidArgumentError } from '../errors.js';
import { sizeOf } from '../tensor.js';
import { type Architecture, parseArchitecture } from './architecture.js';
import { type DispatchData, type DispatchSet, column } from './dispatch.js';
import { certifiedViolation } from './feasibility.js';
import { TrainableNetwork } from './network.js';
import { Optimiser, cosineRate } from './optimiser.js';

export interface SurrogateOptions {
  /** Such as `3-16-3`, text or parsed: demands in, generators out. */
  readonly architecture: string | Architecture;
  /** Of full-batch Adam. */
  readonly steps: number;
  /** Learning rate of the first step; half a cosine takes it to 0. */
  readonly rate: number;
  /** Radius of the certified violation, in standard deviations of the demands. */
  readonly eps: number;
  readonly seed: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number, loss: number) => void;
}

export const surrogateDefaults = {
  architecture: '3-16-3',
  steps: 3000,
  rate: 0.02,
  eps: 1,
  seed: 1,
} as const satisfies SurrogateOptions;

/**
 * Trains a surrogate with full-batch Adam and a schedule that ends at 0, so that what differs between two
 * weights of the violation is the weight and not where a step happened to end.
 *
 * @param weight of the certified violation beside the squared error.
 * @throws InvalidArgumentError where the architecture does not fit the data; AbortError when stopped.
 */
export async function trainSurrogate(
  { training, limits }: DispatchData,
  weight: number,
  { architecture: wanted, steps, rate, eps, seed, threads = 0, signal, onStep }: SurrogateOptions,
): Promise<TrainableNetwork> {
  const architecture = typeof wanted === 'string' ? parseArchitecture(wanted) : wanted;
  const { count, inputs, targets } = training;
  const sizes = [inputs.length / count, targets.length / count];
  const [read, written] = [architecture.shapes[0], architecture.shapes[architecture.shapes.length - 1]];
  if (sizeOf(read) !== sizes[0] || sizeOf(written) !== sizes[1]) {
    throw new InvalidArgumentError(
      `architecture ${architecture.text} maps ${sizeOf(read)} numbers to ${sizeOf(written)}; ` +
        `the grid has ${sizes[0]} demands and ${sizes[1]} generators`,
    );
  }
  const arithmetic = new NativeArithmetic({ threads });
  const tape = new Tape(arithmetic);
  const network = new TrainableNetwork(architecture, arithmetic, seed);
  startConstants(network, training);
  const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, clip: 0 };
  const optimiser = new Optimiser(tape, network.parameters, adam);
  for (let step = 1; step <= steps; step++) {
    // Lets signals, timers and the terminal through.
    if (step % 64 === 0) await setImmediate();
    if (signal?.aborted) throw new AbortError('training was stopped');
    tape.scope(() => {
      const x = tape.tensor(inputs, [count, sizes[0]]);
      const fit = squaredError(tape, network, training);
      const loss =
        weight === 0
          ? fit
          : tape.add(fit, tape.scale(certifiedViolation(tape, network, x, eps, limits), weight));
      optimiser.step(tape.grad(loss, network.parameters), cosineRate(rate, 0, (step - 1) / steps), step);
      onStep?.(step, loss.item());
    });
  }
  return network;
}

/** Squared error summed over outputs, mean over a set, as in equation 40; in standard deviations. */
export function squaredError(
  tape: Tape,
  network: TrainableNetwork,
  { count, inputs, targets }: DispatchSet,
): Tensor {
  const x = tape.tensor(inputs, [count, network.inputSize]);
  const y = tape.tensor(targets, [count, network.outputSize]);
  return tape.scale(tape.sum(tape.square(tape.subtract(network.forward(tape, x), y))), 1 / count);
}

/**
 * An output whose target never changes (a generator without capacity) starts as that constant, which is the
 * minimum of both terms of the loss, with a gradient of zero, whatever the weight. From random weights Adam
 * would come near it and keep an error of its last steps' size.
 */
function startConstants(network: TrainableNetwork, { targets }: DispatchSet): void {
  const { weight, bias } = network.layers[network.layers.length - 1];
  const fanIn = weight.size / network.outputSize;
  for (let j = 0; j < network.outputSize; j++) {
    const values = column(targets, network.outputSize, j);
    if (values.some((value) => value !== values[0])) continue;
    weight.data.fill(0, j * fanIn, (j + 1) * fanIn);
    bias.data[j] = values[0];
  }
}
