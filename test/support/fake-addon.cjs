/**
 * A stand-in for the native addon, for tests of what lies above it. It evaluates small networks
 * exactly and bounds them by the product of Frobenius norms, times a factor per method: as sound as
 * tests of bookkeeping need. `BULWARK_NATIVE` may name this file; `BULWARK_FAKE_DELAY` is then the
 * milliseconds that every call takes.
 */
'use strict';

const looseness = { lip: 1, ibp: 0.8, crown: 0.5, 'sdp-crown': 0.3, 'alpha-crown': 0.25, joint: 0.2 };

function coded(code, message) {
  return Object.assign(new Error(message), { code });
}

function forwardOne(nodes, x) {
  const values = [];
  for (const node of nodes) {
    const input = values[node.input];
    if (node.op === 'input') values.push(Array.from(x));
    else if (node.op === 'relu') values.push(input.map((v) => Math.max(0, v)));
    else if (node.op === 'scale') values.push(input.map((v, i) => v * node.scale[i] + node.shift[i]));
    else if (node.op === 'linear') {
      values.push(
        Array.from(node.bias, (bias, row) =>
          input.reduce((sum, v, i) => sum + node.weight[row * input.length + i] * v, bias),
        ),
      );
    } else values.push(input);
  }
  return values.at(-1);
}

function frobenius(nodes) {
  const ofNode = (node) => {
    if (node.op === 'linear') return Math.hypot(...node.weight);
    return node.op === 'scale' ? Math.max(...node.scale.map(Math.abs)) : 1;
  };
  return nodes.reduce((product, node) => product * ofNode(node), 1);
}

/** Distance from the centre that the region allows, in l2. */
function reach(region, image, size) {
  if (region.kind !== 'box') return region.eps[image];
  let sum = 0;
  for (let i = image * size; i < (image + 1) * size; i += 1) {
    sum += Math.max(region.upper[i] - region.center[i], region.center[i] - region.lower[i]) ** 2;
  }
  return Math.sqrt(sum);
}

/** Each row's value at the centre and how far it can fall in the region. */
function rowsOf(network, region, rows) {
  const { inputSize, outputSize, nodes } = network;
  const result = [];
  for (let image = 0; image < region.count; image += 1) {
    const y = forwardOne(nodes, region.center.subarray(image * inputSize, (image + 1) * inputSize));
    for (let row = 0; row < rows.rowCount; row += 1) {
      const at = (rows.shared ? 0 : image * rows.rowCount) + row;
      const c = rows.c.subarray(at * outputSize, (at + 1) * outputSize);
      const value = y.reduce((sum, v, j) => sum + c[j] * v, rows.d[at]);
      result.push({ value, fall: Math.hypot(...c) * frobenius(nodes) * reach(region, image, inputSize) });
    }
  }
  return result;
}

/**
 * @param hooks `delay` in milliseconds; `fail(kind, region)` may throw before a call computes;
 *   `calls` collects what was asked.
 */
function makeBinding(hooks = {}) {
  const { delay = 0, fail = () => undefined, calls = [], devices = [{ kind: 'cpu', name: 'fake' }] } = hooks;

  function work(kind, control, region, compute) {
    return new Promise((resolve, reject) => {
      const token = control.cancel;
      const timer = setTimeout(() => {
        try {
          fail(kind, region);
          control.onProgress?.(1, 1);
          resolve(compute());
        } catch (error) {
          reject(error);
        }
      }, delay);
      if (token) {
        token.onCancel = () => {
          clearTimeout(timer);
          reject(coded('ERR_ABORTED', 'the operation was aborted'));
        };
      }
    });
  }

  function createEngine({ threads, device }) {
    let open = true;
    const check = () => {
      if (!open) throw coded('ERR_CLOSED', 'the engine is closed');
    };
    return {
      threads,
      device,
      forward(network, x, count, control) {
        check();
        calls.push({ kind: 'forward', count });
        const { inputSize, nodes } = network;
        return work('forward', control, { count, center: x }, () =>
          Float64Array.from(
            Array.from({ length: count }, (_, i) =>
              forwardOne(nodes, x.subarray(i * inputSize, (i + 1) * inputSize)),
            ).flat(),
          ),
        );
      },
      bounds(network, region, rows, options, control) {
        check();
        calls.push({ kind: 'bounds', count: region.count, options, region, rows });
        return work('bounds', control, region, () => {
          const factor = looseness[options.method] * (options.boxes === 'optimised' ? 0.5 : 1);
          const all = rowsOf(network, region, rows);
          const coefficients = {
            slope: new Float64Array(all.length * network.inputSize),
            offset: Float64Array.from(all, ({ value, fall }) => value - factor * fall),
          };
          return {
            lower: Float64Array.from(all, ({ value, fall }) => value - factor * fall),
            iterations: new Int32Array(all.length).fill(options.iterations),
            timedOut: new Uint8Array(region.count),
            ...(options.coefficients ? coefficients : {}),
          };
        });
      },
      attack(network, region, rows, options, control) {
        check();
        calls.push({ kind: 'attack', count: region.count, options, region });
        return work('attack', control, region, () => {
          const value = Float64Array.from(
            rowsOf(network, region, rows),
            ({ value: at, fall }) => at - 0.05 * fall,
          );
          const images = Array.from({ length: region.count }, (_, i) =>
            value.subarray(i * rows.rowCount, (i + 1) * rows.rowCount),
          );
          const margin = Float64Array.from(images, (values) => Math.min(...values));
          return {
            value,
            margin,
            row: Int32Array.from(images, (values, i) => values.indexOf(margin[i])),
            point: region.center.slice(),
          };
        });
      },
      norms(network, control) {
        check();
        return work('norms', control, undefined, () =>
          network.nodes
            .filter(({ op }) => op === 'linear')
            .map(({ name, weight, bias }) => ({
              name,
              inputSize: weight.length / bias.length,
              outputSize: bias.length,
              norm: Math.hypot(...weight),
            })),
        );
      },
      close() {
        open = false;
      },
    };
  }

  return {
    createNetwork(nodes) {
      calls.push({ kind: 'network' });
      return { nodes, inputSize: nodes[0].shape[0], outputSize: nodes.at(-1).shape[0] };
    },
    createEngine,
    createCancelToken: () => ({
      cancel() {
        this.onCancel?.();
      },
    }),
    instructionSets: () => ['fake'],
    devices: () => devices,
    cudaAbsence: () => 'a fake has none',
  };
}

module.exports = {
  ...makeBinding({ delay: Number(process.env.BULWARK_FAKE_DELAY ?? 0) }),
  makeBinding,
};
