/** What is measured of a network: accuracy, certified fractions by two criteria, median radii, PGD accuracy. */
import { Verifier, ballLinf, margins, outputs } from '../../dist/index.js';

/** CROWN first, then optimised slopes for the images it leaves; the second alone decides nothing less. */
const stages = [
  { method: 'crown' },
  { method: 'alpha-crown', iterations: 20, boxIterations: 20, stopWhenProven: true },
];
const imagesAtOnce = 64;
const clip = [0, 1];

/**
 * - `logits`, the paper's: the lower bound of the true logit above the upper bounds of all others;
 * - `margins`: every pairwise margin has a positive lower bound, which is what robustness asks for.
 */
export const criteria = {
  logits: {
    options: { specification: () => outputs(), upper: true },
    holds({ lower, upper, shape: [, classes] }, image, label) {
      const from = image * classes;
      const others = upper.subarray(from, from + classes).filter((_, j) => j !== label);
      return lower[from + label] > Math.max(...others);
    },
  },
  margins: {
    options: { specification: (labels) => margins(labels), upper: false },
    holds({ lower, shape: [, rows] }, image) {
      return lower.subarray(image * rows, (image + 1) * rows).every((bound) => bound > 0);
    },
  },
};

/** Certified fractions at any radii; what is known of an image at one radius is not computed again at another. */
export class Certified {
  #verifier;
  #model;
  #images;
  #labels;
  #criterion;
  /** Largest radius known to be certified and smallest known not to be, per image. */
  #proven;
  #failed;

  /** `images`: one Float64Array each; those with `wrong[i]` are misclassified and count as never certified. */
  constructor(verifier, model, { images, labels, wrong }, criterion) {
    this.#verifier = verifier;
    this.#model = model;
    this.#images = images;
    this.#labels = labels;
    this.#criterion = criteria[criterion];
    this.#proven = new Float64Array(images.length).fill(-1);
    this.#failed = Float64Array.from(wrong, (is) => (is ? 0 : Infinity));
  }

  /** Share of all images that are certified at `eps`. */
  async fraction(eps) {
    let open = [...this.#images.keys()].filter((i) => this.#proven[i] < eps && this.#failed[i] > eps);
    for (const stage of stages) open = await this.#stage(open, eps, stage);
    for (const i of open) this.#failed[i] = eps;
    return this.#proven.filter((radius) => radius >= eps).length / this.#images.length;
  }

  /** Images that are certified at `eps` by what was computed so far. */
  provenAt(eps) {
    return Array.from(this.#proven, (radius) => radius >= eps);
  }

  /**
   * The median of the images' certified radii within `tolerance`: the radius at which half of all images are
   * certified, by bisection. Fractions fall with the radius, so it is the median of bisections image by image.
   */
  async median(tolerance = 1e-4) {
    let [low, high] = [0, 1];
    while (high - low > tolerance) {
      const middle = (low + high) / 2;
      if ((await this.fraction(middle)) >= 0.5) low = middle;
      else high = middle;
    }
    return low;
  }

  async #stage(open, eps, stage) {
    const { options, holds } = this.#criterion;
    const left = [];
    for (let first = 0; first < open.length; first += imagesAtOnce) {
      const chunk = open.slice(first, first + imagesAtOnce);
      const labels = chunk.map((i) => this.#labels[i]);
      const region = ballLinf(
        chunk.map((i) => this.#images[i]),
        eps,
        { clip },
      );
      const specification = options.specification(labels);
      const bounds = await this.#verifier.bounds(this.#model, region, {
        ...stage,
        // A row of logits is needed as tight as it gets, whatever its sign.
        stopWhenProven: stage.stopWhenProven === true && !options.upper,
        upper: options.upper,
        specification,
      });
      chunk.forEach((i, at) => {
        if (holds(bounds, at, labels[at])) this.#proven[i] = Math.max(this.#proven[i], eps);
        else left.push(i);
      });
    }
    return left;
  }
}

/** Share of images that stay right under PGD; certified ones are, so that only the others are attacked. */
async function pgdAccuracy(verifier, model, { images, labels, wrong }, eps, certified) {
  const open = [...images.keys()].filter((i) => !wrong[i] && !certified[i]);
  let broken = 0;
  for (let first = 0; first < open.length; first += imagesAtOnce) {
    const chunk = open.slice(first, first + imagesAtOnce);
    const region = ballLinf(
      chunk.map((i) => images[i]),
      eps,
      { clip },
    );
    const specification = margins(chunk.map((i) => labels[i]));
    const { margin } = await verifier.attack(model, region, { specification, stopWhenFalsified: true });
    broken += margin.filter((value) => !(value > 0)).length;
  }
  return (images.length - wrong.filter(Boolean).length - broken) / images.length;
}

/**
 * @param data `{ images, labels }`: one Float64Array per image.
 * @param radii where fractions are wanted.
 * @returns `{ clean, fractions: { logits, margins }, pgd, median: { logits, margins } }`, shares from 0 to 1;
 *   fractions and pgd in the order of `radii`.
 */
export async function measure(model, { images, labels }, { radii, threads, log = () => {} }) {
  const verifier = new Verifier(threads === undefined ? {} : { threads });
  try {
    const predicted = await verifier.predict(model, images);
    const wrong = Array.from(labels, (label, i) => predicted[i] !== label);
    const data = { images, labels, wrong };
    const result = {
      clean: 1 - wrong.filter(Boolean).length / images.length,
      fractions: {},
      median: {},
      pgd: [],
    };
    for (const criterion of Object.keys(criteria)) {
      const certified = new Certified(verifier, model, data, criterion);
      result.fractions[criterion] = [];
      for (const eps of radii) {
        result.fractions[criterion].push(await certified.fraction(eps));
        if (criterion === 'margins') {
          result.pgd.push(await pgdAccuracy(verifier, model, data, eps, certified.provenAt(eps)));
        }
      }
      result.median[criterion] = await certified.median();
      log(`${criterion}: ${result.fractions[criterion].join(', ')}; median ${result.median[criterion]}`);
    }
    return result;
  } finally {
    await verifier.close();
  }
}
