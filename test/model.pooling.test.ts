/** Pools against onnxruntime, with the odd attributes that exporters write; what is certified of them. */
import { expect, it } from 'vitest';
import { Verifier, ballLinf, margins } from '../src/index.js';
import { loadModel } from '../src/model/index.js';
import { buildOnnx, float, node } from './support/onnx-build.js';
import { describeAgreement, noise, referenceOutputs, type Case } from './support/onnxruntime.js';

const map = ['N', 3, 7, 6];
const attributesOf = (given: Record<string, readonly number[]>, flags: Record<string, number> = {}) => ({
  ...Object.fromEntries(Object.entries(given).map(([name, values]) => [name, [...values]])),
  ...flags,
});
const pool = (
  title: string,
  op: string,
  given: Record<string, readonly number[]>,
  flags: Record<string, number> = {},
  input: Case['input'] = map,
): Case => ({ title: `${op} ${title}`, input, nodes: [node(op, ['x'], 'y', attributesOf(given, flags))] });
const afterRelu = ({ nodes, ...spec }: Case): Case => ({
  ...spec,
  title: `${spec.title}, after Relu`,
  nodes: [node('Relu', ['x'], 'positive'), ...nodes!.map((each) => ({ ...each, inputs: ['positive'] }))],
});

describeAgreement('average pools', [
  { ...pool('2 x 2', 'AveragePool', { kernel_shape: [2, 2], strides: [2, 2] }), ops: ['conv'] },
  pool('3 x 2 that overlap', 'AveragePool', { kernel_shape: [3, 2] }),
  pool('padded', 'AveragePool', { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 1, 1, 0] }),
  pool(
    'padding counted',
    'AveragePool',
    { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    { count_include_pad: 1 },
  ),
  pool('ceil_mode', 'AveragePool', { kernel_shape: [2, 4], strides: [2, 3] }, { ceil_mode: 1 }),
  pool('of a signal', 'AveragePool', { kernel_shape: [3], strides: [2] }, {}, ['N', 2, 9]),
  pool('over everything', 'GlobalAveragePool', {}),
  pool('over a signal', 'GlobalAveragePool', {}, {}, ['N', 2, 9]),
]);

describeAgreement('max pools', [
  pool('2 x 2', 'MaxPool', { kernel_shape: [2, 2], strides: [2, 2] }),
  pool('3 x 3 that overlap', 'MaxPool', { kernel_shape: [3, 3], strides: [2, 1] }),
  pool('of dilated windows', 'MaxPool', { kernel_shape: [2, 2], dilations: [2, 3] }),
  pool('of a signal', 'MaxPool', { kernel_shape: [3], strides: [3] }, {}, ['N', 2, 9]),
  pool('over everything', 'GlobalMaxPool', {}, {}, ['N', 2, 3, 4]),
  afterRelu(pool('padded', 'MaxPool', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })),
  afterRelu(pool('ceil_mode', 'MaxPool', { kernel_shape: [2, 3], strides: [3, 2] }, { ceil_mode: 1 })),
]);

it.each([
  [
    'MaxPool',
    { kernel_shape: [2, 2], pads: [1, 1, 1, 1] },
    {},
    /reach into padding; supported for the output of Relu/,
  ],
  ['AveragePool', { kernel_shape: [2, 2], pads: [3, 0, 0, 0] }, {}, /meets nothing but padding/],
  ['AveragePool', {}, {}, /kernel_shape is missing/],
  ['AveragePool', { kernel_shape: [2] }, {}, /kernel_shape \[2\] for data of 2 spatial axes/],
  ['AveragePool', { kernel_shape: [9, 9] }, {}, /kernel \[9, 9\] is larger than the padded data/],
  ['AveragePool', { kernel_shape: [2, 2] }, { ceil_mode: 1, count_include_pad: 1 }, /together/],
  ['MaxPool', { kernel_shape: [1e9, 1e9], pads: [5e8, 5e8, 5e8, 5e8] }, {}, /more than \d+ features/],
] as const)('%s with %j is refused', async (op, given, flags, message) => {
  const { nodes } = pool('', op, given, flags);
  await expect(loadModel(buildOnnx({ input: map, nodes }))).rejects.toThrow(message);
});

it('a network with both pools is certified, and never beyond what an attack finds', async () => {
  const input = ['N', 2, 6, 6];
  const bytes = buildOnnx({
    input,
    nodes: [
      node('Conv', ['x', 'k', 'b'], 'c', { pads: [1, 1, 1, 1] }),
      node('Relu', ['c'], 'r'),
      node('MaxPool', ['r'], 'm', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
      node('AveragePool', ['m'], 'a', { kernel_shape: [3, 3] }),
      node('Flatten', ['a'], 'f'),
      node('Gemm', ['f', 'w'], 'y'),
    ],
    tensors: {
      k: float([4, 2, 3, 3], noise(1, 72)),
      b: float([4], noise(2, 4)),
      w: float([4, 3], noise(3, 12)),
    },
  });
  const model = await loadModel(bytes);
  const verifier = new Verifier({ threads: 1 });
  try {
    const centers = [10, 11, 12, 13, 14].map((seed) => Float64Array.from(noise(seed, model.inputSize)));
    const labels = await verifier.predict(model, centers);
    const expected = await referenceOutputs(bytes, centers, [centers.length, 2, 6, 6]);
    expect([...labels]).toEqual(expected.map((y) => y.indexOf(Math.max(...y))));
    const specification = margins([...labels]);
    let proven = 0;
    for (const eps of [0.001, 0.02, 0.1]) {
      const region = ballLinf(centers, eps);
      const { lower } = await verifier.bounds(model, region, { specification, assurance: 'float32' });
      const { value } = await verifier.attack(model, region, { specification });
      lower.forEach((bound, row) => expect(bound).toBeLessThanOrEqual(value[row]));
      proven += lower.filter((bound) => bound > 0).length;
    }
    expect(proven).toBeGreaterThan(10);
  } finally {
    await verifier.close();
  }
});
