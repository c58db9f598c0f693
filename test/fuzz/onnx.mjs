/** The ONNX reader, and the engine on what it reads. */
import onnxProto from 'onnx-proto';
import { NativeError, Verifier, ballL2, loadModel, outputs } from '../../dist/index.js';
import { mutateBytes, oddFloats, oddIntegers } from './random.mjs';

const { onnx } = onnxProto;

const attribute = (name, value) => {
  if (Array.isArray(value)) return { name, type: 7, ints: value };
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) };
  if (typeof value === 'object') return { name, type: 4, t: value };
  return Number.isInteger(value) ? { name, type: 2, i: value } : { name, type: 1, f: value };
};
const node = (opType, input, output, attributes = {}) => ({
  opType,
  name: `${opType}_${output}`,
  input,
  output: [output],
  attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
});

/** Weights that differ and keep the size of what passes through. */
const wave = (count) => Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1) / 2);
const product = (dims) => dims.reduce((size, dim) => size * dim, 1);
const raw = (dims, data = wave(product(dims))) => ({
  dims,
  dataType: 1,
  rawData: Buffer.from(Float32Array.from(data).buffer),
});
const typed = (dims) => ({ dims, dataType: 1, floatData: wave(product(dims)) });
const doubles = (dims) => ({ dims, dataType: 11, doubleData: wave(product(dims)) });
const integers = (data) => ({ dims: [data.length], dataType: 7, int64Data: data });
const rawIntegers = (data) => ({
  dims: [data.length],
  dataType: 7,
  rawData: Buffer.from(BigInt64Array.from(data, BigInt).buffer),
});

function encode(input, nodes, tensors, elemType = 1) {
  const dim = input.map((extent) =>
    typeof extent === 'string' ? { dimParam: extent } : { dimValue: extent },
  );
  return onnx.ModelProto.encode(
    onnx.ModelProto.create({
      irVersion: 8,
      opsetImport: [{ domain: '', version: 17 }],
      graph: {
        name: 'fuzz',
        input: [{ name: 'x', type: { tensorType: { elemType, shape: { dim } } } }],
        output: [{ name: 'y', type: { tensorType: { elemType } } }],
        initializer: Object.entries(tensors).map(([name, tensor]) => ({ ...tensor, name })),
        node: nodes,
      },
    }),
  ).finish();
}

/** Files that use every operator the reader knows. */
const seeds = [
  encode(
    ['N', 4],
    [
      node('Gemm', ['x', 'w1', 'b1'], 'a', { transB: 1, alpha: 0.5 }),
      node('Relu', ['a'], 'b'),
      node('MatMul', ['b', 'w2'], 'c'),
      node('Add', ['c', 'b2'], 'd'),
      node('Dropout', ['d'], 'e'),
      node('Identity', ['e'], 'y'),
    ],
    { w1: raw([6, 4]), b1: typed([6]), w2: raw([6, 3]), b2: raw([3]) },
  ),
  encode(
    [1, 2, 5, 5],
    [
      node('Sub', ['x', 'mean'], 'n'),
      node('Div', ['n', 'std'], 'm'),
      node('Conv', ['m', 'k', 'kb'], 'a', { pads: [1, 1, 1, 1], strides: [2, 2], kernel_shape: [3, 3] }),
      node('BatchNormalization', ['a', 'g', 'h', 'mu', 'var'], 'b', { epsilon: 0.001 }),
      node('Relu', ['b'], 'c'),
      node('Conv', ['c', 'k2'], 'd', { auto_pad: 'SAME_UPPER', group: 2, dilations: [2, 1] }),
      node('Add', ['d', 'c'], 'e'),
      node('Relu', ['e'], 'f'),
      node('Flatten', ['f'], 'h2', { axis: 1 }),
      node('Gemm', ['h2', 'w', 'wb'], 'y', { transB: 1 }),
    ],
    {
      mean: raw([2, 1, 1]),
      std: raw([2, 1, 1], [0.5, 0.25]),
      k: raw([4, 2, 3, 3]),
      kb: raw([4]),
      g: raw([4]),
      h: raw([4]),
      mu: raw([4]),
      var: raw([4], [1, 2, 3, 4]),
      k2: raw([4, 2, 2, 3]),
      w: raw([3, 36]),
      wb: raw([3]),
    },
  ),
  encode(
    ['N', 2, 3, 4],
    [
      node('Transpose', ['x'], 'a', { perm: [0, 2, 3, 1] }),
      node('Pad', ['a', 'p'], 'b', { mode: 'constant' }),
      node('Relu', ['b'], 'c'),
      node('Shape', ['c'], 's'),
      node('Gather', ['s', 'zero'], 's0', { axis: 0 }),
      node('Unsqueeze', ['s0', 'axes'], 's1'),
      node('Constant', [], 'rest', { value: integers([-1]) }),
      node('Concat', ['one', 'rest'], 's2', { axis: 0 }),
      node('Reshape', ['c', 's2'], 'd'),
      node('Mul', ['d', 'half'], 'e'),
      node('MatMul', ['e', 'w'], 'y'),
    ],
    {
      p: rawIntegers([0, 1, 0, 0, 0, 0, 1, 0]),
      zero: { dims: [], dataType: 7, int64Data: [0] },
      axes: integers([0]),
      one: integers([1]),
      half: raw([], [0.5]),
      w: raw([40, 3]),
    },
  ),
  encode(
    ['N', 3, 8],
    [
      node('Conv', ['x', 'k'], 'a', { pads: [1, 1], strides: [2] }),
      node('Relu', ['a'], 'b'),
      node('Squeeze', ['b', 'axes'], 'c'),
      node('Slice', ['list', 'from', 'to'], 'part'),
      node('ConstantOfShape', ['part'], 'zeros', { value: doubles([1]) }),
      node('Cast', ['zeros'], 'zero', { to: 11 }),
      node('Reshape', ['c', 'flat'], 'd'),
      node('Sub', ['d', 'zero'], 'e'),
      node('Gemm', ['e', 'w'], 'y'),
    ],
    {
      k: doubles([1, 3, 3]),
      axes: integers([1]),
      list: integers([4, 1, 4]),
      from: integers([1]),
      to: integers([3]),
      flat: integers([1, -1]),
      w: doubles([4, 2]),
    },
    11,
  ),
].map((bytes) => Buffer.from(bytes));

/** Changes of the graph that the reader has to think about. */
const deep = [
  (random, graph) => {
    const { dims } = random.pick(graph.initializer);
    dims[random.below(dims.length + random.below(2))] = random.pick(oddIntegers);
  },
  (random, graph) => {
    const tensor = random.pick(graph.initializer);
    if (!tensor.rawData?.length) return;
    tensor.rawData = Buffer.from(tensor.rawData);
    const place = random.below(tensor.rawData.length - 3);
    tensor.rawData.writeFloatLE(Math.fround(random.pick(oddFloats)), place - (place % 4));
  },
  (random, graph) => {
    const { dims } = random.pick(graph.initializer);
    dims.sort(() => random.uniform() - 0.5);
  },
  // Cuts a node out: what read it reads its input.
  (random, graph) => {
    const [removed] = graph.node.splice(random.below(graph.node.length), 1);
    for (const { input } of graph.node) {
      input.forEach((name, i) => {
        if (name === removed.output[0]) input[i] = removed.input[0] ?? 'x';
      });
    }
  },
  // Puts a node in: a copy of another, on one of the edges.
  (random, graph) => {
    const copy = random.pick(graph.node);
    const reader = random.pick(graph.node);
    const output = `extra${graph.node.length}`;
    graph.node.push({ ...copy, output: [output], input: [reader.input[0], ...copy.input.slice(1)] });
    reader.input[0] = output;
  },
  (random, graph) => (random.pick(graph.node).opType = random.pick(graph.node).opType),
  (random, graph) =>
    (random.pick(graph.node).opType = random.pick(['Relu', 'Flatten', 'Identity', 'Add', 'Sub'])),
  (random, graph) => {
    const { input } = random.pick(graph.node);
    const names = ['x', ...graph.node.map(({ output }) => output[0])];
    names.push(...graph.initializer.map(({ name }) => name));
    input[random.below(input.length + random.below(2))] = random.pick(names);
  },
  (random, graph) => {
    const owners = graph.node.filter(({ attribute: own }) => own.length > 0);
    if (owners.length === 0) return;
    const owner = random.pick(owners);
    const changed = { ...random.pick(owner.attribute) };
    const value = () => (random.chance(0.5) ? random.below(5) : random.pick(oddIntegers));
    if (changed.ints?.length) {
      changed.ints = [...changed.ints];
      changed.ints[random.below(changed.ints.length + random.below(2))] = value();
    } else if (changed.type === 2) changed.i = value();
    else if (changed.type === 1) changed.f = Math.fround(random.pick(oddFloats));
    owner.attribute = [...owner.attribute.filter(({ name }) => name !== changed.name), changed];
  },
  (random, graph) => {
    const integral = graph.initializer.filter(({ int64Data }) => int64Data?.length);
    if (integral.length === 0) return;
    const { int64Data } = random.pick(integral);
    int64Data[random.below(int64Data.length)] = random.chance(0.5)
      ? random.below(5)
      : random.pick(oddIntegers);
  },
  (random, graph) => {
    const { dim } = graph.input[0].type.tensorType.shape;
    dim[random.below(dim.length)] = {
      dimValue: random.chance(0.5) ? random.below(5) : random.pick(oddIntegers),
    };
  },
  (random, graph) => (graph.output[0].name = random.pick(graph.node).output[0]),
];

/** Changes that should end the reading soon. */
const shallow = [
  (random, graph) => {
    const tensor = random.pick(graph.initializer);
    tensor.rawData = (tensor.rawData ?? Buffer.alloc(0)).subarray(random.below(9));
  },
  (random, graph) => (random.pick(graph.initializer).dataType = random.below(20)),
  (random, graph) => (random.pick(graph.initializer).name = random.pick(graph.initializer).name),
  (random, graph) => graph.initializer.splice(random.below(graph.initializer.length), 1),
  (random, graph) => {
    const tensor = random.pick(graph.initializer);
    tensor.dataLocation = random.below(2);
    tensor.externalData = [{ key: 'location', value: '../../../../etc/passwd' }];
  },
  (random, graph) => graph.node.splice(random.below(graph.node.length), 1),
  (random, graph) => graph.node.push({ ...random.pick(graph.node) }),
  (random, graph) => (random.pick(graph.node).output = [random.pick(graph.node).output[0]]),
  (random, graph) => {
    const { input } = random.pick(graph.node);
    input[random.below(input.length + 1)] = random.pick(['', 'ghost', 'y']);
  },
  (random, graph) => {
    const found = random.pick(graph.node.flatMap((other) => other.attribute));
    if (found) random.pick(graph.node).attribute.push({ ...found, type: random.below(14) });
  },
  (random, graph) => graph.input[0].type.tensorType.shape.dim.push({ dimValue: random.pick(oddIntegers) }),
  (random, graph) => (graph.input[0].type.tensorType.elemType = random.below(17)),
  (random, graph) => graph.input.push(graph.input[0]),
];

function make(random) {
  const seed = random.pick(seeds);
  if (random.chance(0.25)) return mutateBytes(random, seed, seeds);
  const model = onnx.ModelProto.decode(seed);
  for (let count = random.below(4); count >= 0; count -= 1) {
    const { graph } = model;
    if (graph.node.length === 0 || graph.initializer.length === 0) break;
    random.pick(random.chance(0.92) ? deep : shallow)(random, graph);
  }
  // Changes of nodes without inputs leave holes.
  for (const each of model.graph.node) each.input = Array.from(each.input, (name) => name ?? '');
  const bytes = Buffer.from(onnx.ModelProto.encode(model).finish());
  return random.chance(0.05) ? mutateBytes(random, bytes, seeds) : bytes;
}

/** Multiply-adds of one evaluation, about. */
function work({ graph }) {
  return graph.nodes.reduce((sum, { op, shape, weight }) => {
    const size = product(shape);
    if (op === 'linear') return sum + weight.length;
    return sum + (op === 'conv' ? (size * weight.length) / shape[0] : size);
  }, 0);
}

/** What reads fine also becomes a network in the engine; small ones are evaluated, bounded and attacked. */
export async function open() {
  const verifier = new Verifier({ threads: 1 });
  return {
    seeds,
    make,
    async run(bytes) {
      const model = await loadModel(bytes);
      const most = work(model);
      if (most > 2e7) return 'read, large';
      try {
        const x = new Float64Array(model.inputSize).fill(0.5);
        await verifier.forward(model, x);
        // Every output is a row to bound.
        if (most > 2e4 || most * model.outputSize > 1e6) return 'read, evaluated';
        const options = { specification: outputs(), iterations: 2 };
        const region = ballL2(x, 0.25, { clip: [0, 1] });
        await verifier.bounds(model, region, { ...options, assurance: 'float32', multipliers: true });
        await verifier.bounds(model, region, { ...options, method: 'crown', coefficients: true });
        await verifier.attack(model, region, { ...options, steps: 2, restarts: 2 });
        return 'read, bounded';
      } catch (error) {
        // Which the caller of a well-formed call must never see.
        if (error instanceof NativeError)
          throw new Error(`the engine failed: ${error.message}`, { cause: error });
        throw error;
      }
    },
    close: () => verifier.close(),
  };
}
