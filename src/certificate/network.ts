/** The graph as the checker computes with it: inputs, affine maps, ReLUs and adds, in topological order. */
import { CertificateError } from '../errors.js';
import type { Graph } from '../model/graph.js';
import { gamma, normUp } from './arithmetic.js';
import { hasNorm } from './norm.js';
import { type Affine, affineOf, compose, transpose } from './sparse.js';

export interface Step {
  readonly op: 'input' | 'affine' | 'relu' | 'add';
  readonly from: readonly number[];
  readonly shape: readonly number[];
  /** The graph node that it ends with. */
  readonly node: number;
  /** Which ReLU this is, in graph order; -1 for other steps. */
  readonly relu: number;
  /** Of an affine step: the map, its transpose (without bias), and for each row euclidean norm and largest absolute value. */
  readonly affine?: Affine & {
    readonly back: Affine;
    readonly rowNorms: Float64Array;
    readonly rowMaxima: Float64Array;
  };
}

/** The last step is the output; undefined are those that it does not depend on. */
export type Steps = readonly (Step | undefined)[];

/**
 * @param fold whether neighbouring affine nodes become one step where `compose` can join them, so that
 *   norms and boxes are those of the product.
 */
export function stepsOf(graph: Graph, fold: boolean): Steps {
  const drafts: (Omit<Step, 'affine'> & { map?: Affine })[] = [];
  const stepOf: number[] = [];
  let relus = 0;
  for (const [index, node] of graph.nodes.entries()) {
    const { op, shape } = node;
    const from =
      op === 'input' ? [] : (op === 'add' ? node.inputs : [node.input]).map((input) => stepOf[input]);
    if (op === 'input' || op === 'add') drafts.push({ op, from, shape, node: index, relu: -1 });
    else if (op === 'relu') drafts.push({ op, from, shape, node: index, relu: relus++ });
    else if (op !== 'reshape') {
      const map = affineOf(node, graph);
      const inner = drafts[from[0]];
      const joined = fold && inner.map && compose(map, inner.map);
      drafts.push({
        ...(joined ? { ...inner, map: joined } : { op: 'affine', from, map, relu: -1 }),
        shape,
        node: index,
      });
    }
    stepOf.push(op === 'reshape' ? from[0] : drafts.length - 1);
  }
  const output = stepOf[stepOf.length - 1];
  const used = new Set([0, output]);
  for (let i = output; i > 0; i--) if (used.has(i)) drafts[i].from.forEach((from) => used.add(from));
  return drafts.slice(0, output + 1).map(({ map, ...step }, i) => {
    if (!used.has(i)) return undefined;
    return map ? { ...step, affine: measured(map) } : step;
  });
}

function measured(map: Affine): NonNullable<Step['affine']> {
  const { rows, columns, start, value } = map.matrix;
  const up = 1 + gamma(map.folds);
  const entries = Array.from({ length: rows }, (_, i) => value.subarray(start[i], start[i + 1]));
  const zero = new Float64Array(columns);
  return {
    ...map,
    back: { matrix: transpose(map.matrix), bias: zero, biasError: zero, folds: map.folds },
    rowNorms: Float64Array.from(entries, (row) => normUp(row) * up),
    rowMaxima: Float64Array.from(
      entries,
      (row) => row.reduce((most, v) => Math.max(most, Math.abs(v)), 0) * up,
    ),
  };
}

/** Proves the spectral norms that certificates claim; remembers what is proven. */
export class Norms {
  readonly #proven: number[] = [];

  constructor(private readonly steps: Steps) {}

  /** Whether `claim` is proven to be an upper bound of the norm of an affine step. */
  holds(at: number, claim: number): boolean {
    if (claim >= this.#proven[at]) return true;
    const { affine, shape, from } = this.steps[at]!;
    if (!hasNorm(affine!, affine!.back.matrix, shape, this.steps[from[0]]!.shape, claim)) return false;
    this.#proven[at] = claim;
    return true;
  }

  /**
   * @param claims one for each affine step, in order.
   * @returns the norm of each step (0 where it has none).
   * @throws CertificateError if one could not be proven.
   */
  prove(claims: readonly number[]): number[] {
    let next = 0;
    const norms = this.steps.map((step, i) => {
      if (!step?.affine) return 0;
      const claim = claims[next++] ?? NaN;
      if (this.holds(i, claim)) return claim;
      throw new CertificateError(`norm ${next - 1} is claimed to be ${claim}, which could not be proven`);
    });
    if (claims.length === next) return norms;
    throw new CertificateError(`there are ${claims.length} norms, the network has ${next} affine steps`);
  }
}
