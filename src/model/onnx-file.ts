/**
 * ONNX bytes to the parts that matter: the one input, the one output, constants by name, and the
 * nodes that the output needs in an order in which they can be computed.
 */
import onnxProto from 'onnx-proto';
import { ModelError, UnsupportedError } from '../errors.js';
import { formatShape, type Shape } from '../tensor.js';
import { constantType, elementTypeName, readTensor, toNumber } from './onnx-tensor.js';
import type { Constant, FloatType } from './value.js';

const { onnx } = onnxProto;
export type NodeProto = onnxProto.onnx.INodeProto;
type ValueInfoProto = onnxProto.onnx.IValueInfoProto;
type GraphProto = onnxProto.onnx.IGraphProto;

/** Below this version Add, Gemm and BatchNormalization follow other rules (no numpy broadcasting). */
const OLDEST_OPSET = 7;

export interface OnnxInput {
  readonly name: string;
  readonly type: FloatType;
  /** ONNX shape with the batch axis (the first of two or more) set to 1. */
  readonly shape: Shape;
  /** The batch size that the file insists on, when it is a number above 1; otherwise 1. */
  readonly fixedBatch: number;
}

export interface OnnxFile {
  readonly input: OnnxInput;
  readonly outputName: string;
  /** Only the nodes that the output depends on, each after the nodes that it reads. */
  readonly nodes: readonly NodeProto[];
  /** Reads an initializer, once and only if a node asks for it. */
  readonly initializer: (name: string) => Constant | undefined;
}

/** How a node is called in messages: its name, or what it computes when it has none. */
export function nodeName(node: NodeProto): string {
  return node.name || `${node.opType} -> ${node.output?.[0] ?? '?'}`;
}

/**
 * @throws ModelError when the bytes are not a whole, consistent ONNX graph.
 * @throws UnsupportedError for several inputs or outputs, input types other than float and double,
 *   operator sets older than 7.
 */
export function readOnnx(bytes: Uint8Array): OnnxFile {
  if (bytes.length === 0) throw new ModelError('the model file is empty');
  const model = decode(bytes);
  const graph = model.graph;
  if (!graph || !graph.node || !graph.output?.length) {
    throw new ModelError('the file holds no ONNX graph (truncated, or another format?)');
  }
  requireOpset(model);
  const tensors = namedInitializers(graph);
  const input = readInput(graph, new Set(tensors.keys()));
  if (graph.output.length > 1) {
    const names = graph.output.map((value) => `'${value.name}'`).join(', ');
    throw new UnsupportedError(`the network has ${graph.output.length} outputs (${names}); expected one`);
  }
  const outputName = graph.output[0].name ?? '';
  const constants = new Map<string, Constant>();
  return {
    input,
    outputName,
    nodes: sortNodes(graph.node, outputName, new Set([...tensors.keys(), input.name])),
    initializer(name) {
      const tensor = tensors.get(name);
      if (!tensor) return undefined;
      const value = constants.get(name) ?? readTensor(tensor, `initializer '${name}'`);
      constants.set(name, value);
      return value;
    },
  };
}

function decode(bytes: Uint8Array): onnxProto.onnx.ModelProto {
  try {
    return onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw new ModelError(`the file is not a whole ONNX model: ${(cause as Error).message}`, { cause });
  }
}

function requireOpset(model: onnxProto.onnx.ModelProto): void {
  const set = model.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx');
  if (!set) throw new ModelError('the file names no ONNX operator set (opset_import)');
  const opset = toNumber(set.version ?? 0);
  if (opset < OLDEST_OPSET) {
    throw new UnsupportedError(`the file uses operator set ${opset}; ${OLDEST_OPSET} or newer is supported`);
  }
}

function namedInitializers(graph: GraphProto): Map<string, onnxProto.onnx.ITensorProto> {
  const sparse = graph.sparseInitializer?.[0];
  if (sparse) throw new UnsupportedError(`initializer '${sparse.values?.name ?? ''}' is sparse`);
  const tensors = new Map<string, onnxProto.onnx.ITensorProto>();
  for (const tensor of graph.initializer ?? []) {
    const name = tensor.name ?? '';
    if (tensors.has(name)) throw new ModelError(`two initializers have the name '${name}'`);
    tensors.set(name, tensor);
  }
  return tensors;
}

function readInput(graph: GraphProto, initializers: ReadonlySet<string>): OnnxInput {
  // Files older than IR version 4 list their initializers among the inputs.
  const inputs = (graph.input ?? []).filter((value) => !initializers.has(value.name ?? ''));
  if (inputs.length === 0) throw new ModelError('the network has no input');
  if (inputs.length > 1) {
    const names = inputs.map((value) => `'${value.name}'`).join(', ');
    throw new UnsupportedError(`the network has ${inputs.length} inputs (${names}); expected one`);
  }
  const name = inputs[0].name ?? '';
  const code = inputs[0].type?.tensorType?.elemType ?? 0;
  const type = constantType(code);
  if (type !== 'float32' && type !== 'float64') {
    throw new UnsupportedError(
      `input '${name}' has element type ${elementTypeName(code)}; supported: float, double`,
    );
  }
  return { name, type, ...inputShape(inputs[0], name) };
}

function inputShape(input: ValueInfoProto, name: string): Pick<OnnxInput, 'shape' | 'fixedBatch'> {
  const dims = input.type?.tensorType?.shape?.dim;
  if (!dims) throw new ModelError(`input '${name}' has no shape`);
  // Some exporters write 0 or -1 for "unknown"; NaN stands for all of these here.
  const declared = dims.map((dim) => (toNumber(dim.dimValue ?? 0) > 0 ? toNumber(dim.dimValue) : NaN));
  const text = formatShape(dims.map((dim, axis) => (declared[axis] || dim.dimParam || '?') as number));
  if (dims.length < 1 || dims.length > 4) {
    throw new UnsupportedError(`input '${name}' has shape ${text}; supported: 1 to 4 axes`);
  }
  const batched = dims.length > 1;
  const shape = batched ? [1, ...declared.slice(1)] : declared;
  if (shape.some(Number.isNaN)) {
    throw new UnsupportedError(`input '${name}' has shape ${text}; only the batch axis may be left open`);
  }
  return { shape, fixedBatch: batched ? declared[0] || 1 : 1 };
}

/** Depth-first from the output, with its own stack: files may chain any number of nodes. */
function sortNodes(all: readonly NodeProto[], outputName: string, given: ReadonlySet<string>): NodeProto[] {
  const producers = new Map<string, NodeProto>();
  for (const node of all) {
    for (const output of node.output ?? []) {
      if (output === '') continue;
      const other = producers.get(output);
      if (other)
        throw new ModelError(`nodes '${nodeName(other)}' and '${nodeName(node)}' both produce '${output}'`);
      if (given.has(output)) {
        throw new ModelError(
          `node '${nodeName(node)}' produces '${output}', which is already an input or initializer`,
        );
      }
      producers.set(output, node);
    }
  }
  const sorted: NodeProto[] = [];
  const state = new Map<NodeProto, 'open' | 'done'>();
  const open: { node: NodeProto; next: number }[] = [];
  const visit = (name: string, reader: string) => {
    if (name === '' || given.has(name)) return;
    const node = producers.get(name);
    if (!node) throw new ModelError(`${reader} reads '${name}', which nothing produces`);
    if (state.get(node) === 'open') {
      const names = open
        .slice(open.findIndex((entry) => entry.node === node))
        .map((entry) => `'${nodeName(entry.node)}'`);
      throw new ModelError(`the graph has a cycle through ${names.join(', ')}`);
    }
    if (state.get(node) === undefined) {
      state.set(node, 'open');
      open.push({ node, next: 0 });
    }
  };
  visit(outputName, 'the network output');
  while (open.length > 0) {
    const top = open[open.length - 1];
    const inputs = top.node.input ?? [];
    if (top.next < inputs.length) {
      visit(inputs[top.next++], `node '${nodeName(top.node)}'`);
    } else {
      open.pop();
      state.set(top.node, 'done');
      sorted.push(top.node);
    }
  }
  return sorted;
}
