/** Pools: an average is a convolution with a kernel per channel, a maximum is made of ReLUs. */
import { ModelError, UnsupportedError } from '../../errors.js';
import { sizeOf } from '../../tensor.js';
import type { DataValue } from '../value.js';
import { zeros } from './linear.js';
import { dataInput, type Call, type Operator } from './operator.js';
import { type Window, geometry, requireMap, verticalHorizontal, windows } from './windows.js';

const slides = ['auto_pad', 'ceil_mode', 'dilations', 'kernel_shape', 'pads', 'strides'];

function kernelShape(call: Call): readonly number[] {
  const kernel = call.attributes.integers('kernel_shape');
  if (kernel === undefined) throw new ModelError(`${call.where}: kernel_shape is missing`);
  if (kernel.some((size) => size < 1))
    throw new ModelError(`${call.where}: kernel_shape [${kernel.join(', ')}]; expected sizes of at least 1`);
  return kernel;
}

function slidingWindows(call: Call, x: DataValue): Window[] {
  requireMap(call, x);
  const kernel = kernelShape(call);
  if (kernel.length !== x.shape.length - 2) {
    throw new ModelError(
      `${call.where}: kernel_shape [${kernel.join(', ')}] for data of ${x.shape.length - 2} spatial axes`,
    );
  }
  const spatial = windows(call, x, kernel);
  call.builder.spend(
    spatial.reduce((sum, { kernel: size, out }) => sum + size * out, 0),
    call.where,
  );
  if (spatial.some((window) => counts(window).includes(0)))
    throw new ModelError(`${call.where}: a window meets nothing but padding`);
  return spatial;
}

/** One window over all of every axis. */
function globalWindows(call: Call, x: DataValue): Window[] {
  requireMap(call, x);
  return windows(call, x, x.shape.slice(2));
}

/** The shape of a pool's output. */
const pooled = (x: DataValue, spatial: readonly Window[]) => [
  1,
  x.shape[1],
  ...spatial.map(({ out }) => out),
];

/** The element that each window meets at place `tap` of its kernel, -1 in the padding. */
const places = ({ extent, stride, dilation, before, out }: Window, tap: number): number[] =>
  Array.from({ length: out }, (_, window) => {
    const place = window * stride + tap * dilation - before;
    return place >= 0 && place < extent ? place : -1;
  });

const taps = ({ kernel }: Window): number[] => [...new Array(kernel).keys()];

/** How many elements, padding not counted, every window meets. */
const counts = (window: Window): number[] => {
  const met = new Array<number>(window.out).fill(0);
  for (const tap of taps(window)) places(window, tap).forEach((place, i) => (met[i] += place >= 0 ? 1 : 0));
  return met;
};

/** Whether padding is in some window. */
const meetsPadding = (window: Window): boolean => counts(window).some((count) => count < window.kernel);

/**
 * An average over windows. Divisors are float64, as all constants that must be computed: 1 / 9 is rounded.
 */
function average(call: Call, x: DataValue, spatial: readonly Window[], countPadding: boolean): DataValue {
  const { builder, name, where } = call;
  const channels = x.shape[1];
  const size = spatial.reduce((product, { kernel }) => product * kernel, 1);
  builder.spend(channels * size, where);
  const shape = pooled(x, spatial);
  builder.spend(size * sizeOf(shape), where);
  const divided = countPadding || !spatial.some(meetsPadding);
  const sums = builder.append(
    {
      op: 'conv',
      name,
      input: x.node,
      weight: divided ? new Float64Array(channels * size).fill(1 / size) : zeros(channels * size, x).fill(1),
      bias: zeros(channels, x),
      ...geometry(channels, spatial),
      group: channels,
    },
    shape,
  );
  if (divided) return sums;
  builder.spend(2 * sizeOf(shape), where);
  const [down, across] = verticalHorizontal(spatial).map(counts);
  const one = down.flatMap((rows) => across.map((columns) => 1 / (rows * columns)));
  const scale = Float64Array.from({ length: sizeOf(shape) }, (_, i) => one[i % one.length]);
  const node = { op: 'scale', name, shape: builder.shapeOf(sums), input: sums.node } as const;
  return builder.append({ ...node, scale, shift: zeros(scale.length, x) }, shape);
}

/**
 * A maximum over windows by pairs, max(a, b) = a + relu(b - a). Padding, which is to lose against everything, is 0
 * here, so it is for data that a ReLU made.
 */
function maximum(call: Call, x: DataValue, spatial: readonly Window[]): DataValue {
  const { builder, where, name } = call;
  const [vertical, horizontal] = verticalHorizontal(spatial);
  const shape = pooled(x, spatial);
  builder.spend(sizeOf(shape) * vertical.kernel * horizontal.kernel, where);
  if (spatial.some(meetsPadding) && !builder.isRelu(x))
    throw new UnsupportedError(`${where}: its windows reach into padding; supported for the output of Relu`);
  const planes = [...new Array(x.shape[1]).keys()];
  const picked = taps(vertical).flatMap((down) =>
    taps(horizontal).map((right) => {
      const [rows, columns] = [places(vertical, down), places(horizontal, right)];
      const indices = planes.flatMap((plane) =>
        rows.flatMap((row) =>
          columns.map((column) =>
            row < 0 || column < 0 ? -1 : (plane * vertical.extent + row) * horizontal.extent + column,
          ),
        ),
      );
      const node = {
        op: 'index',
        name,
        shape: geometry(planes.length, spatial).shape,
        input: x.node,
      } as const;
      return builder.append({ ...node, indices: Int32Array.from(indices) }, shape);
    }),
  );
  return tournament(call, picked);
}

/** The largest of values of one shape, feature by feature. */
function tournament(call: Call, values: readonly DataValue[]): DataValue {
  if (values.length === 1) return values[0];
  const half = Math.ceil(values.length / 2);
  return larger(call, tournament(call, values.slice(0, half)), tournament(call, values.slice(half)));
}

function larger({ builder, name }: Call, a: DataValue, b: DataValue): DataValue {
  const common = { name, shape: builder.shapeOf(a) };
  const size = sizeOf(common.shape);
  builder.spend(2 * size, name);
  const [scale, shift] = [zeros(size, a).fill(-1), zeros(size, a)];
  const negated = builder.append({ ...common, op: 'scale', input: a.node, scale, shift }, a.shape);
  const gap = builder.append({ ...common, op: 'add', inputs: [b.node, negated.node] }, a.shape);
  const gain = builder.append({ ...common, op: 'relu', input: gap.node }, a.shape);
  return builder.append({ ...common, op: 'add', inputs: [a.node, gain.node] }, a.shape);
}

const averagePool: Operator = {
  inputs: [1, 1],
  attributes: [...slides, 'count_include_pad'],
  lower(call) {
    const x = dataInput(call, 0);
    const countPadding = call.attributes.integer('count_include_pad', 0) !== 0;
    if (countPadding && call.attributes.integer('ceil_mode', 0) !== 0)
      throw new UnsupportedError(`${call.where}: count_include_pad and ceil_mode together`);
    return average(call, x, slidingWindows(call, x), countPadding);
  },
};

const globalAveragePool: Operator = {
  inputs: [1, 1],
  attributes: [],
  lower(call) {
    const x = dataInput(call, 0);
    return average(call, x, globalWindows(call, x), false);
  },
};

const maxPool: Operator = {
  inputs: [1, 1],
  attributes: [...slides, 'storage_order'],
  lower(call) {
    const x = dataInput(call, 0);
    return maximum(call, x, slidingWindows(call, x));
  },
};

const globalMaxPool: Operator = {
  inputs: [1, 1],
  attributes: [],
  lower(call) {
    const x = dataInput(call, 0);
    return maximum(call, x, globalWindows(call, x));
  },
};

export const poolingOperators = {
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  MaxPool: maxPool,
};
