/** What is measured of a network: accuracy, certified fractions by two criteria, median radii, PGD accuracy. */
import { Verifier, ballLinf, margins } from '../../dist/index.js';
import { criteria } from './criteria.mjs';

/**
 * CROWN; slopes optimised on CROWN's boxes, unless CROWN loses more than one and a half times the clean margin; boxes
 * optimised too, which costs ten times as much, so that it is spent only where the step before came near: its gain,
 * so many times again, would be enough.
 */
const slopes = { method: 'joint', learningRate: 0.3, iterations: 20 };
const stages = {
  crown: { method: 'crown' },
  slopes: { ...slopes, boxes: 'crown' },
  boxes: { ...slopes, boxes: 'optimised', boxIterations: 10 },
};
const reach = 3;
/** As many as the engine holds at once. */
const imagesAtOnce = 256;
const clip = [0, 1];

/**
 * What is known of every image's certified radii. Certificates hold at all smaller radii and attacks at all larger
 * ones, so that nothing is computed twice, whatever the order of questions.
 */
export class Certified {
  #verifier;
  #model;
  #images;
  #labels;
  #all;
  #margins;
  /** Per criterion and image: largest radius certified, smallest one at which bounds did not reach. */
  #proven = {};
  #failed = {};
  /** Per image: smallest radius at which an attack succeeded. */
  #broken;

  /** `images`: one Float64Array each; `clean[i]`: its smallest margin; where that is not positive, broken at 0. */
  constructor(verifier, model, { images, labels, clean }) {
    this.#verifier = verifier;
    this.#model = model;
    this.#images = images;
    this.#labels = labels;
    this.#all = [...images.keys()];
    for (const name of Object.keys(criteria)) {
      this.#proven[name] = new Float64Array(images.length).fill(-1);
      this.#failed[name] = new Float64Array(images.length).fill(Infinity);
    }
    this.#margins = clean;
    this.#broken = Float64Array.from(clean, (margin) => (margin > 0 ? Infinity : 0));
  }

  /** Decides every image at `eps` by these criteria; attacks spare the dearer bounds what is broken anyway. */
  async settle(eps) {
    const names = Object.keys(criteria);
    const cheap = new Map();
    for (const name of names) cheap.set(name, await this.#certify(name, this.#open(name, eps), eps, 'crown'));
    await this.#attack(
      this.#all.filter((i) => names.some((name) => this.#isOpen(name, i, eps))),
      eps,
    );
    for (const name of names) await this.#bound(name, eps, cheap.get(name));
  }

  /** The dearer bounds, for what is open; `cheap` is what CROWN's came to. What they leave has failed at `eps`. */
  async #bound(name, eps, cheap) {
    const within = this.#open(name, eps).filter((i) => cheap.get(i) > -this.#margins[i] / 2);
    const slack = await this.#certify(name, within, eps, 'slopes');
    const near = within.filter(
      (i) => this.#isOpen(name, i, eps) && slack.get(i) + reach * (slack.get(i) - cheap.get(i)) > 0,
    );
    await this.#certify(name, near, eps, 'boxes');
    for (const i of this.#open(name, eps)) this.#failed[name][i] = eps;
  }

  /** Share of all images that are certified at `eps`, which was settled. */
  fraction(name, eps) {
    return this.#proven[name].filter((radius) => radius >= eps).length / this.#all.length;
  }

  /** Share of all images that are right and stay so under PGD at `eps`, which was settled. */
  pgdAccuracy(eps) {
    return this.#broken.filter((radius) => radius > eps).length / this.#all.length;
  }

  /**
   * The median of the images' certified radii within `tolerance`: the radius at which half of all images are
   * certified, by bisection. Fractions fall with the radius, so it is the median of bisections image by image.
   *
   * @param low a radius at which half are certified, or 0.
   * @param high one where that may not be so.
   */
  async median(name, low, high, tolerance = 1e-4) {
    const share = async (eps) => {
      await this.#bound(name, eps, await this.#certify(name, this.#open(name, eps), eps, 'crown'));
      return this.fraction(name, eps);
    };
    while ((await share(high)) >= 0.5) [low, high] = [high, 2 * high];
    const narrow = async (eps) => ((await share(eps)) >= 0.5 ? [eps, high] : [low, eps]);
    // Aims a little to either side of the median first: few images are left in between for the bisection.
    for (const aim of [0.51, 0.49]) {
      const [above, below] = [this.fraction(name, low), this.fraction(name, high)];
      if (!(above > aim && aim > below)) continue;
      [low, high] = await narrow(low + ((high - low) * (above - aim)) / (above - below));
    }
    while (high - low > tolerance) [low, high] = await narrow((low + high) / 2);
    return low;
  }

  /** Images neither certified nor known to fail at `eps`. */
  #open(name, eps) {
    return this.#all.filter((i) => this.#isOpen(name, i, eps));
  }

  #isOpen(name, i, eps) {
    return this.#proven[name][i] < eps && this.#failed[name][i] > eps && this.#broken[i] > eps;
  }

  /**
   * Proves what can be proven of these images at `eps`.
   *
   * @returns how far above 0 the criterion is by the engine's float32 bounds, per image; those above are proven.
   */
  async #certify(name, images, eps, stage) {
    const { specification, slack, threshold } = criteria[name];
    const found = new Map();
    const rowsOf = ({ lower, shape: [, rows] }, at) => lower.subarray(at * rows, (at + 1) * rows);
    for (const chunk of chunks(images)) {
      const labels = chunk.map((i) => this.#labels[i]);
      const estimate = await this.#bounds(chunk, eps, {
        ...stages[stage],
        assurance: 'none',
        specification: specification(labels),
      });
      chunk.forEach((i, at) => found.set(i, slack(rowsOf(estimate, at), labels[at])));
      const hopeful = [...chunk.keys()].filter((at) => found.get(chunk[at]) > 0);
      if (hopeful.length === 0) continue;
      const proof = await this.#bounds(
        hopeful.map((at) => chunk[at]),
        eps,
        {
          ...stages[stage],
          stopWhenProven: true,
          decidedOnly: true,
          specification: specification(
            hopeful.map((at) => labels[at]),
            hopeful.map((at) => threshold(rowsOf(estimate, at), labels[at])),
          ),
        },
      );
      hopeful.forEach((at, k) => {
        if (rowsOf(proof, k).every((bound) => bound > 0)) this.#learn(name, chunk[at], eps);
      });
    }
    return found;
  }

  #learn(name, image, eps) {
    for (const known of name === 'logits' ? ['logits', 'margins'] : [name]) {
      this.#proven[known][image] = Math.max(this.#proven[known][image], eps);
    }
  }

  #bounds(images, eps, options) {
    return this.#verifier.bounds(this.#model, this.#region(images, eps), options);
  }

  async #attack(images, eps) {
    // What is certified by margins is safe, whatever the other criterion says.
    for (const chunk of chunks(images.filter((i) => this.#proven.margins[i] < eps))) {
      const { margin } = await this.#verifier.attack(this.#model, this.#region(chunk, eps), {
        specification: margins(chunk.map((i) => this.#labels[i])),
        stopWhenFalsified: true,
      });
      chunk.forEach((i, at) => {
        if (!(margin[at] > 0)) this.#broken[i] = Math.min(this.#broken[i], eps);
      });
    }
  }

  #region(images, eps) {
    return ballLinf(
      images.map((i) => this.#images[i]),
      eps,
      { clip },
    );
  }
}

function* chunks(list) {
  for (let first = 0; first < list.length; first += imagesAtOnce)
    yield list.slice(first, first + imagesAtOnce);
}

/** y_label - max y_j of every image. */
function cleanMargins({ data, shape: [, classes] }, labels) {
  return Float64Array.from(labels, (label, i) => {
    const y = data.subarray(i * classes, (i + 1) * classes);
    return y[label] - Math.max(...y.filter((_, j) => j !== label));
  });
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
    const clean = cleanMargins(await verifier.forward(model, images), labels);
    const certified = new Certified(verifier, model, { images, labels, clean });
    const names = Object.keys(criteria);
    const perRadius = () => new Array(radii.length).fill(0);
    const result = {
      clean: clean.filter((margin) => margin > 0).length / images.length,
      fractions: Object.fromEntries(names.map((name) => [name, perRadius()])),
      median: {},
      pgd: perRadius(),
    };
    // Larger radii first: what they certify is certified at smaller ones.
    const order = [...radii.keys()].sort((a, b) => radii[b] - radii[a]);
    for (const at of order) {
      await certified.settle(radii[at]);
      for (const name of names) result.fractions[name][at] = certified.fraction(name, radii[at]);
      result.pgd[at] = certified.pgdAccuracy(radii[at]);
      const shares = names.map((name) => `${name} ${result.fractions[name][at]}`).join(', ');
      log(`@${radii[at]}: ${shares}, PGD ${result.pgd[at]}`);
    }
    for (const name of names) {
      const reached = (at) => result.fractions[name][at] >= 0.5;
      const low = Math.max(0, ...radii.filter((_, at) => reached(at)));
      const high = Math.min(2 * Math.max(...radii), ...radii.filter((_, at) => !reached(at)));
      result.median[name] = await certified.median(name, low, high);
      log(`median radius, ${name}: ${result.median[name].toFixed(4)}`);
    }
    return result;
  } finally {
    await verifier.close();
  }
}
