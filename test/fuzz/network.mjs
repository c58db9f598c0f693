/** A chain of matrices and ReLUs as an ONNX file. */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

/** @param sizes features of the input, of each hidden layer and of the output; weights are random. */
export function network(random, sizes) {
  const [initializer, nodes] = [[], []];
  const tensor = (name, dims) => {
    const count = dims.reduce((size, dim) => size * dim, 1);
    const data = Float32Array.from(
      { length: count },
      () => (2 * random.uniform() - 1) * Math.sqrt(3 / dims.at(-1)),
    );
    initializer.push({ name, dims, dataType: 1, rawData: Buffer.from(data.buffer) });
  };
  let from = 'x';
  sizes.slice(1).forEach((size, layer) => {
    if (layer > 0) {
      nodes.push({ opType: 'Relu', name: `relu${layer}`, input: [from], output: [`h${layer}`] });
      from = `h${layer}`;
    }
    tensor(`w${layer}`, [size, sizes[layer]]);
    tensor(`b${layer}`, [size]);
    const to = layer + 2 === sizes.length ? 'y' : `z${layer}`;
    const attribute = [{ name: 'transB', type: 2, i: 1 }];
    nodes.push({
      opType: 'Gemm',
      name: to,
      input: [from, `w${layer}`, `b${layer}`],
      output: [to],
      attribute,
    });
    from = to;
  });
  const shape = { dim: [{ dimValue: 1 }, { dimValue: sizes[0] }] };
  const graph = {
    name: 'fuzz',
    input: [{ name: 'x', type: { tensorType: { elemType: 1, shape } } }],
    output: [{ name: 'y', type: { tensorType: { elemType: 1 } } }],
    initializer,
    node: nodes,
  };
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph };
  return onnx.ModelProto.encode(onnx.ModelProto.create(model)).finish();
}
