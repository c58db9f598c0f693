/** Writing a graph as an ONNX file. */
import onnxProto from 'onnx-proto';
import { UnsupportedError } from '../errors.js';
import { type Shape, sizeOf } from '../tensor.js';
import type { Graph, GraphNode, Weights } from './graph.js';

const { onnx } = onnxProto;
const { DataType } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

const opset = 17;
const irVersion = 8;

type Node = onnxProto.onnx.INodeProto;
type Initializer = onnxProto.onnx.ITensorProto;

const ints = (name: string, values: readonly number[]): onnxProto.onnx.IAttributeProto => ({
  name,
  ints: [...values],
  type: AttributeType.INTS,
});

const int = (name: string, value: number): onnxProto.onnx.IAttributeProto => ({
  name,
  i: value,
  type: AttributeType.INT,
});

/** Numbers of a weight array as float32, refused where that would change them beyond float32's range. */
function floatTensor(name: string, dims: Shape, values: Weights): Initializer {
  const rounded = Float32Array.from(values);
  const bad = rounded.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new UnsupportedError(`export: ${name}: ${values[bad]} (element ${bad}) is no finite float32`);
  }
  return { name, dims: [...dims], dataType: DataType.FLOAT, rawData: new Uint8Array(rounded.buffer) };
}

function valueInfo(name: string, shape: Shape): onnxProto.onnx.IValueInfoProto {
  const dim = [{ dimParam: 'N' }, ...shape.map((extent) => ({ dimValue: extent }))];
  return { name, type: { tensorType: { elemType: DataType.FLOAT, shape: { dim } } } };
}

/** Nodes and initializers of a file while it is written; every graph node becomes one value. */
class Writer {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly #values: string[] = [];

  value(index: number): string {
    return this.#values[index];
  }

  /** Registers the value of the next graph node. */
  push(value: string): void {
    this.#values.push(value);
  }

  node(
    opType: string,
    input: string[],
    output: string,
    attribute: onnxProto.onnx.IAttributeProto[] = [],
  ): void {
    this.nodes.push({ opType, name: output, input, output: [output], attribute });
  }

  constant(tensor: Initializer): string {
    this.initializers.push(tensor);
    return tensor.name!;
  }
}

/**
 * The bytes of an ONNX file (float32, opset 17, batch axis `N`) that computes the graph.
 *
 * @throws UnsupportedError for index nodes (transposes, pads), which no trained network of ours has, and for
 *   weights that are not finite in float32.
 */
export function exportOnnx(graph: Graph): Uint8Array {
  const writer = new Writer();
  const last = graph.nodes.length - 1;
  const used = new Set([graph.inputName, graph.outputName]);
  graph.nodes.forEach((node, index) => {
    if (index === 0) return writer.push(graph.inputName);
    const name = index === last ? graph.outputName : unusedName(node.name || 'value', used);
    write(writer, node, name, graph);
    return writer.push(name);
  });
  const model = onnx.ModelProto.create({
    irVersion,
    opsetImport: [{ domain: '', version: opset }],
    producerName: 'bulwark',
    graph: {
      name: 'network',
      node: writer.nodes,
      initializer: writer.initializers,
      input: [valueInfo(graph.inputName, graph.nodes[0].shape)],
      output: [valueInfo(graph.outputName, graph.nodes[last].shape)],
    },
  });
  return onnx.ModelProto.encode(model).finish();
}

function unusedName(wanted: string, used: Set<string>): string {
  let name = wanted;
  for (let suffix = 2; used.has(name); suffix++) name = `${wanted}_${suffix}`;
  used.add(name);
  return name;
}

function write(writer: Writer, node: GraphNode, name: string, graph: Graph): void {
  const parameter = (suffix: string, dims: Shape, values: Weights): string =>
    writer.constant(floatTensor(`${name}.${suffix}`, dims, values));
  switch (node.op) {
    case 'linear': {
      const outputs = node.shape[0];
      const weight = parameter('weight', [outputs, node.weight.length / outputs], node.weight);
      const bias = parameter('bias', [outputs], node.bias);
      return writer.node('Gemm', [writer.value(node.input), weight, bias], name, [int('transB', 1)]);
    }
    case 'conv': {
      const outputs = node.shape[0];
      const channels = node.weight.length / (outputs * node.kernel[0] * node.kernel[1]);
      const weight = parameter('weight', [outputs, channels, ...node.kernel], node.weight);
      const bias = parameter('bias', [outputs], node.bias);
      return writer.node('Conv', [writer.value(node.input), weight, bias], name, [
        ints('kernel_shape', node.kernel),
        ints('strides', node.strides),
        ints('pads', node.pads),
        ints('dilations', node.dilations),
        int('group', node.group),
      ]);
    }
    case 'scale': {
      const factors = parameter('scale', node.shape, node.scale);
      const shifts = parameter('shift', node.shape, node.shift);
      writer.node('Mul', [writer.value(node.input), factors], `${name}.scaled`);
      return writer.node('Add', [`${name}.scaled`, shifts], name);
    }
    case 'reshape': {
      if (node.shape.length === 1) return writer.node('Flatten', [writer.value(node.input)], name);
      const dims = BigInt64Array.from([-1, ...node.shape], BigInt);
      const shape = writer.constant({
        name: `${name}.shape`,
        dims: [dims.length],
        dataType: DataType.INT64,
        rawData: new Uint8Array(dims.buffer),
      });
      return writer.node('Reshape', [writer.value(node.input), shape], name);
    }
    case 'relu':
      return writer.node('Relu', [writer.value(node.input)], name);
    case 'add':
      return writer.node(
        'Add',
        node.inputs.map((input) => writer.value(input)),
        name,
      );
    case 'input':
    case 'index':
      throw new UnsupportedError(
        `export: node '${node.name}' (${node.op}, ${sizeOf(node.shape)} features of '${graph.outputName}') cannot be written`,
      );
  }
}
