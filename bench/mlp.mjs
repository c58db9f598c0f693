/**
 * Bounds per second on a 784-128-128-10 network with fixed random weights, in an l-infinity ball, 100 images a
 * call: the setting in which other tools' times are known.
 */
import { Model, Verifier, ballLinf, margins, outputs } from '../dist/index.js';
import { Random } from '../demo/random.mjs';
import { ascentOperations, boxOperations, multiplyAdds } from './operations.mjs';

const sizes = [784, 128, 128, 10];
const images = 100;
export const mlpEps = 0.02;

/** Weights of deviation sqrt(2 / inputs), biases of deviation 0.1, rounded to float32. */
function layers(random) {
  return sizes.slice(1).flatMap((size, k) => {
    const inputs = sizes[k];
    const numbers = (count, deviation) =>
      Float32Array.from({ length: count }, () => deviation * random.bell());
    const linear = {
      op: 'linear',
      name: `linear${k + 1}`,
      shape: [size],
      input: 2 * k,
      weight: numbers(size * inputs, Math.sqrt(2 / inputs)),
      bias: numbers(size, 0.1),
    };
    const relu = { op: 'relu', name: `relu${k + 1}`, shape: [size], input: 2 * k + 1 };
    return k + 2 < sizes.length ? [linear, relu] : [linear];
  });
}

function modelOf(nodes) {
  const graph = {
    nodes: [{ op: 'input', name: 'x', shape: [sizes[0]] }, ...nodes],
    inputName: 'x',
    outputName: 'y',
  };
  const parameterCount = nodes.reduce(
    (sum, node) => sum + (node.weight?.length ?? 0) + (node.bias?.length ?? 0),
    0,
  );
  return new Model(graph, { source: 'bench', sha256: '', parameterCount });
}

/** Rows +z and -z of second-layer neurons whose sign these bounds leave open. */
async function openRows(verifier, nodes, region, options) {
  const { lower, upper } = await verifier.bounds(modelOf(nodes.slice(0, 3)), region, {
    specification: outputs(),
    upper: true,
    ...options,
  });
  return lower.reduce((count, bound, i) => count + (bound <= 0 && upper[i] >= 0 ? 2 : 0), 0);
}

/** The cases, and what must be closed after them. */
export async function mlpCases() {
  const random = new Random(1);
  const nodes = layers(random);
  const model = modelOf(nodes);
  const inputs = Array.from({ length: images }, () =>
    Float64Array.from({ length: sizes[0] }, () => random.uniform()),
  );
  const verifier = new Verifier({ threads: 1 });
  const steps = 20;
  const labels = await verifier.predict(model, inputs);
  const region = ballLinf(inputs, mlpEps);
  const specification = margins(labels);
  // Boxes are computed for second-layer neurons of undecided sign, in both directions. A unit row of that layer
  // picks a row of its weights, so only the first layer is a product; a step is a pass back and one forward.
  const boxRows = await openRows(verifier, nodes, region, { method: 'ibp', boxes: 'cheap' });
  const stubborn = await openRows(verifier, nodes, region, { method: 'alpha-crown', iterations: steps });
  const pass = 2 * multiplyAdds(model, 1);

  const boxes = images * boxOperations(model);
  const crownRows = boxRows * pass;
  const optimisedRows = crownRows + stubborn * 2 * steps * pass;
  const margin = (taken) =>
    ascentOperations(
      model,
      Array.from({ length: 9 * images }, () => taken),
    );
  const bounds = (method, options, floor) => ({
    name: `mlp 784-128-128-10, linf ${mlpEps}: ${method}`,
    group: 'bounds',
    images,
    floor,
    // The engine's own bounds, as the floors and other libraries' figures are; proofs are timed by `certify`.
    run: () => verifier.bounds(model, region, { specification, method, assurance: 'none', ...options }),
  });
  const restarts = 24;
  return {
    cases: [
      bounds('ibp', { boxes: 'cheap' }, boxes + 9 * images * 2 * sizes.at(-1) * sizes.at(-2)),
      bounds('crown', { boxes: 'crown' }, boxes + crownRows + margin(0)),
      bounds(
        'alpha-crown',
        { boxes: 'optimised', iterations: steps, boxIterations: steps },
        boxes + optimisedRows + margin(steps),
      ),
      bounds('joint', { boxes: 'crown', iterations: steps }, boxes + crownRows + margin(steps)),
      {
        name: `mlp 784-128-128-10, linf ${mlpEps}: attack`,
        group: 'attack',
        images,
        floor: images * (9 + restarts) * steps * 4 * multiplyAdds(model),
        run: () => verifier.attack(model, region, { specification, steps, restarts }),
      },
    ],
    close: () => verifier.close(),
  };
}
