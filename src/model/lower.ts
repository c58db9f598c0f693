/** The walk over an ONNX graph: every node in turn becomes graph nodes or a constant. */
import { ModelError, UnsupportedError } from '../errors.js';
import { Attributes } from './attributes.js';
import { GraphBuilder } from './builder.js';
import type { Graph } from './graph.js';
import { nodeName, type NodeProto, type OnnxFile } from './onnx-file.js';
import { constantOperators } from './operators/constants.js';
import { convOperators } from './operators/conv.js';
import { elementwiseOperators } from './operators/elementwise.js';
import { layoutOperators } from './operators/layout.js';
import { linearOperators } from './operators/linear.js';
import { type Operator, requireRank } from './operators/operator.js';
import { passOperators } from './operators/pass.js';
import { poolingOperators } from './operators/pooling.js';
import type { Constant, Value } from './value.js';

const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>(
  Object.entries({
    ...linearOperators,
    ...convOperators,
    ...poolingOperators,
    ...elementwiseOperators,
    ...layoutOperators,
    ...passOperators,
    ...constantOperators,
  }),
);

/** ONNX operators that `loadModel` understands, in alphabetical order. */
export const supportedOperators: readonly string[] = [...operators.keys()].sort();

export interface Lowered {
  readonly graph: Graph;
  /** Numbers in the file's float tensors that the network uses, each tensor counted once. */
  readonly parameterCount: number;
}

/**
 * Lowers a file to a graph for one image (batch axis of size 1).
 * @throws UnsupportedError, ShapeError, ModelError naming the node.
 */
export function lower(file: OnnxFile): Lowered {
  const builder = new GraphBuilder(file.input.type);
  const values = new Map<string, Value>([
    [file.input.name, builder.input(file.input.name, file.input.shape)],
  ]);
  const parameters = new Set<Constant>();
  const resolve = (name: string, reader: string): Value => {
    const known = values.get(name);
    if (known) return known;
    const stored = file.initializer(name);
    // The file's nodes are sorted and complete, so the name can only be a further output of some node.
    if (!stored)
      throw new UnsupportedError(
        `${reader} reads '${name}'; of each node only the first output is supported`,
      );
    requireRank(`initializer '${name}'`, stored.shape.length);
    if (stored.type !== 'integer') parameters.add(stored);
    return stored;
  };
  for (const node of file.nodes) {
    const where = `node '${nodeName(node)}' (${node.opType})`;
    const operator = findOperator(node, where);
    const names = trimmed(node.input ?? []);
    const [least, most] = operator.inputs;
    if (names.length < least || names.length > most) {
      const expected = most === least ? `${least}` : `${least} to ${most}`;
      throw new ModelError(`${where} has ${names.length} inputs, expected ${expected}`);
    }
    const result = operator.lower({
      name: nodeName(node),
      where,
      inputs: names.map((name) => (name === '' ? undefined : resolve(name, where))),
      attributes: new Attributes(where, node.attribute ?? [], operator.attributes),
      builder,
      fixedBatch: file.input.fixedBatch,
    });
    requireRank(where, result.shape.length);
    if (node.opType === 'Constant' && result.kind === 'constant' && result.type !== 'integer')
      parameters.add(result);
    const output = node.output?.[0];
    if (output) values.set(output, result);
  }
  const output = resolve(file.outputName, 'the network output');
  if (output.kind === 'constant')
    throw new ModelError(`output '${file.outputName}' does not depend on the input`);
  const parameterCount = [...parameters].reduce((sum, { data }) => sum + data.length, 0);
  return { graph: builder.finish(output, file.input.name, file.outputName), parameterCount };
}

function findOperator(node: NodeProto, where: string): Operator {
  const standard = !node.domain || node.domain === 'ai.onnx';
  const operator = standard ? operators.get(node.opType ?? '') : undefined;
  if (operator) return operator;
  const domain = standard ? '' : ` of domain '${node.domain}'`;
  throw new UnsupportedError(
    `${where}: the operator${domain} is not supported; supported: ${supportedOperators.join(', ')}`,
  );
}

/** Optional inputs at the end may be left out or be empty. */
function trimmed(names: readonly string[]): readonly string[] {
  let end = names.length;
  while (end > 0 && names[end - 1] === '') end--;
  return names.slice(0, end);
}
