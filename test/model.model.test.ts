/** What `Model` reports, normalization, and the reference evaluation. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { evaluate, evaluateAll, loadModel, supportedOperators } from '../src/model/index.js';
import { failure, says } from './support/failure.js';
import { buildOnnx, float, ints, node } from './support/onnx-build.js';
import { noise } from './support/onnxruntime.js';

const folder = mkdtempSync(join(tmpdir(), 'model-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = buildOnnx({
  input: ['N', 3, 2, 2],
  nodes: [node('Conv', ['x', 'w', 'b'], 'c'), node('Relu', ['c'], 'r'), node('Flatten', ['r'], 'y')],
  tensors: { w: float([2, 3, 1, 1], noise(1, 6)), b: float([2], noise(2, 2)) },
});

describe('loadModel', () => {
  it('reports shapes, parameters, source and the hash of the ONNX bytes', async () => {
    const model = await loadModel(bytes);
    expect(model).toMatchObject({
      inputShape: [3, 2, 2],
      inputSize: 12,
      outputSize: 8,
      parameterCount: 8,
      source: 'bytes',
    });
    expect(model.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(model.graph).toMatchObject({ inputName: 'x', outputName: 'y' });
  });

  it('unpacks a .gz file and hashes what is inside', async () => {
    const path = join(folder, 'model.onnx.gz');
    writeFileSync(path, gzipSync(bytes));
    const model = await loadModel(path);
    expect(model.source).toBe(path);
    expect(model.sha256).toBe((await loadModel(bytes)).sha256);
  });

  it('refuses a .gz file that is none', async () => {
    const path = join(folder, 'plain.onnx.gz');
    writeFileSync(path, bytes);
    await expect(loadModel(path)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringContaining(path),
    });
  });

  it('names the file in errors about its content', async () => {
    const path = join(folder, 'tanh.onnx');
    writeFileSync(path, buildOnnx({ nodes: [node('Tanh', ['x'], 'y')] }));
    expect(await failure(loadModel(path))).toMatchObject(says('ERR_UNSUPPORTED', path, 'Tanh_y'));
  });

  it('counts a float tensor once and shapes not at all', async () => {
    const model = await loadModel(
      buildOnnx({
        input: ['N', 3],
        nodes: [node('Add', ['x', 'c'], 'a'), node('Add', ['a', 'c'], 'b'), node('Reshape', ['b', 's'], 'y')],
        tensors: { c: float([3], [1, 2, 3]), s: ints([1, 3]), unused: float([9], noise(5, 9)) },
      }),
    );
    expect(model.parameterCount).toBe(3);
  });

  it('keeps weights exactly as stored', async () => {
    const model = await loadModel(bytes);
    expect(model.graph.nodes[1]).toMatchObject({
      weight: Float32Array.from(noise(1, 6)),
      bias: Float32Array.from(noise(2, 2)),
    });
  });

  it('lists its operators in order', () => {
    expect(supportedOperators).toContain('BatchNormalization');
    expect([...supportedOperators].sort()).toEqual(supportedOperators);
  });
});

describe('withNormalization', () => {
  const x = Float64Array.from(noise(3, 12));
  const [mean, std] = [
    [0.5, -0.25, 0.1],
    [0.2, 2, 0.3],
  ];

  it('equals the plain model on (x - mean) / std, per channel', async () => {
    const plain = await loadModel(bytes);
    const model = plain.withNormalization({ mean, std });
    const expected = evaluate(
      plain.graph,
      x.map((value, i) => (value - mean[i >> 2]) / std[i >> 2]),
    );
    evaluate(model.graph, x).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));
    expect(model.normalization).toEqual({
      mean: Float64Array.from(x, (_, i) => mean[i >> 2]),
      std: Float64Array.from(x, (_, i) => std[i >> 2]),
    });
    expect(model).toMatchObject({
      inputShape: [3, 2, 2],
      outputSize: 8,
      sha256: plain.sha256,
      parameterCount: 8,
    });
    expect(plain.normalization).toBeUndefined();
    expect(plain.graph.nodes.length).toBe(model.graph.nodes.length - 1);
  });

  it('takes numbers, and one value per feature', async () => {
    const plain = await loadModel(bytes);
    const scalar = plain.withNormalization({ mean: 0.5, std: 0.25 });
    const features = plain.withNormalization({ mean: new Float32Array(12).fill(0.5), std: [0.25] });
    expect(evaluate(scalar.graph, x)).toEqual(evaluate(features.graph, x));
  });

  it('keeps both branches of a residual network', async () => {
    const plain = await loadModel(
      buildOnnx({ input: ['N', 2], nodes: [node('Relu', ['x'], 'r'), node('Add', ['r', 'x'], 'y')] }),
    );
    expect(evaluate(plain.withNormalization({ mean: 1, std: 2 }).graph, Float64Array.of(5, -5))).toEqual(
      Float64Array.of(4, -3),
    );
  });

  it.each([
    ['std of zero', { mean: 0, std: 0 }, 'ERR_INVALID_ARGUMENT', 'std is 0'],
    ['negative std', { mean: 0, std: [1, -1, 1] }, 'ERR_INVALID_ARGUMENT', 'std is -1'],
    ['NaN', { mean: [0, NaN, 0], std: 1 }, 'ERR_INVALID_ARGUMENT', 'mean is NaN'],
    ['two channels for three', { mean: [0, 0], std: 1 }, 'ERR_SHAPE', 'mean has 2'],
  ])('refuses %s', async (_, options, code, message) => {
    const model = await loadModel(bytes);
    expect(() => model.withNormalization(options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it('refuses to normalize twice', async () => {
    const model = (await loadModel(bytes)).withNormalization({ mean, std });
    expect(() => model.withNormalization({ mean, std })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});

describe('evaluate', () => {
  it('gives every node on request, and refuses a wrong size', async () => {
    const { graph } = await loadModel(bytes);
    const x = Float64Array.from(noise(4, 12));
    const values = evaluateAll(graph, x);
    expect(values.map((value) => value.length)).toEqual([12, 8, 8, 8]);
    expect(values[2]).toEqual(values[1].map((value) => Math.max(value, 0)));
    expect(evaluate(graph, x)).toEqual(values[3]);
    expect(() => evaluate(graph, new Float64Array(11))).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    );
  });
});
