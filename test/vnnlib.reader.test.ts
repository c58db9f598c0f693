import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Problem, type VnnLib, isCounterexample, loadVnnLib, parseVnnLib } from '../src/index.js';
import { temporaryFolder } from './support/array-files.js';
import { failure, says } from './support/failure.js';

const declared =
  '(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real) (declare-const Y_1 Real)\n';
const unitBox = '(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1)) (assert (>= X_1 0))\n';

function parse(assertions: string): VnnLib {
  return parseVnnLib(`${declared}${unitBox}${assertions}`, 'spec.vnnlib');
}

/** Rows as `[c..., d]`, for reading. */
function rowsOf({ c, d, rowCount }: Problem): number[][] {
  const outputs = c.length / Math.max(rowCount, 1);
  return Array.from({ length: rowCount }, (_, row) => [
    ...c.slice(row * outputs, (row + 1) * outputs),
    d[row],
  ]);
}

function boxOf({ lower, upper }: Problem): number[][] {
  return Array.from(lower, (low, i) => [low, upper[i]]);
}

describe('parseVnnLib', () => {
  it('reads bounds and a conjunction of outputs', () => {
    const { inputSize, outputSize, problems } = parse(
      '(assert (<= Y_0 Y_1)) (assert (>= Y_0 -2.5e-1)) ; end',
    );
    expect([inputSize, outputSize, problems.length]).toEqual([2, 2, 1]);
    expect(boxOf(problems[0])).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(problems[0].terms).toEqual([[0, 1]]);
    expect(rowsOf(problems[0])).toEqual([
      [1, -1, 0],
      [-1, 0, -0.25],
    ]);
  });

  it('makes the cases of one box terms of one problem, with shared rows', () => {
    const { problems } = parse('(assert (or (and (<= Y_0 Y_1) (<= Y_0 3)) (<= Y_1 Y_0) (and (<= Y_0 3))))');
    expect(problems).toHaveLength(1);
    expect(problems[0].terms).toEqual([[0, 1], [2], [1]]);
    expect(problems[0].rowCount).toBe(3);
  });

  it('makes every box a problem, cut to the common bounds, without those that are empty', () => {
    const { problems } = parse(
      '(assert (or (and (<= X_0 0.5) (<= Y_0 1)) (and (>= X_0 0.5) (<= X_0 7) (<= Y_0 2)) (and (>= X_1 1.5) (<= Y_0 3))))',
    );
    expect(problems.map(boxOf)).toEqual([
      [
        [0, 0.5],
        [0, 1],
      ],
      [
        [0.5, 1],
        [0, 1],
      ],
    ]);
    expect(problems.map(rowsOf)).toEqual([[[1, 0, -1]], [[1, 0, -2]]]);
  });

  it('multiplies several disjunctions out', () => {
    const { problems } = parse(
      '(assert (or (<= X_0 0.2) (>= X_0 0.8))) (assert (or (<= Y_0 0) (<= Y_1 0))) (assert (>= Y_0 -1))',
    );
    expect(problems.map(({ terms }) => terms.length)).toEqual([2, 2]);
    expect(problems.map((problem) => boxOf(problem)[0])).toEqual([
      [0, 0.2],
      [0.8, 1],
    ]);
    expect(problems[0].terms.every((term) => term.length === 2)).toBe(true);
  });

  it('reads nested linear terms', () => {
    const { problems } = parse('(assert (<= (+ (* 2 (- Y_0 Y_1)) (* -3 0.5) (- Y_1)) (- 4 (* Y_0 1e0) 1)))');
    expect(rowsOf(problems[0])).toEqual([[3, -3, -4.5]]);
  });

  it('bounds inputs with a factor outward by at most a rounding', () => {
    const { problems } = parse('(assert (<= (* 3 X_0) 1)) (assert (>= (+ X_1 X_1) 0.5)) (assert (<= Y_0 0))');
    const [[, upper], [lower]] = boxOf(problems[0]);
    expect(upper).toBeGreaterThanOrEqual(1 / 3);
    expect(upper - 1 / 3).toBeLessThan(1e-16);
    expect(0.25 - lower).toBeGreaterThanOrEqual(0);
    expect(0.25 - lower).toBeLessThan(1e-16);
  });

  it('proves with strict comparisons closed, and judges counterexamples with them strict', () => {
    const spec = parse('(assert (or (< Y_0 1) (> X_0 1)))');
    expect(spec.problems).toHaveLength(2);
    expect(boxOf(spec.problems[1])[0]).toEqual([1, 1]);
    const inside = Float64Array.of(1, 1);
    expect(isCounterexample(spec, inside, Float64Array.of(1, 0))).toBe(false);
    expect(isCounterexample(spec, inside, Float64Array.of(0.999, 0))).toBe(true);
  });

  it('judges counterexamples by the text, inputs included', () => {
    const spec = parse('(assert (<= Y_0 Y_1))');
    const y = Float64Array.of(1, 1);
    expect(isCounterexample(spec, Float64Array.of(0, 1), y)).toBe(true);
    expect(isCounterexample(spec, Float64Array.of(-1e-300, 1), y)).toBe(false);
    expect(isCounterexample(spec, Float64Array.of(0, 1), Float64Array.of(1 + 2 ** -52, 1))).toBe(false);
  });

  it('drops constant comparisons: true ones say nothing, a false one leaves no problem', () => {
    expect(parse('(assert (<= 1 2)) (assert (<= Y_0 0))').problems[0].rowCount).toBe(1);
    expect(parse('(assert (< 2 2))').problems).toEqual([]);
    expect(parse('(assert (>= X_0 2)) (assert (<= Y_0 0))').problems).toEqual([]);
  });

  it('keeps a specification without output rows: every input is a counterexample', () => {
    expect(parse('').problems[0].terms).toEqual([[]]);
  });
});

describe('errors', () => {
  const cases: [string, string, string, string[]][] = [
    ['an open parenthesis', '(assert (<= Y_0 1)', 'ERR_DATA', ['line 5, column 1', 'never closed']],
    ['a parenthesis too many', '(assert (<= Y_0 1)))', 'ERR_DATA', ['line 5, column 20', "')' without"]],
    ['a word between lists', '\n  oops', 'ERR_DATA', ['line 6, column 3', "'oops'"]],
    ['another command', '(check-sat)', 'ERR_DATA', ['line 5', 'declare-const or assert', '(check-sat ...)']],
    ['another type', '(declare-const X_2 Int)', 'ERR_DATA', ["'Int'", 'Real']],
    ['another name', '(declare-const Z Real)', 'ERR_DATA', ["'Z'"]],
    ['a double declaration', '(declare-const X_0 Real)', 'ERR_DATA', ['X_0', 'twice']],
    ['a gap', '(declare-const Y_3 Real)', 'ERR_DATA', ['not Y_2']],
    [
      'an undeclared variable',
      '(assert (<= Y_7 1))',
      'ERR_DATA',
      ['line 5, column 13', 'Y_7', 'not declared'],
    ],
    ['no number', '(assert (<= Y_0 1.2.3))', 'ERR_DATA', ['column 17', "'1.2.3'"]],
    ['hexadecimal', '(assert (<= Y_0 0x10))', 'ERR_DATA', ["'0x10'"]],
    ['infinity', '(assert (<= Y_0 1e999))', 'ERR_DATA', ["'1e999'"]],
    ['a product of variables', '(assert (<= (* Y_0 Y_1) 1))', 'ERR_DATA', ['not linear']],
    ['three operands', '(assert (<= Y_0 Y_1 1))', 'ERR_DATA', ['3 operands, expected 2']],
    ['an empty and', '(assert (and))', 'ERR_DATA', ["'and' has no operand"]],
    ['another connective', '(assert (not (<= Y_0 1)))', 'ERR_DATA', ['(not ...)']],
    ['two formulas', '(assert (<= Y_0 1) (<= Y_1 1))', 'ERR_DATA', ['2 operands, expected 1']],
    ['endless nesting', `(assert ${'(and '.repeat(1000)}`, 'ERR_DATA', ['parentheses inside each other']],
    [
      'inputs with outputs',
      '(assert (<= X_0 Y_0))',
      'ERR_UNSUPPORTED',
      ['line 5, column 9', 'inputs and outputs'],
    ],
    ['several inputs', '(assert (<= (+ X_0 X_1) 1))', 'ERR_UNSUPPORTED', ['several inputs']],
    [
      'too many cases',
      '(assert (or (<= Y_0 1) (<= Y_1 1)))'.repeat(19),
      'ERR_UNSUPPORTED',
      ['524288 cases', 'at most 262144'],
    ],
  ];
  it.each(cases)('names %s and where it is', async (_name, text, code, parts) => {
    const error = await failure(Promise.resolve().then(() => parse(text)));
    expect(error).toMatchObject(says(code, 'spec.vnnlib', ...parts));
  });

  it('names an input without a bound', async () => {
    const text = `${declared}(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1)) (assert (<= Y_0 0))`;
    const error = await failure(Promise.resolve().then(() => parseVnnLib(text)));
    expect(error).toMatchObject(says('ERR_DATA', 'X_1', 'lower bound'));
  });
});

describe('loadVnnLib', () => {
  const folder = temporaryFolder();

  it('reads plain and gzip files, and names the file in errors', async () => {
    const text = `${declared}${unitBox}(assert (<= Y_0 0))`;
    const plain = await loadVnnLib(await folder.write('a.vnnlib', text));
    expect(await loadVnnLib(await folder.write('b.vnnlib.gz', Buffer.from(text)))).toEqual(plain);
    const broken = await folder.write('c.vnnlib', `${text})`);
    expect(await failure(loadVnnLib(broken))).toMatchObject(says('ERR_DATA', 'c.vnnlib', 'line 5'));
    expect(await failure(loadVnnLib(join(folder.path, 'none')))).toMatchObject(says('ERR_DATA', 'none'));
  });
});

const families = fileURLToPath(new URL('../../shared/data/vnncomp/2022', import.meta.url));
const present = existsSync(families);
if (!present) console.warn('../shared/data is absent: the tests on published specifications are skipped');

describe.skipIf(!present)('published specifications (skipped without ../shared)', () => {
  const folders = {
    test: '',
    acasxu: 'vnnlib',
    mnist_fc: 'vnnlib',
    reach_prob_density: 'vnnlib',
    rl_benchmarks: 'vnnlib',
  };
  it.each(Object.entries(folders))('reads all of %s', async (family, inner) => {
    const folder = join(families, family, inner);
    const files = readdirSync(folder).filter((name) => name.endsWith('.vnnlib.gz'));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const { problems, inputSize } = await loadVnnLib(join(folder, file));
      const sound = problems.every(
        ({ lower, upper, terms }) =>
          lower.length === inputSize &&
          lower.every((low, i) => low <= upper[i]) &&
          terms.every((term) => term.length > 0),
      );
      expect({ file, problems: problems.length > 0, sound }).toEqual({ file, problems: true, sound: true });
    }
  });

  it('finds the two boxes and four terms of ACAS Xu property 6', async () => {
    const path = join(families, 'acasxu', 'vnnlib', 'prop_6.vnnlib.gz');
    expect(readFileSync(path).length).toBeGreaterThan(0);
    const { problems } = await loadVnnLib(path);
    expect(problems.map(({ terms }) => terms)).toEqual([
      [[0], [1], [2], [3]],
      [[0], [1], [2], [3]],
    ]);
    expect(problems.map(({ lower }) => lower[1])).toEqual([0.11140846, -0.499999896]);
  });
});
