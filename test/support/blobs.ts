/** A small problem to train on: noisy pictures with a bright patch whose place is the class. */
import type { LabelledData } from '../../src/train/index.js';
import { random } from './onnxruntime.js';

/** `count` pictures `[1, 6, 6]` of three classes, pixels in [0, 1] and multiples of 1 / 255. */
export function blobs(count: number, seed: number): LabelledData {
  const next = random(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const images = new Float32Array(count * 36);
  for (let i = 0; i < count; i++) {
    for (let pixel = 0; pixel < 36; pixel++) {
      const bright = Math.floor(pixel / 12) === labels[i] ? 0.45 : 0;
      images[36 * i + pixel] = Math.round(255 * Math.min(1, bright + 0.4 * next())) / 255;
    }
  }
  return { shape: [1, 6, 6], size: 36, count, images, labels };
}
