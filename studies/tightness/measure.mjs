/**
 * The numbers behind the figures: over all margins of some images in l2 balls of one radius, a method's mean
 * lower bound, an attack's mean upper bound, and the mean offset of a method's affine bound.
 */
import { ballL2, margins } from '../../dist/index.js';

const attackEffort = { steps: 60, restarts: 24 };
/** Branch and bound goes on until a row's bound is this close to what the attack reached. */
const tolerance = 1e-3;

/**
 * What is drawn, in this order, and what it is proven of. The bound that branch and bound has reached so far
 * has no proof of its own where the limit cut its tree.
 */
export const curves = {
  attack: { label: 'PGD (upper bound)', assurance: 'none' },
  complete: { label: 'complete', assurance: 'none' },
  weighted: { label: 'weighted', assurance: 'real' },
  joint: { label: 'joint', assurance: 'real' },
  'sdp-crown': { label: 'sdp-crown', assurance: 'real' },
  'alpha-crown': { label: 'alpha-crown', assurance: 'real' },
  lip: { label: 'lip', assurance: 'real' },
};

/** Methods whose affine bounds are compared. */
export const offsetMethods = ['sdp-crown', 'alpha-crown'];

/**
 * The first images that the model classifies correctly.
 *
 * @throws Error if there are fewer than `count`.
 */
export async function correctImages(verifier, problem, count) {
  const { model, centers, labels, name } = problem;
  const predicted = await verifier.predict(model, centers);
  const correct = [...predicted.keys()].filter((image) => predicted[image] === labels[image]).slice(0, count);
  if (correct.length < count) {
    throw new Error(
      `${name}: ${correct.length} of ${centers.length} images are classified correctly, ${count} wanted`,
    );
  }
  return {
    ...problem,
    centers: correct.map((image) => centers[image]),
    labels: correct.map((image) => labels[image]),
  };
}

/** Smallest value of every margin that an attack finds. */
export async function attacked(verifier, problem, radius) {
  const { value } = await verifier.attack(problem.model, region(problem, radius), {
    specification: margins(problem.labels),
    ...attackEffort,
  });
  return value;
}

/**
 * Lower bounds of every margin.
 *
 * @param options `iterations` of the ascent; `limit`, seconds per image for method complete; `upper`, the
 *   attack's values, where it stops.
 */
export async function lowerBounds(verifier, problem, radius, method, options) {
  const { iterations, limit, upper } = options;
  const { model, labels } = problem;
  const { assurance } = curves[method];
  if (method !== 'complete') {
    const specification = margins(labels);
    return (
      await verifier.bounds(model, region(problem, radius), { specification, method, assurance, iterations })
    ).lower;
  }
  const lower = [];
  for (const [image, label] of labels.entries()) {
    const rows = upper.length / labels.length;
    // Asked whether a margin exceeds the attack's less the tolerance, the search stops only there.
    const wanted = upper.slice(image * rows, (image + 1) * rows).map((value) => value - tolerance);
    const found = await verifier.bounds(model, region(problem, radius, image), {
      specification: shifted(margins(label), wanted),
      method,
      assurance,
      iterations,
      timeLimit: limit,
    });
    lower.push(...found.lower.map((bound, row) => Math.min(bound + wanted[row], upper[row + image * rows])));
  }
  return Float64Array.from(lower);
}

/**
 * Lower bounds of every margin, and what the ReLUs' relaxations cost in them: the affine lower bound's value at
 * the centre less the margin there, which is never positive and the same wherever the origin of the input lies.
 *
 * @returns `lower` and `offset`, one number for each margin.
 */
export async function affineBounds(verifier, problem, radius, method, iterations) {
  const { model, centers, labels } = problem;
  const { assurance } = curves[method];
  const { lower, slope, offset } = await verifier.bounds(model, region(problem, radius), {
    specification: margins(labels),
    method,
    assurance,
    iterations,
    coefficients: true,
  });
  const nominal = await nominalMargins(verifier, problem);
  const size = model.inputSize;
  const rows = offset.length / centers.length;
  const atCenter = offset.map((value, row) => {
    const center = centers[Math.floor(row / rows)];
    const a = slope.subarray(row * size, (row + 1) * size);
    return value + center.reduce((sum, x, i) => sum + a[i] * x, 0) - nominal[row];
  });
  return { lower, offset: atCenter };
}

async function nominalMargins(verifier, { model, centers, labels }) {
  const { data } = await verifier.forward(model, centers);
  const outputs = model.outputSize;
  const { c, rowCount } = margins(labels).resolve(labels.length, outputs);
  return Float64Array.from({ length: labels.length * rowCount }, (_, row) => {
    const y = data.subarray(Math.floor(row / rowCount) * outputs);
    return c.subarray(row * outputs, (row + 1) * outputs).reduce((sum, weight, j) => sum + weight * y[j], 0);
  });
}

function region({ centers, clip }, radius, image) {
  return ballL2(image === undefined ? centers : [centers[image]], radius, clip ? { clip } : {});
}

/** The same rows less `by`. */
function shifted(specification, by) {
  return {
    description: specification.description,
    resolve(count, outputSize) {
      const rows = specification.resolve(count, outputSize);
      return { ...rows, d: rows.d.map((value, row) => value - by[row]) };
    },
  };
}
