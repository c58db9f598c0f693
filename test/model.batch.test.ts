/** Files that insist on a batch size above 1 are lowered for one image, or refused. */
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/model/index.js';
import { sizeOf } from '../src/tensor.js';
import { buildOnnx, float, ints, node, type FileSpec, type Tensor } from './support/onnx-build.js';
import { disagreement, noise, referenceOutputs } from './support/onnxruntime.js';

let seed = 1;
/** A float initializer of noise. */
const w = (...dims: number[]): Tensor => float(dims, noise(seed++, sizeOf(dims)));

describe('a batch size fixed in the file', () => {
  const spec: FileSpec = {
    input: [3, 2, 4, 4],
    nodes: [
      node('Conv', ['x', 'w', 'b'], 'c'),
      node('Relu', ['c'], 'r'),
      node('Shape', ['r'], 's'),
      node('Slice', ['s', 'from', 'to'], 'n'),
      node('Concat', ['n', 'rest'], 't', { axis: 0 }),
      node('Reshape', ['r', 't'], 'f'),
      node('Reshape', ['f', 'fixed'], 'g'),
      node('Gemm', ['g', 'v'], 'y'),
    ],
    tensors: {
      w: w(2, 2, 2, 2),
      b: w(2),
      from: ints([0]),
      to: ints([1]),
      rest: ints([-1]),
      fixed: ints([3, 18]),
      v: w(18, 2),
    },
  };

  it('is lowered for one image', async () => {
    const bytes = buildOnnx(spec);
    const images = [1, 2, 3].map((start) => noise(start, 32));
    const model = await loadModel(bytes);
    expect(model.inputShape).toEqual([2, 4, 4]);
    const expected = await referenceOutputs(bytes, images, [3, 2, 4, 4]);
    expect(disagreement(model, images, expected)).toBeUndefined();
  });

  it.each([
    ['Transpose', node('Transpose', ['x'], 'y')],
    ['Flatten', node('Flatten', ['x'], 'y', { axis: 0 })],
    ['Reshape', node('Reshape', ['x', 's'], 'y')],
    ['Unsqueeze', node('Unsqueeze', ['x', 'a'], 'y')],
    ['MatMul', node('MatMul', ['m', 'x'], 'y')],
    ['Add', node('Add', ['x', 'c'], 'y')],
    ['Pad', node('Pad', ['x', 'p'], 'y')],
  ])('is refused where %s moves or mixes it', async (_, only) => {
    const tensors = { s: ints([2, 3]), a: ints([0]), m: w(4, 3), c: w(3, 2), p: ints([1, 0, 0, 0]) };
    const bytes = buildOnnx({ input: [3, 2], nodes: [only], tensors });
    await expect(loadModel(bytes)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('batch'),
    });
  });
});
