/**
 * Collects graph nodes while a model is lowered: checks what is appended, keeps a budget of features
 * so that a tiny file cannot ask for gigabytes, and drops what the output does not need.
 */
import { ModelError, ShapeError, UnsupportedError } from '../errors.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../tensor.js';
import type { Graph, GraphNode, Weights } from './graph.js';
import type { Constant, DataValue, FloatType } from './value.js';

/** Most elements that all features and unfolded constants of one network may have together. */
const ELEMENT_BUDGET = 2 ** 26;

/** A graph node before it knows its place: what `append` takes. */
export type NewNode = GraphNode extends infer N ? (N extends { op: 'input' } ? never : N) : never;

/**
 * The shape of a value without its batch axis: `[channels, height, width]` for ONNX rank 3 and 4 (a
 * signal `[C, L]` is a map of height 1), `[n]` for everything else.
 */
export function imageShape(shape: Shape): number[] {
  if (shape[0] === 1 && shape.length === 4) return shape.slice(1);
  if (shape[0] === 1 && shape.length === 3) return [shape[1], 1, shape[2]];
  return [sizeOf(shape)];
}

export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #type: FloatType;
  #spent = 0;
  readonly #used = new Set<Constant>();

  constructor(type: FloatType) {
    this.#type = type;
  }

  input(name: string, shape: Shape): DataValue {
    this.spend(sizeOf(shape), `input '${name}'`);
    this.#nodes.push({ op: 'input', name, shape: imageShape(shape) });
    return { kind: 'data', type: this.#type, shape, node: 0 };
  }

  /** Counts `elements` against the budget; call it before allocating that many. */
  spend(elements: number, where: string): void {
    this.#spent += elements;
    if (!(this.#spent <= ELEMENT_BUDGET)) {
      throw new UnsupportedError(
        `${where}: the network has more than ${ELEMENT_BUDGET} features and constants (this step asks for ${elements})`,
      );
    }
  }

  /** Counts a constant that a node copies: the file paid for it once, but may name it any number of times. */
  use(constant: Constant, where: string): void {
    if (this.#used.has(constant)) this.spend(constant.data.length, where);
    this.#used.add(constant);
  }

  /**
   * Appends a node and views its output as ONNX shape `shape`.
   * @throws ShapeError when a dimension is 0, ModelError when a weight is not finite.
   */
  append(node: NewNode, shape: Shape): DataValue {
    const where = `node '${node.name}'`;
    if (node.shape.some((dim) => dim < 1)) {
      throw new ShapeError(`${where}: its output would be empty, shape ${formatShape(node.shape)}`);
    }
    this.spend(sizeOf(node.shape), where);
    for (const weights of weightsOf(node)) requireFinite(weights, where);
    this.#nodes.push(node);
    const last: DataValue = { kind: 'data', type: this.#type, shape, node: this.#nodes.length - 1 };
    return this.#reshape(last, shape, node.shape, node.name);
  }

  /** The same features under another ONNX shape; a node is added only if the image shape changes. */
  view(value: DataValue, shape: Shape, name: string): DataValue {
    if (sizeOf(shape) !== sizeOf(value.shape)) {
      throw new ShapeError(
        `node '${name}': cannot view shape ${formatShape(value.shape)} as ${formatShape(shape)}`,
      );
    }
    return this.#reshape({ ...value, shape }, shape, this.shapeOf(value), name);
  }

  /** The value as a vector `[n]`, which is what linear nodes read. */
  vector(value: DataValue, name: string): DataValue {
    return this.view(value, [1, sizeOf(value.shape)], name);
  }

  /** Shape of the graph node that holds the value. */
  shapeOf(value: DataValue): Shape {
    return this.#nodes[value.node].shape;
  }

  /** Whether the value is what a ReLU gave, under whatever shape. */
  isRelu({ node }: DataValue): boolean {
    const found = this.#nodes[node];
    return (found.op === 'reshape' ? this.#nodes[found.input] : found).op === 'relu';
  }

  /** The finished graph: nodes that `output` needs, renumbered, `output` last. */
  finish(output: DataValue, inputName: string, outputName: string): Graph {
    const live = new Set<number>([0, output.node]);
    for (let i = this.#nodes.length - 1; i > 0; i--) {
      if (live.has(i)) inputsOf(this.#nodes[i]).forEach((input) => live.add(input));
    }
    const kept = [...live].sort((a, b) => a - b);
    const place = new Map(kept.map((old, index) => [old, index]));
    const nodes = kept.map((old) => renumber(this.#nodes[old], (input) => place.get(input)!));
    return { nodes, inputName, outputName };
  }

  #reshape(value: DataValue, shape: Shape, current: Shape, name: string): DataValue {
    const target = imageShape(shape);
    if (sameShape(target, current)) return value;
    const node = this.#nodes[value.node];
    const input = node.op === 'reshape' ? node.input : value.node;
    if (sameShape(target, this.#nodes[input].shape)) return { ...value, node: input };
    this.#nodes.push({ op: 'reshape', name, shape: target, input });
    return { ...value, node: this.#nodes.length - 1 };
  }
}

/** Indices of the nodes that a node reads. */
export function inputsOf(node: GraphNode): readonly number[] {
  if (node.op === 'input') return [];
  return node.op === 'add' ? node.inputs : [node.input];
}

/** The node with every input index replaced by `place(index)`. */
export function renumber(node: GraphNode, place: (index: number) => number): GraphNode {
  if (node.op === 'input') return node;
  if (node.op === 'add') return { ...node, inputs: [place(node.inputs[0]), place(node.inputs[1])] };
  return { ...node, input: place(node.input) };
}

function weightsOf(node: NewNode): Weights[] {
  if (node.op === 'linear' || node.op === 'conv') return [node.weight, node.bias];
  return node.op === 'scale' ? [node.scale, node.shift] : [];
}

function requireFinite(weights: Weights, where: string): void {
  const bad = weights.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new ModelError(`${where}: its constants give ${weights[bad]} (element ${bad})`);
}
