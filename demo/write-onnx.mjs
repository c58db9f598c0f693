import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;
const float = onnx.TensorProto.DataType.FLOAT;

const tensor = (name, dims, values) => ({
  name,
  dims,
  dataType: float,
  rawData: new Uint8Array(Float32Array.from(values).buffer),
});

const ints = (name, values) => ({ name, ints: values, type: onnx.AttributeProto.AttributeType.INTS });

const tensorType = (name, dims) => ({
  name,
  type: {
    tensorType: {
      elemType: float,
      shape: { dim: dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d })) },
    },
  },
});

/**
 * The bytes of a network of `network.mjs` as an ONNX file (opset 17, float32, batch axis `N`): input
 * `image` of the given shape, output `logits`.
 */
export function encodeOnnx(network, inputShape) {
  const node = [];
  const initializer = [];
  let value = 'image';
  const add = (opType, name, inputs, attribute = []) => {
    node.push({ opType, name, input: [value, ...inputs], output: [name], attribute });
    value = name;
  };
  let flat = false;
  network.layers.forEach(({ geometry, outputs, fanIn, weight, bias }, k) => {
    const isLast = k === network.layers.length - 1;
    const name = isLast ? 'logits' : `layer${k + 1}`;
    const parameters = [`${name}.weight`, `${name}.bias`];
    if (geometry.op === 'conv') {
      const { channels, kernel, stride, pad } = geometry;
      initializer.push(tensor(parameters[0], [outputs, channels, kernel, kernel], weight));
      add('Conv', name, parameters, [
        ints('kernel_shape', [kernel, kernel]),
        ints('strides', [stride, stride]),
        ints('pads', [pad, pad, pad, pad]),
      ]);
    } else {
      if (!flat) add('Flatten', 'flat', []);
      flat = true;
      initializer.push(tensor(parameters[0], [outputs, fanIn], weight));
      add('Gemm', name, parameters, [{ name: 'transB', i: 1, type: onnx.AttributeProto.AttributeType.INT }]);
    }
    initializer.push(tensor(parameters[1], [outputs], bias));
    if (!isLast) add('Relu', `relu${k + 1}`, []);
  });
  const model = onnx.ModelProto.create({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    producerName: 'bulwark demo',
    graph: {
      name: 'digits',
      node,
      initializer,
      input: [tensorType('image', ['N', ...inputShape])],
      output: [tensorType('logits', ['N', 10])],
    },
  });
  return onnx.ModelProto.encode(model).finish();
}
