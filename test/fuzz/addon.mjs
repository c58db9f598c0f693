/** The addon behind the readers: graphs and calls that no reader makes must be refused, not believed. */
import { loadModel } from '../../dist/index.js';
import { loadNative } from '../../dist/native.js';
import { fromNative } from '../../dist/verify/control.js';
import { open as openOnnx } from './onnx.mjs';
import { network } from './network.mjs';
import { Random, oddFloats, oddIntegers } from './random.mjs';

const small = [-2, -1, 0, 1, 2, 3, 4, 5, 8, 0.5, NaN];
const odd = (random) => random.pick(random.chance(0.7) ? small : oddIntegers);

/** One field of one object of the list changed, or an object dropped, doubled or moved. */
function mutateNodes(random, nodes) {
  const place = random.below(nodes.length);
  if (random.chance(0.15)) return nodes.toSpliced(place, random.below(2), random.pick(nodes));
  if (random.chance(0.05)) return nodes.toSpliced(place, 1);
  const node = nodes[place];
  const key = random.pick(Object.keys(node).filter((field) => field !== 'op' && field !== 'name'));
  return nodes.with(place, { ...node, [key]: mutateValue(random, node[key]) });
}

function mutateValue(random, value) {
  // Numbers, and what an earlier change left there.
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) return odd(random);
  if (random.chance(0.05)) return random.pick([undefined, null, 'x', {}, [], odd(random), new Uint8Array(3)]);
  if (Array.isArray(value)) {
    const place = random.below(value.length);
    return value.toSpliced(place, random.below(2), ...(random.chance(0.8) ? [odd(random)] : []));
  }
  const result = value.slice();
  if (random.chance(0.3)) return result.slice(random.below(3));
  result[random.below(result.length)] = result instanceof Int32Array ? odd(random) : random.pick(oddFloats);
  return result;
}

export async function open(folder) {
  const native = loadNative();
  const engine = native.createEngine({ threads: 2, device: 'cpu' });
  const onnx = await openOnnx(folder);
  const files = [...onnx.seeds, network(new Random(5), [6, 8, 7, 3])];
  const graphs = [];
  for (const bytes of files) graphs.push((await loadModel(bytes)).graph.nodes);
  await onnx.close();

  const options = {
    method: 'joint',
    boxes: 'crown',
    iterations: 2,
    boxIterations: 1,
    learningRate: 0.1,
    decay: 0.98,
    stopWhenProven: false,
    timeLimit: 2,
    coefficients: false,
    decidedOnly: false,
    assurance: 'real',
    subproblems: 8,
    boxSubproblems: 4,
    memory: 1,
    steps: 2,
    restarts: 2,
    stepSize: 1,
    seed: 1,
    stopWhenFalsified: false,
  };

  /** A call with one argument changed; what does not fit must be refused before anything is read. */
  async function call(random, net) {
    const { inputSize: size, outputSize: rows } = net;
    const one = (value) => new Float64Array(size).fill(value);
    const argumentsOf = {
      region: {
        kind: 'l2',
        count: 1,
        center: one(0.5),
        eps: Float64Array.of(0.1),
        lower: one(0),
        upper: one(1),
      },
      rows: { rowCount: 1, c: new Float64Array(rows).fill(1), d: new Float64Array(1), shared: true },
      options: {
        ...options,
        method: random.pick(['ibp', 'crown', 'alpha-crown', 'sdp-crown', 'joint', 'lip', 'weighted']),
        multipliers: random.chance(0.5),
        falsify: random.chance(0.5),
      },
    };
    const part = random.pick(Object.keys(argumentsOf));
    const key = random.pick(Object.keys(argumentsOf[part]));
    const value = argumentsOf[part][key];
    // Steps and restarts without end would be what was asked for.
    const numeric = typeof value === 'number' ? random.pick(small) : mutateOrKeep(random, value);
    argumentsOf[part] = { ...argumentsOf[part], [key]: numeric };
    const given = [net, argumentsOf.region, argumentsOf.rows, argumentsOf.options, {}];
    await engine[random.pick(['bounds', 'search', 'attack'])](...given);
    return 'called';
  }

  const mutateOrKeep = (random, value) =>
    typeof value === 'object' ? mutateValue(random, value) : random.pick([value, 'box', 'l1', true, null, 7]);

  return {
    make: (random) => Buffer.from(Uint32Array.of(random.below(2 ** 32)).buffer),
    async run(bytes) {
      const random = new Random(bytes.readUInt32LE(0));
      let nodes = [...random.pick(graphs)];
      const sound = random.chance(0.4);
      for (let count = sound ? -1 : random.below(3); count >= 0; count -= 1)
        nodes = mutateNodes(random, nodes);
      try {
        const net = native.createNetwork(nodes);
        if (net.inputSize > 1000 || net.outputSize > 1000) return 'network, large';
        await engine.forward(net, new Float64Array(net.inputSize), 1, {});
        return sound || random.chance(0.3) ? await call(random, net) : 'network';
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        throw fromNative(error);
      }
    },
    close: () => engine.close(),
  };
}
