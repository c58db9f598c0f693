/** Loading a network and what a program sees of it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, ModelError, ShapeError, UnsupportedError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';
import { unpackGzip } from '../unpack.js';
import { renumber } from './builder.js';
import type { Graph, GraphNode } from './graph.js';
import { lower } from './lower.js';
import { readOnnx } from './onnx-file.js';

/** protobuf itself stops at 2 GB; a gzip file that unpacks to more than this is not a model. */
const MOST_BYTES = 2 ** 30;

/** How user data becomes network input, `(x - mean) / std`; one number, or one per channel or feature. */
export interface NormalizationOptions {
  mean: number | ArrayLike<number>;
  std: number | ArrayLike<number>;
}

/** `(x - mean) / std` with one entry per input feature. */
export interface Normalization {
  readonly mean: Float64Array;
  readonly std: Float64Array;
}

export interface ModelInfo {
  /** The path that was read, or `'bytes'`. */
  readonly source: string;
  /** SHA-256 of the (unpacked) ONNX bytes, in hexadecimal. */
  readonly sha256: string;
  /** Numbers stored in the file's float tensors that the network uses. */
  readonly parameterCount: number;
  readonly normalization?: Normalization;
}

/** An immutable network. Made by `loadModel`. */
export class Model {
  readonly graph: Graph;
  readonly source: string;
  readonly sha256: string;
  readonly parameterCount: number;
  /** Set on models made by `withNormalization`. */
  readonly normalization: Normalization | undefined;

  constructor(graph: Graph, info: ModelInfo) {
    this.graph = graph;
    this.source = info.source;
    this.sha256 = info.sha256;
    this.parameterCount = info.parameterCount;
    this.normalization = info.normalization;
  }

  /** Shape of one image: `[n]` or `[channels, height, width]`. */
  get inputShape(): readonly number[] {
    return this.graph.nodes[0].shape;
  }

  /** Features of one image. */
  get inputSize(): number {
    return sizeOf(this.inputShape);
  }

  get outputSize(): number {
    return sizeOf(this.graph.nodes[this.graph.nodes.length - 1].shape);
  }

  /**
   * A model that takes `x` where this one takes `(x - mean) / std`, so that data, eps and clip range
   * stay in the units of `x`. Arrays hold one value per channel (first axis of the input) or per feature.
   * @throws InvalidArgumentError for values that are not finite, std <= 0, or a second normalization.
   * @throws ShapeError for arrays of another length.
   */
  withNormalization({ mean, std }: NormalizationOptions): Model {
    if (this.normalization)
      throw new InvalidArgumentError('withNormalization: the model is already normalized');
    const normalization = {
      mean: perFeature(mean, this.inputShape, 'mean'),
      std: perFeature(std, this.inputShape, 'std'),
    };
    const bad = normalization.std.find((value) => value <= 0);
    if (bad !== undefined)
      throw new InvalidArgumentError(`withNormalization: std is ${bad}, expected above 0`);
    return new Model(normalized(this.graph, normalization), {
      source: this.source,
      sha256: this.sha256,
      parameterCount: this.parameterCount,
      normalization,
    });
  }
}

/**
 * Reads an ONNX network from a file (unpacked first if its name ends in `.gz`) or from its bytes.
 * @throws ModelError when it cannot be read or is not a consistent network.
 * @throws UnsupportedError when it uses an operator, attribute or type outside `supportedOperators`.
 * @throws ShapeError when shapes do not fit, naming the node.
 */
export async function loadModel(source: string | Uint8Array): Promise<Model> {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw new InvalidArgumentError(`loadModel: expected a path or a Uint8Array, got ${typeof source}`);
  }
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  const lowered = naming(source, () => lower(readOnnx(bytes)));
  return new Model(lowered.graph, {
    source: typeof source === 'string' ? source : 'bytes',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    parameterCount: lowered.parameterCount,
  });
}

/** Runs `read`; what it throws about a file's content also names the file. */
function naming<T>(source: string | Uint8Array, read: () => T): T {
  try {
    return read();
  } catch (error) {
    for (const Kind of [ModelError, UnsupportedError, ShapeError]) {
      if (typeof source === 'string' && error instanceof Kind) {
        throw new Kind(`model '${source}': ${error.message}`, { cause: error });
      }
    }
    throw error;
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ModelError(`cannot read model '${path}': ${(cause as Error).message}`, { cause });
  }
  if (!path.endsWith('.gz')) return bytes;
  try {
    return await unpackGzip(bytes, MOST_BYTES);
  } catch (cause) {
    throw new ModelError(`model '${path}' ${(cause as Error).message}`, { cause });
  }
}

function perFeature(
  values: number | ArrayLike<number>,
  shape: readonly number[],
  what: string,
): Float64Array {
  const list = typeof values === 'number' ? Float64Array.of(values) : Float64Array.from(values);
  const bad = list.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new InvalidArgumentError(`withNormalization: ${what} is ${list[bad]} (element ${bad})`);
  const size = sizeOf(shape);
  if (![1, shape[0], size].includes(list.length)) {
    const expected = `1, ${shape[0]} (per channel) or ${size} (per feature)`;
    throw new ShapeError(
      `withNormalization: ${what} has ${list.length} values, input ${formatShape(shape)} takes ${expected}`,
    );
  }
  const repeat = size / list.length;
  return Float64Array.from({ length: size }, (_, i) => list[Math.floor(i / repeat)]);
}

/** The graph with `scale x + shift` between the input and everything that read it. */
function normalized(graph: Graph, { mean, std }: Normalization): Graph {
  const [input, ...rest] = graph.nodes;
  const node: GraphNode = {
    op: 'scale',
    name: 'normalization',
    shape: input.shape,
    input: 0,
    scale: std.map((value) => 1 / value),
    shift: mean.map((value, i) => -value / std[i]),
  };
  return { ...graph, nodes: [input, node, ...rest.map((other) => renumber(other, (index) => index + 1))] };
}
