/** The triangle relaxation of a chain of matrices and ReLUs as a linear program, solved by HiGHS. */
import { ConvexProgram } from '../../src/convex-program.js';
import type { Graph, LinearNode } from '../../src/model/index.js';

export interface Interval {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Interval bounds of every matrix's output in float64: the pre-activation boxes. */
export function intervalBoxes(graph: Graph, input: Interval): Interval[] {
  const boxes: Interval[] = [];
  let { lower, upper } = input;
  for (const layer of matrices(graph)) {
    const ends = (sign: number): Float64Array =>
      Float64Array.from(layer.bias, (bias, row) =>
        lower.reduce((sum, low, i) => {
          const w = layer.weight[row * lower.length + i];
          return sum + w * (w * sign > 0 ? upper[i] : low);
        }, bias),
      );
    boxes.push({ lower: ends(-1), upper: ends(1) });
    const last = boxes[boxes.length - 1];
    lower = last.lower.map((x) => Math.max(x, 0));
    upper = last.upper.map((x) => Math.max(x, 0));
  }
  return boxes;
}

/**
 * min c^T y over the input box, with every ReLU replaced by the convex hull of its graph on its
 * pre-activation box.
 */
export async function triangleOptimum(
  graph: Graph,
  input: Interval,
  boxes: readonly Interval[],
  c: Float64Array,
): Promise<number> {
  const program = new ConvexProgram();
  let inputs = Array.from(input.lower, (lower, i) => program.variable({ lower, upper: input.upper[i] }));
  const layers = matrices(graph);
  layers.forEach((layer, k) => {
    const last = k + 1 === layers.length;
    inputs = Array.from(layer.bias, (bias, row) => {
      const [lower, upper] = last ? [-Infinity, Infinity] : [boxes[k].lower[row], boxes[k].upper[row]];
      const z = program.variable({ lower, upper, cost: last ? c[row] : 0 });
      const weights = inputs.map((h, i) => [h, -layer.weight[row * inputs.length + i]] as const);
      program.row([[z, 1], ...weights], bias, bias);
      if (last || lower >= 0) return z;
      const h = program.variable({ lower: 0, upper: Math.max(upper, 0) });
      if (upper > 0) {
        const slope = upper / (upper - lower);
        program.row(
          [
            [h, 1],
            [z, -1],
          ],
          0,
          Infinity,
        );
        program.row(
          [
            [h, 1],
            [z, -slope],
          ],
          -Infinity,
          -slope * lower,
        );
      }
      return h;
    });
  });
  return (await program.minimise()).value;
}

function matrices(graph: Graph): LinearNode[] {
  return graph.nodes.filter((node) => node.op === 'linear');
}
