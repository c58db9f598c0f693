/** Writes small ONNX files for tests: initializers, nodes and attributes from plain JavaScript values. */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const { DataType, DataLocation } = onnx.TensorProto;
const { AttributeType } = onnx.AttributeProto;

export type AttributeValue =
  number | string | readonly number[] | Tensor | { float: number } | { floats: readonly number[] };

export interface Tensor {
  readonly dims: readonly number[];
  readonly data: readonly number[];
  readonly type: 'float' | 'double' | 'int64' | 'int32' | 'bool';
  /** Little-endian bytes, or the typed field of the element type. */
  readonly form: 'raw' | 'typed';
}

export interface NodeSpec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly name?: string;
  readonly domain?: string;
}

export interface FileSpec {
  readonly input?: readonly (number | string)[];
  readonly type?: 'float' | 'double';
  readonly nodes: readonly NodeSpec[];
  readonly tensors?: Readonly<Record<string, Tensor>>;
  readonly opset?: number;
  readonly irVersion?: number;
  /** List initializers among the inputs too, as files before IR version 4 do. */
  readonly oldInputs?: boolean;
  readonly output?: string;
}

const codes = {
  float: DataType.FLOAT,
  double: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  bool: DataType.BOOL,
};

export function float(
  dims: readonly number[],
  data: readonly number[],
  form: Tensor['form'] = 'raw',
): Tensor {
  return { dims, data, type: 'float', form };
}

export function double(
  dims: readonly number[],
  data: readonly number[],
  form: Tensor['form'] = 'raw',
): Tensor {
  return { dims, data, type: 'double', form };
}

export function ints(
  data: readonly number[],
  form: Tensor['form'] = 'raw',
  dims: readonly number[] = [data.length],
): Tensor {
  return { dims, data, type: 'int64', form };
}

/** A node whose name is its operator and first output. */
export function node(
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeSpec {
  return { op, inputs, outputs: [output], attributes, name: `${op}_${output}` };
}

/** The message before encoding, for tests that break it on purpose. Input `x`, output `y`. */
export function buildModel(spec: FileSpec): onnxProto.onnx.ModelProto {
  const type = codes[spec.type ?? 'float'];
  const tensors = Object.entries(spec.tensors ?? {});
  const inputs = [info('x', spec.input ?? ['N', 2], type)];
  if (spec.oldInputs) inputs.push(...tensors.map(([name, t]) => info(name, t.dims, codes[t.type])));
  return onnx.ModelProto.create({
    irVersion: spec.irVersion ?? 8,
    opsetImport: [{ domain: '', version: spec.opset ?? 17 }],
    graph: {
      name: 'test',
      input: inputs,
      output: [{ name: spec.output ?? 'y', type: { tensorType: { elemType: type } } }],
      initializer: tensors.map(([name, t]) => ({ ...tensorProto(t), name })),
      node: spec.nodes.map((n) => ({
        name: n.name ?? '',
        opType: n.op,
        domain: n.domain ?? '',
        input: [...n.inputs],
        output: [...n.outputs],
        attribute: Object.entries(n.attributes ?? {}).map(([name, value]) => attribute(name, value)),
      })),
    },
  });
}

export function encode(model: onnxProto.onnx.IModelProto): Uint8Array {
  return onnx.ModelProto.encode(model).finish();
}

export function buildOnnx(spec: FileSpec): Uint8Array {
  return encode(buildModel(spec));
}

/** What a tensor without data of its own looks like when the data is in another file. */
export function external(tensor: onnxProto.onnx.ITensorProto): void {
  tensor.rawData = undefined;
  tensor.dataLocation = DataLocation.EXTERNAL;
  tensor.externalData = [{ key: 'location', value: 'weights.bin' }];
}

function info(
  name: string,
  dims: readonly (number | string)[],
  elemType: number,
): onnxProto.onnx.IValueInfoProto {
  const dim = dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function tensorProto({ dims, data, type, form }: Tensor): onnxProto.onnx.ITensorProto {
  const base = { dims: [...dims], dataType: codes[type] };
  if (form === 'raw') return { ...base, rawData: rawBytes(type, data) };
  const field = {
    float: 'floatData',
    double: 'doubleData',
    int64: 'int64Data',
    int32: 'int32Data',
    bool: 'int32Data',
  }[type];
  return { ...base, [field]: [...data] };
}

function rawBytes(type: Tensor['type'], data: readonly number[]): Uint8Array {
  switch (type) {
    case 'float':
      return new Uint8Array(Float32Array.from(data).buffer);
    case 'double':
      return new Uint8Array(Float64Array.from(data).buffer);
    case 'int64':
      return new Uint8Array(BigInt64Array.from(data, BigInt).buffer);
    case 'int32':
      return new Uint8Array(Int32Array.from(data).buffer);
    case 'bool':
      return Uint8Array.from(data);
  }
}

function attribute(name: string, value: AttributeValue): onnxProto.onnx.IAttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string')
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('floats' in value) return { name, type: AttributeType.FLOATS, floats: [...value.floats] };
  if ('dims' in value) return { name, type: AttributeType.TENSOR, t: tensorProto(value) };
  return { name, type: AttributeType.INTS, ints: [...value] };
}
