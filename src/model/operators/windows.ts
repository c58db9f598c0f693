/** The windows of Conv and the pools: how a kernel slides over a map; a signal `[N, C, L]` is a map of height 1. */
import { ModelError, ShapeError, UnsupportedError } from '../../errors.js';
import { formatShape, sameShape } from '../../tensor.js';
import type { DataValue } from '../value.js';
import type { Call } from './operator.js';

/** How the kernel slides along one axis, and the size of the output there. */
export interface Window {
  /** Of the data. */
  readonly extent: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  readonly out: number;
}

const FLAT: Window = { extent: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, out: 1 };

/** @throws UnsupportedError, ShapeError unless the data are one signal `[1, C, L]` or map `[1, C, H, W]`. */
export function requireMap({ where }: Call, { shape }: DataValue): void {
  if (shape.length !== 3 && shape.length !== 4) {
    throw new UnsupportedError(
      `${where}: data of shape ${formatShape(shape)}; supported: [N, C, L] and [N, C, H, W]`,
    );
  }
  if (shape[0] !== 1) throw new ShapeError(`${where}: shape ${formatShape(shape)} holds several images`);
}

/** The windows along every spatial axis as vertical and horizontal ones. */
export function verticalHorizontal(spatial: readonly Window[]): [Window, Window] {
  return spatial.length === 1 ? [FLAT, spatial[0]] : [spatial[0], spatial[1]];
}

/** What a conv node says of its windows, and the shape of its output. */
export function geometry(channels: number, spatial: readonly Window[]) {
  const [vertical, horizontal] = verticalHorizontal(spatial);
  return {
    shape: [channels, vertical.out, horizontal.out],
    kernel: [vertical.kernel, horizontal.kernel],
    strides: [vertical.stride, horizontal.stride],
    pads: [vertical.before, horizontal.before, vertical.after, horizontal.after],
    dilations: [vertical.dilation, horizontal.dilation],
  } as const;
}

/**
 * Windows along every spatial axis of data `[1, C, ...]`, from the attributes that Conv and the pools share. With `ceil_mode` a last
 * window that hangs over the end counts, unless it begins in the padding; the padding is as long as it needs.
 *
 * @throws ModelError, ShapeError, UnsupportedError where attributes contradict each other or the data.
 */
export function windows(call: Call, x: DataValue, kernel: readonly number[]): Window[] {
  const { attributes, where } = call;
  const size = x.shape.slice(2);
  const declared = attributes.integers('kernel_shape') ?? kernel;
  if (!sameShape(declared, kernel)) {
    throw new ShapeError(
      `${where}: kernel_shape ${formatShape(declared)} differs from the kernel's ${formatShape(kernel)}`,
    );
  }
  const list = (name: string, count: number, least: number, fallback: number) => {
    const values = attributes.integers(name) ?? new Array<number>(count).fill(fallback);
    if (values.length !== count || values.some((value) => value < least)) {
      throw new ModelError(
        `${where}: ${name} ${formatShape(values)}; expected ${count} integers of at least ${least}`,
      );
    }
    return values;
  };
  const axes = size.length;
  const strides = list('strides', axes, 1, 1);
  const dilations = list('dilations', axes, 1, 1);
  const pads = list('pads', 2 * axes, 0, 0);
  const ceil = attributes.integer('ceil_mode', 0) !== 0;
  const mode = attributes.string('auto_pad', 'NOTSET');
  if (mode !== 'NOTSET' && pads.some((pad) => pad !== 0)) {
    throw new ModelError(`${where}: has both pads ${formatShape(pads)} and auto_pad ${mode}`);
  }
  const spatial = size.map((extent, axis): Window => {
    const [stride, dilation] = [strides[axis], dilations[axis]];
    const reach = (kernel[axis] - 1) * dilation + 1;
    const [before, after] =
      mode === 'NOTSET' ? [pads[axis], pads[axis + axes]] : automaticPads(call, mode, extent, reach, stride);
    const common = { extent, kernel: kernel[axis], stride, dilation, before };
    const steps = (extent + before + after - reach) / stride;
    if (!ceil || Number.isInteger(steps)) return { ...common, after, out: Math.floor(steps) + 1 };
    const more = Math.ceil(steps);
    const out = more * stride < extent + before ? more + 1 : more;
    return { ...common, after: Math.max(after, (out - 1) * stride + reach - extent - before), out };
  });
  if (spatial.some(({ out }) => out < 1)) {
    throw new ShapeError(
      `${where}: kernel ${formatShape(kernel)} is larger than the padded data of shape ${formatShape(x.shape)}`,
    );
  }
  return spatial;
}

/** `auto_pad`: SAME makes the output `ceil(extent / stride)` long, with the odd zero at the named end. */
function automaticPads(
  call: Call,
  mode: string,
  extent: number,
  reach: number,
  stride: number,
): [number, number] {
  if (mode === 'VALID') return [0, 0];
  if (mode !== 'SAME_UPPER' && mode !== 'SAME_LOWER') {
    throw new UnsupportedError(
      `${call.where}: auto_pad '${mode}'; supported: NOTSET, SAME_UPPER, SAME_LOWER, VALID`,
    );
  }
  const total = Math.max(0, (Math.ceil(extent / stride) - 1) * stride + reach - extent);
  const small = Math.floor(total / 2);
  return mode === 'SAME_UPPER' ? [small, total - small] : [total - small, small];
}
