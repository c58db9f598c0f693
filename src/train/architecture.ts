import { InvalidArgumentError } from '../errors.js';
import { formatShape, sizeOf } from '../tensor.js';

export interface LinearLayer {
  readonly kind: 'linear';
  readonly outputs: number;
}

/** A square convolution. */
export interface ConvLayer {
  readonly kind: 'conv';
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
}

/** Layers with a ReLU between each two. `shapes[k]` is the shape that layer k reads; the last one is the output. */
export interface Architecture {
  readonly text: string;
  readonly layers: readonly (LinearLayer | ConvLayer)[];
  readonly shapes: readonly (readonly number[])[];
}

const grammar =
  "expected the input and the layers with '-' between them, such as 784-128-128-10 or 1x16x16-c8k4s2p1-64-10 " +
  '(c: channels, k: kernel, s: stride, p: padding)';

/**
 * Reads an architecture: first the input, `N` or `CxHxW`, then per layer `N` (fully connected) or
 * `cOUTkKERNEL` with `sSTRIDE` and `pPAD` (1 and 0 when left out). ReLUs stand between layers.
 *
 * @throws InvalidArgumentError for any other text, and where a layer does not fit what it reads.
 */
export function parseArchitecture(text: string): Architecture {
  const wrong = (why: string): InvalidArgumentError =>
    new InvalidArgumentError(`architecture '${text}': ${why}; ${grammar}`);
  const [first, ...rest] = text.split('-');
  if (!/^[1-9]\d*(x[1-9]\d*x[1-9]\d*)?$/.test(first)) throw wrong(`its input is '${first}'`);
  if (rest.length === 0) throw wrong('it has no layers');
  const shapes: number[][] = [first.split('x').map(Number)];
  const layers = rest.map((token) => {
    const layer = parseLayer(token);
    if (layer === undefined) throw wrong(`layer '${token}'`);
    const shape = shapes[shapes.length - 1];
    if (layer.kind === 'linear') {
      shapes.push([layer.outputs]);
      return layer;
    }
    const [, height, width] = shape;
    const extent = (size: number): number =>
      Math.floor((size + 2 * layer.pad - layer.kernel) / layer.stride) + 1;
    if (shape.length !== 3 || extent(height) < 1 || extent(width) < 1) {
      throw wrong(`layer '${token}' does not fit its input ${formatShape(shape)}`);
    }
    shapes.push([layer.outputs, extent(height), extent(width)]);
    return layer;
  });
  if (layers[layers.length - 1].kind !== 'linear') throw wrong('its last layer is no vector of outputs');
  if (shapes.some((shape) => sizeOf(shape) > 2 ** 24)) throw wrong('it is too large');
  return { text, layers, shapes };
}

function parseLayer(token: string): LinearLayer | ConvLayer | undefined {
  if (/^[1-9]\d*$/.test(token)) return { kind: 'linear', outputs: Number(token) };
  const match = /^c([1-9]\d*)k([1-9]\d*)(?:s([1-9]\d*))?(?:p(\d+))?$/.exec(token);
  if (!match) return undefined;
  const [outputs, kernel, stride, pad] = match.slice(1).map((digits) => digits && Number(digits));
  return {
    kind: 'conv',
    outputs: outputs as number,
    kernel: kernel as number,
    stride: stride || 1,
    pad: pad || 0,
  } as ConvLayer;
}
