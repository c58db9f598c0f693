/** onnxruntime as the oracle of the importer's tests, and numbers to feed it. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { evaluate, loadModel, type Model } from '../../src/model/index.js';
import { sizeOf } from '../../src/tensor.js';
import { buildOnnx, type FileSpec } from './onnx-build.js';

/** A generated network and what is expected of its graph. */
export interface Case extends FileSpec {
  readonly title: string;
  /** Kinds of the lowered nodes after the input, where the case is about them. */
  readonly ops?: readonly string[];
}

/** Seeded uniform numbers (mulberry32), so that a failing case fails again. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` numbers in [-1, 1) that float32 holds exactly. */
export function noise(seed: number, count: number): number[] {
  const next = random(seed);
  return Array.from({ length: count }, () => Math.fround(2 * next() - 1));
}

/** onnxruntime's output for `images` stacked along the batch axis, flattened per image. */
export async function referenceOutputs(
  bytes: Uint8Array,
  images: readonly ArrayLike<number>[],
  dims: readonly number[],
  type: 'float32' | 'float64' = 'float32',
): Promise<Float64Array[]> {
  // Errors of broken files come back as rejections; its warnings would only clutter the test report.
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const flat = images.flatMap((image) => Array.from(image));
  const data = type === 'float32' ? Float32Array.from(flat) : Float64Array.from(flat);
  const outputs = await session.run({ [session.inputNames[0]]: new Tensor(type, data, dims) } as Record<
    string,
    Tensor
  >);
  const all = Float64Array.from(outputs[session.outputNames[0]].data as Float32Array);
  await session.release();
  const size = all.length / images.length;
  return images.map((_, i) => all.slice(i * size, (i + 1) * size));
}

/** The first entry off by more than 1e-5 of the image's largest output (or of 1, if that is larger). */
export function disagreement(
  model: Model,
  images: readonly ArrayLike<number>[],
  expected: readonly Float64Array[],
): string | undefined {
  for (const [i, image] of images.entries()) {
    const actual = evaluate(model.graph, Float64Array.from(image));
    if (actual.length !== expected[i].length)
      return `${actual.length} outputs, onnxruntime has ${expected[i].length}`;
    const scale = expected[i].reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const bad = actual.findIndex((value, j) => !(Math.abs(value - expected[i][j]) <= 1e-5 * scale));
    if (bad >= 0) return `image ${i}, output ${bad}: ${actual[bad]}, onnxruntime says ${expected[i][bad]}`;
  }
  return undefined;
}

/** One test per case: three random images, through the imported graph and through onnxruntime. */
export function describeAgreement(title: string, cases: readonly Case[]): void {
  describe(`${title}: as onnxruntime`, () => {
    it.each(cases)('$title', async (spec) => {
      const bytes = buildOnnx(spec);
      const dims = (spec.input ?? []).map((dim) => (typeof dim === 'string' ? 1 : dim));
      const type = spec.type === 'double' ? 'float64' : 'float32';
      const model = await loadModel(bytes);
      expect(model.inputSize).toBe(sizeOf(dims));
      const ops = model.graph.nodes.slice(1).map(({ op }) => op);
      expect(ops).toEqual(spec.ops ?? ops);
      for (const seed of [1000, 2000, 3000]) {
        const image = noise(seed, model.inputSize);
        const expected = await referenceOutputs(bytes, [image], dims, type);
        expect(disagreement(model, [image], expected)).toBeUndefined();
      }
    });
  });
}
