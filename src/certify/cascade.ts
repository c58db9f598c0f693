import type { Certificate } from '../certificate/index.js';
import { BulwarkError, CertificateError, NativeError } from '../errors.js';
import type { Model } from '../model/index.js';
import { type Norm, ball } from '../problem/region.js';
import { margins } from '../problem/specification.js';
import { decideByInputs } from '../verify/input-decision.js';
import { type Verifier, argmax } from '../verify/verifier.js';
import type { Assurance, Bounds, BoxEvidence, CallOptions, MethodOptions } from '../verify/index.js';
import { type CertificateMaker, writeCertificate } from './certificates.js';
import { type ProvenRow, StageEvidence } from './evidence.js';
import type { CertifyRecord, Verdict } from './record.js';
import type { Stage } from './stages.js';

/** Images that go through the cascade together, so that native calls are large. */
export interface Chunk {
  /** Index in the data file of the first one. */
  readonly index: number;
  readonly images: readonly Float64Array[];
  readonly labels: Int32Array;
}

export interface CascadeOptions {
  norm: Norm;
  eps: number;
  clip?: readonly [number, number];
  stages: readonly Stage[];
  assurance: Assurance;
  /** Where a certificate is written for every verified image. */
  certificates?: { readonly folder: string; readonly maker: CertificateMaker };
  /** Seconds per image, 0 for no limit; a chunk shares the limits of its images. */
  timeLimit: number;
  signal: AbortSignal;
}

/** Where one image stands. */
interface Progress {
  readonly index: number;
  readonly image: Float64Array;
  readonly label: number;
  predicted: number | null;
  verdict: Verdict | undefined;
  lower: number[] | null;
  attackMargin: number | null;
  method: string;
  seconds: number;
  search?: Required<Pick<CertifyRecord, 'subproblems' | 'limit'>>;
  error?: string;
  /** What proves each row, and what those proofs' boxes rely on; kept where certificates are written. */
  rows: (ProvenRow | undefined)[];
  boxes: readonly BoxEvidence[];
}

/**
 * Takes a chunk through predict, then the stages; an image leaves at the first one that settles it.
 *
 * @returns one record per image, in order.
 * @throws AbortError on the signal, and errors of usage (a method that has no meaning for the region);
 *   failures of the engine become records.
 */
export async function settleChunk(
  verifier: Verifier,
  model: Model,
  chunk: Chunk,
  options: CascadeOptions,
): Promise<CertifyRecord[]> {
  const cascade = new Cascade(verifier, model, chunk, options);
  await cascade.run();
  return cascade.records();
}

class Cascade {
  readonly #verifier: Verifier;
  readonly #model: Model;
  readonly #options: CascadeOptions;
  readonly #all: readonly Progress[];
  readonly #deadline: number;

  constructor(verifier: Verifier, model: Model, chunk: Chunk, options: CascadeOptions) {
    this.#verifier = verifier;
    this.#model = model;
    this.#options = options;
    this.#all = chunk.images.map((image, i) => ({
      index: chunk.index + i,
      image,
      label: chunk.labels[i],
      predicted: null,
      verdict: undefined,
      lower: null,
      attackMargin: null,
      method: 'predict',
      seconds: 0,
      rows: [],
      boxes: [],
    }));
    const { timeLimit } = options;
    this.#deadline = timeLimit > 0 ? performance.now() + 1000 * timeLimit * chunk.images.length : Infinity;
  }

  async run(): Promise<void> {
    await this.#together(this.#all, (images) => this.#predict(images));
    for (const stage of this.#options.stages) {
      const open = this.#all.filter(({ verdict }) => verdict === undefined);
      if (open.length === 0) return;
      if (performance.now() >= this.#deadline && !stage.alone) break;
      for (const image of open) image.method = stage.name;
      for (const group of stage.alone ? open.map((image) => [image]) : [open]) {
        await this.#together(group, (images) => this.#stage(images, stage));
      }
    }
    const late = performance.now() >= this.#deadline;
    for (const image of this.#all) image.verdict ??= late ? 'timeout' : 'unknown';
  }

  records(): CertifyRecord[] {
    return this.#all.map(
      ({ index, label, predicted, verdict, lower, attackMargin, method, seconds, search, error }) => ({
        index,
        label,
        predicted,
        verdict: verdict ?? 'unknown',
        lower: lower && lower.map(finite),
        attackMargin: attackMargin === null ? null : finite(attackMargin),
        method,
        seconds,
        ...search,
        ...(error === undefined ? {} : { error }),
      }),
    );
  }

  /**
   * One native call for all; where the engine fails, one for each, so that a failure stays with the
   * image that causes it.
   */
  async #together(
    images: readonly Progress[],
    call: (images: readonly Progress[]) => Promise<void>,
  ): Promise<void> {
    const begin = performance.now();
    const spend = (): void => {
      for (const image of images) image.seconds += (performance.now() - begin) / 1000 / images.length;
    };
    try {
      await call(images);
      spend();
    } catch (error) {
      if (error instanceof BulwarkError && !(error instanceof NativeError)) throw error;
      if (images.length === 1) {
        spend();
        images[0].verdict = 'error';
        images[0].error = error instanceof Error ? error.message : String(error);
        return;
      }
      for (const image of images) await this.#together([image], call);
    }
  }

  async #predict(images: readonly Progress[]): Promise<void> {
    const centers = images.map(({ image }) => image);
    const { data, shape } = await this.#verifier.forward(this.#model, centers, this.#call());
    images.forEach((image, i) => {
      const predicted = argmax(data.subarray(i * shape[1], (i + 1) * shape[1]));
      if (predicted < 0) {
        image.verdict = 'error';
        image.error = 'the model has a NaN among its outputs for this image';
        return;
      }
      image.predicted = predicted;
      if (predicted !== image.label) image.verdict = 'misclassified';
    });
  }

  #stage(images: readonly Progress[], stage: Stage): Promise<void> {
    switch (stage.kind) {
      case 'attack':
        return this.#attack(images, stage);
      case 'bounds':
        return this.#bounds(images, { ...stage.options, ...this.#call(stage) });
      case 'inputs':
        return this.#inputs(images[0], stage);
    }
  }

  async #attack(images: readonly Progress[], stage: Stage & { kind: 'attack' }): Promise<void> {
    const { margin } = await this.#verifier.attack(this.#model, this.#region(images), {
      ...stage.options,
      ...this.#call(stage),
      specification: margins(images.map(({ label }) => label)),
    });
    images.forEach((image, i) => this.#attacked(image, margin[i]));
  }

  /** What an attack found, +Infinity for nothing. */
  #attacked(image: Progress, margin: number): void {
    if (margin < (image.attackMargin ?? Infinity)) image.attackMargin = margin;
    if (margin < 0) image.verdict = 'falsified';
  }

  async #bounds(images: readonly Progress[], options: MethodOptions & CallOptions): Promise<void> {
    const { assurance, certificates } = this.#options;
    const bounds = await this.#verifier.bounds(this.#model, this.#region(images), {
      ...options,
      assurance,
      multipliers: certificates !== undefined,
      specification: margins(images.map(({ label }) => label)),
      stopWhenProven: true,
    });
    const { lower, shape, timedOut, subproblems, limits, attack } = bounds;
    if (certificates) this.#keepEvidence(images, bounds);
    images.forEach((image, i) => {
      if (subproblems && limits) image.search = { subproblems: subproblems[i], limit: limits[i] };
      if (attack) this.#attacked(image, attack.margin[i]);
      this.#raise(image, lower.subarray(i * shape[1], (i + 1) * shape[1]));
      if (timedOut[i]) image.verdict ??= 'timeout';
    });
    if (certificates) await this.#certify(images, certificates);
  }

  async #inputs(image: Progress, stage: Stage & { kind: 'inputs' }): Promise<void> {
    const { signal, timeLimit } = this.#call(stage);
    const { lower, counterexample, subproblems, limit } = await decideByInputs(
      {
        verifier: this.#verifier,
        model: this.#model,
        assurance: stage.assurance,
        signal,
        deadline: timeLimit > 0 ? performance.now() + 1000 * timeLimit : Infinity,
      },
      this.#region([image]),
      margins(image.label).resolve(1, this.#model.outputSize),
      stage.subproblems,
    );
    image.search = { subproblems, limit };
    if (counterexample) this.#attacked(image, counterexample.margin);
    if (lower) this.#raise(image, lower);
    if (limit === 'time') image.verdict ??= 'timeout';
  }

  /** Every stage's bound is sound, so the best of them is too; a NaN never replaces anything. */
  #raise(image: Progress, found: ArrayLike<number>): void {
    image.lower = Array.from(found, (bound, row) => {
      const known = image.lower?.[row] ?? -Infinity;
      return bound > known ? bound : known;
    });
    if (image.lower.every((bound) => bound > 0)) image.verdict ??= 'verified';
  }

  #keepEvidence(images: readonly Progress[], bounds: Bounds): void {
    const evidence = new StageEvidence(this.#model.graph, bounds);
    images.forEach((image, i) => {
      const boxes = evidence.boxes(i);
      if (boxes.length > 0) image.boxes = boxes;
      for (let row = 0; row < bounds.shape[1]; row += 1) {
        const found = evidence.row(i, row);
        if (found && !(found.lower <= (image.rows[row]?.lower ?? 0))) image.rows[row] = found;
      }
    });
  }

  /** An image counts as verified only with a certificate that the independent checker accepts. */
  async #certify(
    images: readonly Progress[],
    { folder, maker }: NonNullable<CascadeOptions['certificates']>,
  ): Promise<void> {
    for (const image of images) {
      if (image.verdict !== 'verified') continue;
      try {
        const certificate = this.#certificate(image, maker);
        if (certificate) await writeCertificate(folder, certificate);
        else image.verdict = undefined;
      } catch (error) {
        if (!(error instanceof CertificateError)) throw error;
        image.verdict = 'error';
        image.error = error.message;
      }
    }
  }

  #certificate(image: Progress, maker: CertificateMaker): Certificate | undefined {
    const { norm, eps, clip, assurance } = this.#options;
    const rows = image.rows.flatMap((row) => (row ? [row] : []));
    return maker.make({
      index: image.index,
      center: image.image,
      label: image.label,
      region: { kind: norm, eps, clip: clip ?? null },
      assurance: assurance === 'float32' ? 'float32' : 'real',
      rows: rows.map(({ evidence }) => evidence),
      boxes: maker.boxClaims(image.boxes),
      lower: rows.map(({ lower }) => lower),
    });
  }

  #region(images: readonly Progress[]) {
    const { norm, eps, clip } = this.#options;
    return ball(
      norm,
      images.map(({ image }) => image),
      eps,
      clip ? { clip } : {},
    );
  }

  #call(stage?: Stage): { signal: AbortSignal; timeLimit: number } {
    const { signal, timeLimit } = this.#options;
    const left = stage?.alone ? timeLimit || Infinity : (this.#deadline - performance.now()) / 1000;
    return { signal, timeLimit: left === Infinity ? 0 : Math.max(1e-3, left) };
  }
}

/** JSON has no infinities. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
