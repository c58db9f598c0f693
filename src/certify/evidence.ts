import type { Graph } from '../model/graph.js';
import type { Bounds, BoxEvidence } from '../verify/index.js';
import { type Leaf, type RowEvidence, splitsOf } from './certificates.js';

/** What a stage found for one row, ready for a certificate. */
export interface ProvenRow {
  readonly lower: number;
  readonly evidence: RowEvidence;
}

/** Reads the evidence for one image out of a stage's bounds, which must have been asked for multipliers. */
export class StageEvidence {
  readonly #bounds: Bounds;
  readonly #features: number;
  readonly #relus: number;

  constructor(graph: Graph, bounds: Bounds) {
    this.#bounds = bounds;
    const sizes = reluSizes(graph);
    this.#relus = sizes.length;
    this.#features = sizes.reduce((sum, size) => sum + size, 0);
  }

  /** The row's proof; undefined where its bound is not positive or came without one. */
  row(image: number, row: number): ProvenRow | undefined {
    const { lower, shape, multipliers, leaves } = this.#bounds;
    const at = image * shape[1] + row;
    if (!(lower[at] > 0)) return undefined;
    if (leaves) return { lower: lower[at], evidence: { leaves: leaves[at].map(certificateLeaf) } };
    if (!multipliers) return undefined;
    const { slope, lambda, inputLambda } = multipliers;
    const leaf = {
      splits: [],
      slope: slope.slice(at * this.#features, (at + 1) * this.#features),
      lambda: lambda.slice(at * this.#relus, (at + 1) * this.#relus),
      inputLambda: inputLambda[at],
    };
    return { lower: lower[at], evidence: { leaves: [leaf] } };
  }

  /** What the stage's boxes of one image rely on. */
  boxes(image: number): readonly BoxEvidence[] {
    return this.#bounds.boxes?.filter((box) => box.image === image) ?? [];
  }
}

function certificateLeaf(leaf: NonNullable<Bounds['leaves']>[number][number]): Leaf {
  const splits = splitsOf(leaf.splits);
  return { splits, slope: leaf.slope, lambda: leaf.lambda, inputLambda: leaf.inputLambda[0] };
}

function reluSizes(graph: Graph): number[] {
  return graph.nodes.flatMap(({ op, shape }) => (op === 'relu' ? [shape.reduce((a, b) => a * b, 1)] : []));
}
