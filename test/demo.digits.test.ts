import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { digitSize, drawDigits, seeds } from '../demo/digits.mjs';
import { evaluate, loadModel } from '../src/model/index.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const pixelCount = digitSize * digitSize;

describe('the synthetic digits of the demo', () => {
  it('are the same bytes on every machine', () => {
    const { images, labels } = drawDigits(100, seeds.demo);
    expect(sha256(images)).toBe('8bb1b85b67281b994780b325728e788b013202afda7fb8de3817c2da7262e232');
    expect(sha256(labels)).toBe('dd0eea5de6cc3ce90d33bbad2f92f4fa25919426ef411ca7d1f49e5ebeddf7ec');
  });

  it('start the same however many are drawn, and differ by seed', () => {
    const many = drawDigits(40, 5);
    expect(drawDigits(20, 5).images).toEqual(many.images.subarray(0, 20 * pixelCount));
    expect(drawDigits(40, 6).images).not.toEqual(many.images);
  });

  it('hold every label once in each run of ten', () => {
    const { labels } = drawDigits(200, 11);
    for (let start = 0; start < labels.length; start += 10) {
      expect([...labels.subarray(start, start + 10)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  it('are strokes on an emptier ground, no two alike', () => {
    const count = 200;
    const { images } = drawDigits(count, 12);
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const image = images.subarray(i * pixelCount, (i + 1) * pixelCount);
      seen.add(sha256(image));
      expect(Math.max(...image)).toBeGreaterThan(120);
      const ink = image.filter((value) => value > 64).length;
      expect(ink).toBeGreaterThan(8);
      expect(ink).toBeLessThan(pixelCount / 2);
    }
    expect(seen.size).toBe(count);
  });
});

describe('demo/digits.onnx', () => {
  const file = fileURLToPath(new URL('../demo/digits.onnx', import.meta.url));
  const count = 1000;
  const { images, labels } = drawDigits(count, 99);
  const pixels = Float32Array.from(images, (value) => value / 255);

  const runOnnxruntime = async () => {
    const session = await InferenceSession.create(file);
    const image = new Tensor('float32', pixels, [count, 1, digitSize, digitSize]);
    const { logits } = await session.run({ image });
    expect(logits.dims).toEqual([count, 10]);
    return logits.data as Float32Array;
  };

  it('names at least 98 % of freshly drawn digits, as onnxruntime runs it', async () => {
    const logits = await runOnnxruntime();
    const correct = labels.filter((label, i) => {
      const row = logits.subarray(10 * i, 10 * i + 10);
      return row.indexOf(Math.max(...row)) === label;
    }).length;
    expect(correct / count).toBeGreaterThanOrEqual(0.98);
  });

  it('gives the same logits through the model reader', async () => {
    const logits = await runOnnxruntime();
    const { graph } = await loadModel(file);
    for (let i = 0; i < 50; i++) {
      const image = Float64Array.from(pixels.subarray(i * pixelCount, (i + 1) * pixelCount));
      evaluate(graph, image).forEach((value, j) => expect(value).toBeCloseTo(logits[10 * i + j], 4));
    }
  });
});
