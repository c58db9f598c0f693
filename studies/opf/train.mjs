/** The 3-16-3 network under the loss of equations 40 and 41: squared error and certified violation. */
import {
  NativeArithmetic,
  Optimiser,
  Tape,
  TrainableNetwork,
  certifiedViolation,
  cosineRate,
  parseArchitecture,
} from '../../dist/index.js';

/**
 * Full-batch Adam with a cosine schedule that ends at 0, so that what differs between two weights of the
 * penalty is the penalty and not where a step happened to end.
 *
 * @param settings `architecture`, `steps`, `rate`, `eps` of the penalty, `seed`.
 */
export function trainSurrogate({ training, limits }, weight, { architecture, steps, rate, eps, seed }) {
  const arithmetic = new NativeArithmetic();
  const tape = new Tape(arithmetic);
  const network = new TrainableNetwork(parseArchitecture(architecture), arithmetic, seed);
  const optimiser = new Optimiser(tape, network.parameters, {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
    clip: 0,
  });
  const { count, inputs, targets } = training;
  for (let step = 1; step <= steps; step += 1) {
    tape.scope(() => {
      const x = tape.tensor(inputs, [count, network.inputSize]);
      const y = tape.tensor(targets, [count, network.outputSize]);
      const error = tape.square(tape.subtract(network.forward(tape, x), y));
      const fit = tape.scale(tape.sum(error), 1 / count);
      const loss =
        weight === 0
          ? fit
          : tape.add(fit, tape.scale(certifiedViolation(tape, network, x, eps, limits), weight));
      optimiser.step(tape.grad(loss, network.parameters), cosineRate(rate, 0, (step - 1) / steps), step);
    });
  }
  return network.model();
}
