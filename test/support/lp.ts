/** The triangle relaxation of a chain of matrices and ReLUs as a linear program, solved by HiGHS. */
import highsModule from 'highs';
import type { Graph, LinearNode } from '../../src/model/index.js';

/** The package is CommonJS for TypeScript and an ES module for Node, so the types have one `default` too many. */
const loadHighs = highsModule as unknown as typeof highsModule.default;

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
  const highs = await loadHighs();
  const layers = matrices(graph);
  const rows: string[] = [];
  const bounds: string[] = [];
  const between = (name: string, low: number, high: number) => bounds.push(` ${low} <= ${name} <= ${high}`);
  input.lower.forEach((low, i) => between(`h0_${i}`, low, input.upper[i]));
  layers.forEach((layer, k) => {
    const inputs = layer.weight.length / layer.bias.length;
    layer.bias.forEach((bias, row) => {
      const z = `z${k}_${row}`;
      const sum = Array.from({ length: inputs }, (_, i) =>
        term(-layer.weight[row * inputs + i], `h${k}_${i}`),
      );
      rows.push(` 1 ${z} ${sum.join(' ')} = ${bias}`);
      if (k + 1 === layers.length) {
        bounds.push(` ${z} free`);
        return;
      }
      const [l, u] = [boxes[k].lower[row], boxes[k].upper[row]];
      between(z, l, u);
      const h = `h${k + 1}_${row}`;
      if (u <= 0) {
        between(h, 0, 0);
      } else if (l >= 0) {
        rows.push(` ${h} - ${z} = 0`);
        between(h, l, u);
      } else {
        between(h, 0, u);
        rows.push(` ${h} - ${z} >= 0`);
        rows.push(` ${h} ${term(-u / (u - l), z)} <= ${(-u * l) / (u - l)}`);
      }
    });
  });
  const goal = Array.from(c, (value, row) => term(value, `z${layers.length - 1}_${row}`)).join(' ');
  const named = rows.map((row, i) => ` r${i}:${row}`);
  const text = ['Minimize', ` goal: ${goal}`, 'Subject To', ...named, 'Bounds', ...bounds, 'End'].join('\n');
  const result = highs.solve(text, { output_flag: false });
  if (result.Status !== 'Optimal') throw new Error(`the linear program is ${result.Status}`);
  return result.ObjectiveValue;
}

function term(coefficient: number, variable: string): string {
  return `${coefficient < 0 ? '-' : '+'} ${Math.abs(coefficient)} ${variable}`;
}

function matrices(graph: Graph): LinearNode[] {
  return graph.nodes.filter((node) => node.op === 'linear');
}
