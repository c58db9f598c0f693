import { InvalidArgumentError } from '../errors.js';
import type { Model } from '../model/index.js';
import type { Norm } from '../problem/region.js';
import { decidesByInputs } from '../verify/input-decision.js';
import {
  type Assurance,
  type Method,
  type MethodOptions,
  assurances,
  integer,
  methods,
  oneOf,
  resolveSearchLimits,
  seconds,
} from '../verify/options.js';
import type { Verifier } from '../verify/verifier.js';
import { CertificateMaker } from './certificates.js';
import { type CascadeOptions, type Chunk, settleChunk } from './cascade.js';
import { type LabelledImages, checkDataSet, dataSetSettings, imagesBetween } from './data-set.js';
import { inOrder } from './in-order.js';
import { type CertifyRecord, type CertifySummary, summarise } from './record.js';
import { type Existing, RecordFile, type RunSettings } from './record-file.js';
import { stagesFor } from './stages.js';

export interface CertifyOptions {
  norm: Norm;
  /** Radius in the units of the data. */
  eps: number;
  /** Range of valid pixels: the ball is intersected with it. */
  clip?: readonly [number, number];
  /** Default `'joint'`, see `stagesFor`. */
  method?: Method;
  /** What `verified` is proven of; default `'real'`. */
  assurance?: Assurance;
  /** Folder for a certificate of every verified image; needs an assurance above `'none'`, not for lip. */
  certificates?: string;
  /** Whether to attack first; default true. */
  attack?: boolean;
  /** Seconds per image, 0 (the default) for no limit; the images of a chunk share theirs. */
  timeLimit?: number;
  /** Method complete: see {@link MethodOptions}. */
  subproblems?: MethodOptions['subproblems'];
  memory?: MethodOptions['memory'];
  /** Images that go through the cascade together; default 32, on a GPU 256. */
  chunkSize?: number;
  /** Path of a file of JSON lines; default: none is written. */
  out?: string;
  /** What to do if `out` exists: default `'refuse'`. */
  existing?: Existing;
  /** Stops the native work within 100 ms; what is settled stays in the file. */
  signal?: AbortSignal;
  /** Called for each image settled in this run, in order of index. */
  onRecord?: (record: CertifyRecord) => void;
  /** Called with the images settled so far, those of a resumed run included, and their total. */
  onProgress?: (done: number, total: number) => void;
}

/** A GPU wants thousands of rows at a time. */
const defaultChunkSize = { cpu: 32, cuda: 256 } as const;
/** While a GPU is at work on some chunks, the CPU proves and predicts others; more only take memory. */
const mostChunks = { cpu: Infinity, cuda: 4 } as const;

/**
 * Certifies a data set, image by image: predict, attack, cheap bound, joint bound, better boxes; each
 * image stops at the first stage that settles it. An image's seed and neighbours in its chunk depend
 * on its index only, so a resumed run ends with the same records as an unbroken one.
 *
 * @returns counts over all records.
 * @throws InvalidArgumentError for options out of range, an image outside the clip range, or an `out`
 *   that exists or belongs to a run with other settings.
 * @throws ShapeError if images, labels and model do not fit; DataError if `out` is no file of records.
 * @throws AbortError if the signal fires.
 */
export async function certify(
  verifier: Verifier,
  model: Model,
  data: LabelledImages,
  options: CertifyOptions,
): Promise<CertifySummary> {
  const begin = performance.now();
  const { images } = data;
  const method = oneOf('method', options.method ?? 'joint', methods);
  const assurance = oneOf('assurance', options.assurance ?? 'real', assurances);
  if (options.certificates && assurance === 'none') {
    throw new InvalidArgumentError("certificates need assurance 'real' or 'float32', it is 'none'");
  }
  if (options.certificates && method === 'lip') {
    throw new InvalidArgumentError("certificates hold multipliers of the dual, and method 'lip' has none");
  }
  if (options.certificates && method === 'weighted') {
    throw new InvalidArgumentError("certificates have no place for weights per neuron, method is 'weighted'");
  }
  const attack = options.attack ?? true;
  const timeLimit = seconds('timeLimit', options.timeLimit ?? 0);
  const chunkSize = integer('chunkSize', options.chunkSize ?? defaultChunkSize[verifier.device], 1);
  const { subproblems, memory } = resolveSearchLimits(options);
  check(model, data, options);
  // What is proven by splitting inputs has no certificates, and is never only believed.
  const byInputs = !options.certificates && decidesByInputs(model, options.norm, assurance);
  const inputs = byInputs ? assurance : undefined;
  const settings = runSettings(verifier, model, data, {
    ...options,
    method,
    assurance,
    attack,
    timeLimit,
    chunkSize,
    subproblems,
    memory,
  });
  const file = options.out
    ? await RecordFile.open<CertifyRecord>(
        options.out,
        'verdict',
        settings,
        images.start,
        options.existing ?? 'refuse',
      )
    : undefined;

  const failure = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failure.signal]) : failure.signal;
  const cascade: CascadeOptions = {
    norm: options.norm,
    eps: options.eps,
    ...(options.clip ? { clip: options.clip } : {}),
    stages: stagesFor({ method, attack, limits: { subproblems, memory }, inputs }),
    assurance,
    ...(options.certificates
      ? { certificates: { folder: options.certificates, maker: new CertificateMaker(model) } }
      : {}),
    timeLimit,
    signal,
  };
  const records = [...(file?.earlier ?? [])];
  const before = records.length;
  options.onProgress?.(before, images.count);
  try {
    const chunks = chunksFrom(data, chunkSize, before);
    // More chunks than threads: where the last rows of one fill no batch, the others fill the gap.
    const width = verifier.threads > 1 ? Math.min(2 * verifier.threads, mostChunks[verifier.device]) : 1;
    for await (const settled of inOrder(chunks, width, (chunk) =>
      settleChunk(verifier, model, chunk, cascade),
    )) {
      for (const record of settled) {
        if (record.index < images.start + records.length) continue;
        await file?.append(record);
        records.push(record);
        options.onRecord?.(record);
      }
      options.onProgress?.(records.length, images.count);
    }
  } finally {
    failure.abort();
    await file?.close();
  }
  return summarise(records, (performance.now() - begin) / 1000, records.length - before);
}

/** Chunks are cut at fixed places; the one that a resumed run was killed in is computed again. */
function chunksFrom(data: LabelledImages, chunkSize: number, done: number): Chunk[] {
  const { images, labels } = data;
  const chunks: Chunk[] = [];
  for (
    let begin = done - (done % chunkSize);
    begin < images.count && done < images.count;
    begin += chunkSize
  ) {
    const end = Math.min(begin + chunkSize, images.count);
    chunks.push({
      index: images.start + begin,
      images: imagesBetween(data, begin, end),
      labels: labels.subarray(begin, end),
    });
  }
  return chunks;
}

function check(model: Model, data: LabelledImages, { norm, eps, clip }: CertifyOptions): void {
  const { images } = data;
  oneOf('norm', norm, ['l1', 'l2', 'linf']);
  if (!Number.isFinite(eps) || eps < 0)
    throw new InvalidArgumentError(`eps is ${eps}, expected a finite number >= 0`);
  checkDataSet(model, data);
  if (!clip) return;
  const [low, high] = clip;
  if (!(low < high))
    throw new InvalidArgumentError(`clip is [${low}, ${high}], expected a lower and a greater upper end`);
  const outside = images.data.findIndex((x) => x < low || x > high);
  if (outside < 0) return;
  const image = images.start + Math.floor(outside / images.size);
  throw new InvalidArgumentError(
    `image ${image} has the value ${images.data[outside]}, outside the clip range [${low}, ${high}]`,
  );
}

function runSettings(
  verifier: Verifier,
  model: Model,
  data: LabelledImages,
  options: CertifyOptions & {
    method: string;
    assurance: string;
    attack: boolean;
    timeLimit: number;
    subproblems: number;
    memory: number;
    chunkSize: number;
  },
): RunSettings {
  return {
    ...dataSetSettings(model, data),
    norm: options.norm,
    eps: options.eps,
    clip: options.clip ? [...options.clip] : null,
    method: options.method,
    assurance: options.assurance,
    attack: options.attack,
    timeLimit: options.timeLimit,
    subproblems: options.subproblems,
    memory: options.memory,
    chunkSize: options.chunkSize,
    device: verifier.device,
    cublas: verifier.cublas,
  };
}
