import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../src/errors.js';
import { type Graph, type GraphNode, evaluate, exportOnnx, loadModel } from '../src/model/index.js';
import { sizeOf } from '../src/tensor.js';
import { noise, referenceOutputs } from './support/onnxruntime.js';

const floats = (seed: number, count: number): Float32Array => Float32Array.from(noise(seed, count));

/** Every operator that is written, with a name that is taken twice. */
function everyOperator(): Graph {
  const nodes: GraphNode[] = [
    { op: 'input', name: 'image', shape: [2, 5, 4] },
    { op: 'scale', name: 'a', shape: [2, 5, 4], input: 0, scale: floats(1, 40), shift: floats(2, 40) },
    {
      op: 'conv',
      name: 'a',
      shape: [4, 3, 4],
      input: 1,
      weight: floats(3, 4 * 1 * 3 * 2),
      bias: floats(4, 4),
      kernel: [3, 2],
      strides: [2, 1],
      pads: [1, 0, 1, 1],
      dilations: [1, 1],
      group: 2,
    },
    { op: 'relu', name: 'r', shape: [4, 3, 4], input: 2 },
    { op: 'add', name: 's', shape: [4, 3, 4], inputs: [2, 3] },
    { op: 'reshape', name: 'flat', shape: [48], input: 4 },
    { op: 'linear', name: '', shape: [12], input: 5, weight: floats(5, 12 * 48), bias: floats(6, 12) },
    { op: 'reshape', name: 'map', shape: [3, 2, 2], input: 6 },
    { op: 'relu', name: 'r', shape: [3, 2, 2], input: 7 },
    { op: 'reshape', name: 'flat', shape: [12], input: 8 },
    { op: 'linear', name: 'out', shape: [3], input: 9, weight: floats(7, 36), bias: floats(8, 3) },
  ];
  return { nodes, inputName: 'image', outputName: 'logits' };
}

describe('exportOnnx', () => {
  it('writes what the graph computes: onnxruntime to 1e-6, our own reader exactly', async () => {
    const graph = everyOperator();
    const bytes = exportOnnx(graph);
    const model = await loadModel(bytes);
    for (const seed of [11, 12, 13]) {
      const image = floats(seed, sizeOf(graph.nodes[0].shape));
      const expected = evaluate(graph, Float64Array.from(image));
      expect(Array.from(evaluate(model.graph, Float64Array.from(image)))).toEqual(Array.from(expected));
      const [actual] = await referenceOutputs(bytes, [image], [1, 2, 5, 4]);
      const scale = Math.max(1, ...expected.map(Math.abs));
      actual.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-6 * scale));
    }
  });

  it('takes batches in other tools', async () => {
    const graph = everyOperator();
    const images = [floats(21, 40), floats(22, 40)];
    const outputs = await referenceOutputs(exportOnnx(graph), images, [2, 2, 5, 4]);
    const expected = evaluate(graph, Float64Array.from(images[1]));
    expect(Math.abs(outputs[1][0] - expected[0])).toBeLessThan(1e-5);
  });

  it('refuses what it cannot write', () => {
    const [input] = everyOperator().nodes;
    const index: GraphNode = { op: 'index', name: 'p', shape: [40], input: 0, indices: new Int32Array(40) };
    const graph = (node: GraphNode): Graph => ({ nodes: [input, node], inputName: 'x', outputName: 'y' });
    expect(() => exportOnnx(graph(index))).toThrow(UnsupportedError);
    const large = Float64Array.from({ length: 40 }, () => 1e300);
    const scale: GraphNode = {
      op: 'scale',
      name: 's',
      shape: [2, 5, 4],
      input: 0,
      scale: large,
      shift: large,
    };
    expect(() => exportOnnx(graph(scale))).toThrow('1e+300');
  });
});
