/** Typed reading of a node's attributes; an attribute that the operator does not know is refused. */
import onnxProto from 'onnx-proto';
import { ModelError, UnsupportedError } from '../errors.js';
import { toNumber } from './onnx-tensor.js';

const { onnx } = onnxProto;
type AttributeProto = onnxProto.onnx.IAttributeProto;
const { AttributeType } = onnx.AttributeProto;

export class Attributes {
  readonly #where: string;
  readonly #byName = new Map<string, AttributeProto>();

  /**
   * @param where start of every message, e.g. `node 'conv1' (Conv)`.
   * @param known the attribute names that the operator's lowering looks at.
   */
  constructor(where: string, attributes: readonly AttributeProto[], known: readonly string[]) {
    this.#where = where;
    for (const attribute of attributes) {
      const name = attribute.name ?? '';
      if (!known.includes(name)) {
        throw new UnsupportedError(
          `${where}: attribute '${name}' is not supported (known: ${known.join(', ') || 'none'})`,
        );
      }
      this.#byName.set(name, attribute);
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  integer(name: string, fallback: number): number {
    const attribute = this.#get(name, AttributeType.INT);
    return attribute ? this.#integer(attribute.i, name) : fallback;
  }

  integers(name: string): number[] | undefined {
    return this.#get(name, AttributeType.INTS)?.ints?.map((value) => this.#integer(value, name));
  }

  /** Attribute floats are float32; they are returned as the double of equal value. */
  float(name: string, fallback: number): number {
    const attribute = this.#get(name, AttributeType.FLOAT);
    return attribute ? this.#finite(attribute.f ?? 0, name) : fallback;
  }

  floats(name: string): number[] | undefined {
    return this.#get(name, AttributeType.FLOATS)?.floats?.map((value) => this.#finite(value, name));
  }

  string(name: string, fallback: string): string {
    const bytes = this.#get(name, AttributeType.STRING)?.s;
    return bytes ? new TextDecoder().decode(bytes) : fallback;
  }

  tensor(name: string): onnxProto.onnx.ITensorProto | undefined {
    return this.#get(name, AttributeType.TENSOR)?.t ?? undefined;
  }

  #get(name: string, type: onnxProto.onnx.AttributeProto.AttributeType): AttributeProto | undefined {
    const attribute = this.#byName.get(name);
    // Files of the first IR versions leave the type out.
    if (attribute?.type && attribute.type !== type) {
      throw new ModelError(
        `${this.#where}: attribute '${name}' has type ${AttributeType[attribute.type]}, expected ${AttributeType[type]}`,
      );
    }
    return attribute;
  }

  #integer(value: unknown, name: string): number {
    const number = toNumber(value ?? 0);
    if (!Number.isSafeInteger(number))
      throw new ModelError(`${this.#where}: attribute '${name}' is out of range: ${number}`);
    return number;
  }

  #finite(value: number, name: string): number {
    if (!Number.isFinite(value)) throw new ModelError(`${this.#where}: attribute '${name}' is ${value}`);
    return value;
  }
}
