/**
 * TensorProto to constant. Sizes are compared with the bytes that are really there before anything
 * is allocated, so a small hostile file cannot ask for gigabytes.
 */
import onnxProto from 'onnx-proto';
import { ModelError, ShapeError, UnsupportedError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';
import { constant, type Constant } from './value.js';

const { onnx } = onnxProto;
type TensorProto = onnxProto.onnx.ITensorProto;
const { DataType } = onnx.TensorProto;

/** One ONNX element type: how its raw bytes and its typed field are read. */
interface ElementType {
  readonly type: Constant['type'];
  readonly bytes: number;
  readonly read: (view: DataView, offset: number) => number;
  readonly typed: (tensor: TensorProto) => ArrayLike<unknown> | null | undefined;
}

const elementTypes: ReadonlyMap<number, ElementType> = new Map([
  [
    DataType.FLOAT,
    { type: 'float32', bytes: 4, read: (v, o) => v.getFloat32(o, true), typed: (t) => t.floatData },
  ],
  [
    DataType.DOUBLE,
    { type: 'float64', bytes: 8, read: (v, o) => v.getFloat64(o, true), typed: (t) => t.doubleData },
  ],
  [
    DataType.INT64,
    { type: 'integer', bytes: 8, read: (v, o) => Number(v.getBigInt64(o, true)), typed: (t) => t.int64Data },
  ],
  [
    DataType.INT32,
    { type: 'integer', bytes: 4, read: (v, o) => v.getInt32(o, true), typed: (t) => t.int32Data },
  ],
  [DataType.BOOL, { type: 'integer', bytes: 1, read: (v, o) => v.getUint8(o), typed: (t) => t.int32Data }],
] satisfies [number, ElementType][]);

/** The name of an element type code, for messages. */
export function elementTypeName(code: number): string {
  return (
    (onnx.TensorProto.DataType as Record<number, string | undefined>)[code]?.toLowerCase() ?? `type ${code}`
  );
}

/** The constant type of an element type code, or undefined where bulwark does not read it. */
export function constantType(code: number): Constant['type'] | undefined {
  return elementTypes.get(code)?.type;
}

/** protobuf int64 fields arrive as numbers or as objects with `toNumber`. */
export function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : (value as { toNumber(): number }).toNumber();
}

/**
 * @param where how to name the tensor in messages, e.g. `initializer 'fc1.weight'`.
 * @throws ModelError when data and shape disagree or a float is NaN or infinite.
 * @throws UnsupportedError for external data and element types other than float, double, int32, int64, bool.
 */
export function readTensor(tensor: TensorProto, where: string): Constant {
  if (tensor.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL || tensor.externalData?.length) {
    throw new UnsupportedError(
      `${where} keeps its data in another file (external data); save the model as one file`,
    );
  }
  const code = tensor.dataType ?? 0;
  const element = elementTypes.get(code);
  if (!element) {
    throw new UnsupportedError(
      `${where} has element type ${elementTypeName(code)}; supported: float, double, int32, int64, bool`,
    );
  }
  if (tensor.segment) throw new UnsupportedError(`${where} is stored in segments`);
  const shape = (tensor.dims ?? []).map(toNumber);
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw new ShapeError(`${where} has the impossible shape ${formatShape(shape)}`);
  }
  const result = constant(
    element.type,
    shape,
    elements(tensor, element, sizeOf(shape), `${where} of shape ${formatShape(shape)}`),
  );
  if (element.type !== 'integer') requireFinite(result.data, where);
  return result;
}

function elements(tensor: TensorProto, element: ElementType, size: number, where: string): Float64Array {
  const raw = tensor.rawData;
  if (raw?.length) {
    if (raw.length !== size * element.bytes) {
      throw new ModelError(`${where} needs ${size * element.bytes} bytes, the file has ${raw.length}`);
    }
    // The bytes lie anywhere inside the file's buffer, so they cannot be viewed as floats in place.
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const data = new Float64Array(size);
    for (let i = 0; i < size; i++) data[i] = element.read(view, i * element.bytes);
    return data;
  }
  const typed = element.typed(tensor) ?? [];
  if (typed.length !== size) {
    throw new ModelError(`${where} needs ${size} elements, the file has ${typed.length}`);
  }
  return Float64Array.from(typed, toNumber);
}

function requireFinite(data: Constant['data'], where: string): void {
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new ModelError(`${where} contains ${data[bad]} (element ${bad})`);
}
