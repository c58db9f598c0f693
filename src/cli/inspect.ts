import type { Command } from 'commander';
import { InvalidArgumentError } from '../errors.js';
import type { GraphNode } from '../model/graph.js';
import { type Model, loadModel } from '../model/index.js';
import { formatShape } from '../tensor.js';
import { type OperatorNorm, listDevices } from '../verify/verifier.js';
import { type DeviceOptions, addDeviceOptions, withVerifier } from './options.js';
import { table } from './table.js';

interface InspectOptions extends DeviceOptions {
  json: boolean;
  devices: boolean;
}

/** `bulwark inspect`: the graph as bulwark sees it. */
export function addInspect(program: Command, signal: AbortSignal): void {
  const command = program
    .command('inspect')
    .description('show graph, shapes, parameters and norms of a model')
    .argument('[model]', 'ONNX file')
    .option('--devices', 'list what can compute here instead', false)
    .option('--json', 'one JSON object on standard output instead of the table', false);
  addDeviceOptions(command).action((path: string | undefined, options: InspectOptions) => {
    if (options.devices) return showDevices(options.json);
    if (path === undefined) throw new InvalidArgumentError("inspect: missing argument 'model'");
    return run(path, options, signal);
  });
}

function showDevices(json: boolean): void {
  const { devices, cudaAbsence } = listDevices();
  if (json) {
    process.stdout.write(`${JSON.stringify({ devices, cudaAbsence })}\n`);
    return;
  }
  const rows = devices.map(({ kind, name, memory, computeCapability }) => [
    kind,
    name,
    memory === undefined ? '' : `${(memory / 2 ** 30).toFixed(1)} GiB`,
    computeCapability ?? '',
  ]);
  const lines = [table([['device', 'name', 'memory', 'compute capability'], ...rows], [0, 1])];
  if (cudaAbsence !== '') lines.push(`no GPU: ${cudaAbsence}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function run(path: string, options: InspectOptions, signal: AbortSignal): Promise<void> {
  const model = await loadModel(path);
  const norms = await withVerifier(options, (verifier) => verifier.norms(model, { signal }));
  const description = describe(model, norms);
  process.stdout.write(`${options.json ? JSON.stringify(description) : asText(path, description)}\n`);
}

function describe(model: Model, norms: readonly OperatorNorm[]) {
  return {
    sha256: model.sha256,
    inputShape: model.inputShape,
    outputSize: model.outputSize,
    parameters: model.parameterCount,
    nodes: model.graph.nodes.map((node, index) => ({
      index,
      op: node.op,
      name: node.name,
      inputs: inputsOf(node),
      shape: node.shape,
      parameters: parametersOf(node),
    })),
    norms,
  };
}

function inputsOf(node: GraphNode): readonly number[] {
  if (node.op === 'input') return [];
  return node.op === 'add' ? node.inputs : [node.input];
}

/** Numbers that the node holds. */
function parametersOf(node: GraphNode): number {
  if (node.op === 'linear' || node.op === 'conv') return node.weight.length + node.bias.length;
  return node.op === 'scale' ? node.scale.length + node.shift.length : 0;
}

function asText(path: string, model: ReturnType<typeof describe>): string {
  const rows = model.nodes.map((node) => [
    node.index,
    node.op,
    node.inputs.join(', '),
    formatShape(node.shape),
    node.parameters,
    node.name,
  ]);
  const norms = model.norms.map(({ name, inputSize, outputSize, norm }) => [
    name,
    inputSize,
    outputSize,
    norm.toPrecision(6),
  ]);
  const head = ['', 'op', 'from', 'shape', 'parameters', 'name'];
  return [
    `${path}: input ${formatShape(model.inputShape)}, ${model.outputSize} outputs, ${model.parameters} parameters`,
    `sha256 ${model.sha256}`,
    '',
    table([head, ...rows], [1, 2, 3, 5]),
    '',
    'affine operators, neighbours folded, with upper bounds on their spectral norms:',
    table([['operator', 'inputs', 'outputs', 'norm'], ...norms]),
  ].join('\n');
}
