/** The stand-in for the addon under its type, and a small model for it. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeBinding, NativeBoundsOptions, NativeRegion, NativeRows } from '../../src/binding.js';
import { type Model, loadModel } from '../../src/model/index.js';
import { buildOnnx, float, node } from './onnx-build.js';

export interface FakeCall {
  kind: 'network' | 'forward' | 'bounds' | 'attack';
  count: number;
  options: NativeBoundsOptions;
  region: NativeRegion;
  rows: NativeRows;
}

export interface FakeHooks {
  delay?: number;
  fail?: (kind: string, region: { count: number; center: Float64Array }) => void;
  calls?: FakeCall[];
  devices?: { kind: 'cpu' | 'cuda'; name: string }[];
}

/** For the environment variable BULWARK_NATIVE. */
export const fakeAddonPath = fileURLToPath(new URL('fake-addon.cjs', import.meta.url));

const { makeBinding } = createRequire(import.meta.url)(fakeAddonPath) as {
  makeBinding: (hooks?: FakeHooks) => NativeBinding;
};

export const fakeBinding = makeBinding;

/** ONNX bytes of `y = x` on R^2: the margin of class 0 at x is x_0 - x_1. */
export function identityOnnx(): Uint8Array {
  return buildOnnx({
    input: ['N', 2],
    nodes: [node('Gemm', ['x', 'w', 'b'], 'y')],
    tensors: { w: float([2, 2], [1, 0, 0, 1]), b: float([2], [0, 0]) },
  });
}

export function identityModel(): Promise<Model> {
  return loadModel(identityOnnx());
}
