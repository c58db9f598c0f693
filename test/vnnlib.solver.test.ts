/** Decisions on the real engine about networks whose answers are known. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  type Model,
  Verifier,
  type VnnLib,
  decide,
  evaluate,
  isCounterexample,
  loadModel,
  loadVnnLib,
  parseVnnLib,
} from '../src/index.js';
import { referenceOutputs } from './support/onnxruntime.js';
import { failure, says } from './support/failure.js';
import { NetworkBuilder, Random } from './support/random-networks.js';

let verifier: Verifier;
beforeAll(() => {
  verifier = new Verifier({ threads: 1 });
});
afterAll(() => verifier.close());

/** `y_0 = |x_0| + |x_1| + ...`, `y_1 = x_0` and `y_2 = -x_0`. */
function absolutes(inputs: number) {
  const network = new NetworkBuilder([inputs], new Random(1));
  const signed = Array.from({ length: 2 * inputs }, (_, row) =>
    Array.from({ length: inputs }, (_x, i) => (i === row >> 1 ? (row % 2 === 0 ? 1 : -1) : 0)),
  );
  const hidden = network.relu(
    network.linear(
      0,
      2 * inputs,
      signed.flat(),
      signed.map(() => 0),
    ),
  );
  const ones = signed.map(() => 1);
  const first = signed.map((_, i) => (i === 0 ? 1 : i === 1 ? -1 : 0));
  network.linear(hidden, 3, [...ones, ...first, ...first.map((v) => -v)], [0, 0, 0]);
  return network.model();
}

/** All inputs in [-1, 1], three outputs. */
function specification(inputs: number, assertions: string) {
  const all = Array.from({ length: inputs }, (_, i) => i);
  return parseVnnLib(
    [
      ...all.map((i) => `(declare-const X_${i} Real)`),
      ...[0, 1, 2].map((j) => `(declare-const Y_${j} Real)`),
      ...all.map((i) => `(assert (>= X_${i} -1)) (assert (<= X_${i} 1))`),
      assertions,
    ].join('\n'),
  );
}

function verdict(inputs: number, assertions: string): Promise<Answer> {
  const deadline = performance.now() + 20_000;
  return decide(verifier, absolutes(inputs), specification(inputs, assertions), { deadline });
}

/** Whether the counterexample of `sat` is one, with the model's own outputs. */
function isTrue(answer: Answer, model: Model, spec: VnnLib): boolean {
  if (answer.verdict !== 'sat') return true;
  const { x, y } = answer.counterexample;
  return isCounterexample(spec, x, y) && evaluate(model.graph, x).every((value, j) => value === y[j]);
}

describe('answers that are known', () => {
  it.each([
    ['the corners reach 2', 2, '(assert (>= Y_0 2))', 'sat'],
    ['nothing exceeds 2', 2, '(assert (>= Y_0 2.001))', 'unsat'],
    ['the norm is never negative', 2, '(assert (<= Y_0 -0.001))', 'unsat'],
    ['two outputs that exclude each other', 2, '(assert (>= Y_1 0.1)) (assert (>= Y_2 0.1))', 'unsat'],
    ['a conjunction in a corner', 2, '(assert (>= Y_1 0.9)) (assert (>= Y_0 1.9))', 'sat'],
    ['a conjunction that only splitting refutes', 3, '(assert (<= Y_0 0.4)) (assert (>= Y_1 0.5))', 'unsat'],
    ['a disjunction with one case', 2, '(assert (or (>= Y_0 3) (and (>= Y_1 0.9) (<= Y_0 1))))', 'sat'],
    ['a disjunction without any', 2, '(assert (or (>= Y_0 3) (and (>= Y_1 0.9) (<= Y_0 0.8))))', 'unsat'],
    [
      'boxes, the last of which holds it',
      2,
      '(assert (or (<= X_0 0.1) (>= X_0 0.95))) (assert (>= Y_1 0.95))',
      'sat',
    ],
    [
      'boxes, none of which holds it',
      2,
      '(assert (or (<= X_0 0.1) (and (>= X_0 0.2) (<= X_0 0.3)))) (assert (>= Y_1 0.4))',
      'unsat',
    ],
    ['a contradiction', 2, '(assert (>= X_0 2))', 'unsat'],
    ['no output', 2, '', 'sat'],
    ['many inputs, easy', 30, '(assert (<= Y_0 -1))', 'unsat'],
    ['many inputs, attacked', 30, '(assert (>= Y_0 29))', 'sat'],
    ['many inputs, a row that needs splits', 30, '(assert (<= Y_0 -0.001)) (assert (>= Y_1 0.9))', 'unsat'],
    [
      'many inputs, a conjunction whose second row is impossible',
      30,
      '(assert (>= Y_0 1)) (assert (>= Y_1 1.001))',
      'unsat',
    ],
    [
      'many inputs, a disjunction of conjunctions',
      30,
      '(assert (or (and (>= Y_0 1) (<= Y_1 -1.01)) (>= Y_0 30.01) (<= Y_0 -0.01)))',
      'unsat',
    ],
    ['many inputs, a conjunction attacked', 30, '(assert (>= Y_0 25)) (assert (>= Y_1 0.5))', 'sat'],
  ] as const)('%s', async (_name, inputs, assertions, expected) => {
    const answer = await verdict(inputs, assertions);
    expect(answer.verdict).toBe(expected);
    expect(isTrue(answer, absolutes(inputs), specification(inputs, assertions))).toBe(true);
  });
});

it('agrees with sampling on random networks, near the values they reach', async () => {
  let unsat = 0;
  for (let seed = 1; seed <= 24; seed += 1) {
    const random = new Random(seed);
    const network = new NetworkBuilder([3], random);
    network.linear(network.relu(network.linear(network.relu(network.linear(0, 8)), 8)), 3);
    const model = network.model();
    const samples = Array.from({ length: 3000 }, () => evaluate(model.graph, random.vector(3, -1, 1)));
    const reached = Math.max(...samples.map((y) => Math.min(y[0], y[1])));
    const threshold = reached + (seed % 2 === 0 ? -0.01 : 0.05);
    const spec = specification(3, `(assert (>= Y_0 ${threshold})) (assert (>= Y_1 ${threshold}))`);
    const answer = await decide(verifier, model, spec, { deadline: performance.now() + 20_000 });
    const possible = seed % 2 === 0 ? ['sat'] : ['sat', 'unsat'];
    expect(possible, `seed ${seed}`).toContain(answer.verdict);
    expect(isTrue(answer, model, spec), `seed ${seed}`).toBe(true);
    if (answer.verdict === 'unsat') unsat += 1;
  }
  expect(unsat).toBeGreaterThan(6);
});

it('splits ReLUs of networks with many inputs until sampling and bounds agree', async () => {
  const verdicts = { sat: 0, unsat: 0 };
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = new Random(seed);
    const network = new NetworkBuilder([24], random);
    network.linear(network.relu(network.linear(network.relu(network.linear(0, 14)), 12)), 3);
    const model = network.model();
    const samples = Array.from({ length: 2000 }, () => evaluate(model.graph, random.vector(24, -1, 1)));
    const reached = Math.max(...samples.map((y) => y[0] - y[1]));
    const cases = [
      [reached - 0.01, ['sat']],
      [reached + 2, ['sat', 'unsat']],
    ] as const;
    for (const [threshold, possible] of cases) {
      const rows = `(assert (>= (- Y_0 Y_1) ${threshold})) (assert (>= Y_2 -100))`;
      const spec = specification(24, rows);
      const answer = await decide(verifier, model, spec, { deadline: performance.now() + 20_000 });
      expect(possible, `seed ${seed}`).toContain(answer.verdict);
      expect(isTrue(answer, model, spec), `seed ${seed}`).toBe(true);
      if (answer.verdict === 'sat' || answer.verdict === 'unsat') verdicts[answer.verdict] += 1;
    }
  }
  expect(verdicts.sat).toBeGreaterThanOrEqual(12);
  expect(verdicts.unsat).toBeGreaterThan(1);
});

it('does not answer sat where only doubles that are no float32 satisfy it', async () => {
  const network = new NetworkBuilder([1], new Random(1));
  network.linear(0, 1, [1], [0]);
  const text = (bound: string): string =>
    `(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 0.7))(assert (>= Y_0 ${bound}))`;
  const answerTo = (bound: string): Promise<Answer> =>
    decide(verifier, network.model(), parseVnnLib(text(bound)), { deadline: performance.now() + 2000 });
  // All boxes are ruled out but the one that ends there, until it cannot be bisected any more.
  expect((await answerTo('0.7')).verdict).toBe('unknown');
  expect((await answerTo('0.6999')).verdict).toBe('sat');
});

describe('limits', () => {
  /** True at no corner of the box, and no bound can tell. */
  const endless = '(assert (> Y_0 16))';

  it('answers timeout soon after the deadline', async () => {
    const begin = performance.now();
    const spec = specification(16, endless);
    const answer = await decide(verifier, absolutes(16), spec, { deadline: begin + 400 });
    expect(answer.verdict).toBe('timeout');
    expect(performance.now() - begin).toBeLessThan(1500);
  });

  it('rejects with AbortError when the signal fires', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 100);
    const decision = decide(verifier, absolutes(16), specification(16, endless), {
      signal: interrupt.signal,
    });
    expect(await failure(decision)).toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('refuses a specification of another size', async () => {
    const decision = decide(verifier, absolutes(2), specification(3, ''));
    expect(await failure(decision)).toMatchObject(
      says('ERR_SHAPE', '3 inputs and 3 outputs', 'model has 2 and 3'),
    );
  });
});

const families = fileURLToPath(new URL('../../shared/data/vnncomp/2022', import.meta.url));
const present = existsSync(families);
if (!present) console.warn('../shared/data is absent: the tests on published instances are skipped');

describe.skipIf(!present)('published instances (skipped without ../shared)', () => {
  const load = async (family: string, network: string, property: string) => {
    const bytes = gunzipSync(await readFile(join(families, family, 'onnx', `${network}.onnx.gz`)));
    const spec = await loadVnnLib(join(families, family, 'vnnlib', `${property}.vnnlib.gz`));
    return { bytes, spec, model: await loadModel(bytes) };
  };
  const limit = 20_000;

  it.each([
    ['acasxu', 'ACASXU_run2a_3_3_batch_2000', 'prop_9'],
    ['rl_benchmarks', 'cartpole', 'cartpole_case_unsafe_0'],
    ['reach_prob_density', 'vdp', 'vdp_0'],
  ])('%s %s %s is unsat', async (family, network, property) => {
    const { spec, model } = await load(family, network, property);
    const answer = await decide(verifier, model, spec, { deadline: performance.now() + limit });
    expect(answer.verdict).toBe('unsat');
  });

  it.each([
    ['acasxu', 'ACASXU_run2a_1_7_batch_2000', 'prop_3'],
    ['rl_benchmarks', 'cartpole', 'cartpole_case_unsafe_29'],
    ['reach_prob_density', 'vdp', 'vdp_3'],
  ])('%s %s %s is sat, in onnxruntime too', async (family, network, property) => {
    const { bytes, spec, model } = await load(family, network, property);
    const answer = await decide(verifier, model, spec, { deadline: performance.now() + limit });
    if (answer.verdict !== 'sat') throw new Error(`the answer is ${answer.verdict}`);
    expect(isTrue(answer, model, spec)).toBe(true);
    const { x, y } = answer.counterexample;
    const [reference] = await referenceOutputs(bytes, [x], [1, ...model.inputShape]);
    // The competition accepts a relative error of 1e-3 between the witness and a float32 run.
    const errors = Array.from(y, (value, j) => Math.abs(reference[j] - value) / (1 + Math.abs(value)));
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });
});
