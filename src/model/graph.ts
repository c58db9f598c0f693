/**
 * The network as bulwark sees it: a directed acyclic graph of affine operators, ReLUs and adds, in
 * topological order. The ONNX reader lowers a file to this form; the native engine and the
 * certificate checker start from it. Node 0 is the input; the last node is the output.
 *
 * Shapes have no batch axis: `[n]` for vectors, `[channels, height, width]` for feature maps.
 * Features are numbered in ONNX (row-major) order everywhere on this side of the native boundary.
 * Weights are kept exactly as stored in the file (float32 or float64), never rounded or folded here;
 * constants that must be computed (BatchNormalization, Gemm's alpha, 1 / divisor) are float64.
 */
export type Weights = Float32Array | Float64Array;

interface Common {
  /** Name of the ONNX node this came from (used in error messages). */
  readonly name: string;
  /** Shape of this node's output, without the batch axis. */
  readonly shape: readonly number[];
}

export interface InputNode extends Common {
  readonly op: 'input';
}

/** `y = W x + b` from a vector `[in]` to a vector `[out]`; weight is `[out, in]` row-major, bias `[out]`. */
export interface LinearNode extends Common {
  readonly op: 'linear';
  readonly input: number;
  readonly weight: Weights;
  readonly bias: Weights;
}

/** ONNX Conv on `[channels, height, width]`; weight is `[out, in / group, kernelH, kernelW]`, bias `[out]`. */
export interface ConvNode extends Common {
  readonly op: 'conv';
  readonly input: number;
  readonly weight: Weights;
  readonly bias: Weights;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Zero padding: top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly group: number;
}

/** `y_i = scale_i x_i + shift_i`, one entry per feature (constants already broadcast). */
export interface ScaleNode extends Common {
  readonly op: 'scale';
  readonly input: number;
  readonly scale: Weights;
  readonly shift: Weights;
}

/** `y_i = x[indices_i]`, or 0 where `indices_i = -1`: Transpose and Pad (zeros). No feature is taken twice. */
export interface IndexNode extends Common {
  readonly op: 'index';
  readonly input: number;
  readonly indices: Int32Array;
}

/** Same features in the same order under another shape: Flatten, Reshape, Squeeze, Unsqueeze. */
export interface ReshapeNode extends Common {
  readonly op: 'reshape';
  readonly input: number;
}

export interface ReluNode extends Common {
  readonly op: 'relu';
  readonly input: number;
}

/** `y = x_a + x_b` of two different nodes of equal shape (residual connections). */
export interface AddNode extends Common {
  readonly op: 'add';
  readonly inputs: readonly [number, number];
}

export type GraphNode =
  InputNode | LinearNode | ConvNode | ScaleNode | IndexNode | ReshapeNode | ReluNode | AddNode;

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly inputName: string;
  readonly outputName: string;
}
