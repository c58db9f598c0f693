/** VNN-LIB 1.0: the text of a specification to the problems it asks. */
import type { Problem } from '../problem.js';
import { toProblems } from './cases.js';
import { type List, Source, describe, headOf, isWord, parseExpressions } from './expressions.js';
import { type Formula, holds, normalForm, parseFormula } from './formula.js';
import { variableName } from './linear.js';

/** A specification: it describes counterexamples, inputs and outputs that must not occur together. */
export interface VnnLib {
  readonly inputSize: number;
  readonly outputSize: number;
  /**
   * Together they cover every counterexample: if all are impossible, so is the specification. Strict
   * comparisons count as their closed ones here, which only adds points to rule out.
   */
  readonly problems: readonly Problem[];
  /** What the text asserts, as it stands. */
  readonly formula: Formula;
}

/** Cases of the normal form; large published specifications have some 10^5. */
const mostCases = 2 ** 18;

/**
 * Reads `declare-const` and `assert` over inputs `X_0 ...` and outputs `Y_0 ...`; numbers mean the
 * nearest double.
 *
 * @param name for messages.
 * @throws DataError for anything malformed, with line and column, and for an input without bounds.
 * @throws UnsupportedError for well-formed comparisons that are neither bounds of one input nor linear
 * in the outputs, and for more than 2^18 cases.
 */
export function parseVnnLib(text: string, name = 'specification'): VnnLib {
  const source = new Source(name, text);
  const declared = new Set<string>();
  const parts: Formula[] = [];
  for (const command of parseExpressions(source)) {
    const head = headOf(command);
    if (head === 'declare-const') declare(command, declared, source);
    else if (head === 'assert') {
      if (command.items.length !== 2)
        throw source.error(command.offset, `'assert' has ${command.items.length - 1} operands, expected 1`);
      parts.push(parseFormula(command.items[1], declared, source));
    } else {
      throw source.error(command.offset, `expected declare-const or assert, found ${describe(command)}`);
    }
  }
  const sizes = { inputs: count('X', declared, source), outputs: count('Y', declared, source) };
  if (parts.length === 0) throw source.error(text.length, 'nothing is asserted');
  const formula: Formula = { kind: 'and', parts, offset: 0 };
  const { always, cases } = normalForm(formula, mostCases, source);
  const problems = toProblems(always, cases, sizes, source);
  return { inputSize: sizes.inputs, outputSize: sizes.outputs, problems, formula };
}

/** Whether input x with output y is a counterexample, by the text itself and not by the problems made of it. */
export function isCounterexample({ formula }: VnnLib, x: Float64Array, y: Float64Array): boolean {
  return holds(formula, x, y);
}

function declare(command: List, declared: Set<string>, source: Source): void {
  const [, name, type] = command.items;
  if (command.items.length !== 3 || !isWord(name) || !isWord(type)) {
    throw source.error(command.offset, 'expected (declare-const NAME Real)');
  }
  if (!variableName(name.text)) {
    throw source.error(name.offset, `'${name.text}' is neither an input X_i nor an output Y_i`);
  }
  if (type.text !== 'Real') throw source.error(type.offset, `the type is '${type.text}', expected Real`);
  if (declared.has(name.text)) throw source.error(name.offset, `${name.text} is declared twice`);
  declared.add(name.text);
}

/** How many of X_0, X_1, ... there are; none may be missing in between. */
function count(side: 'X' | 'Y', declared: ReadonlySet<string>, source: Source): number {
  const total = [...declared].filter((name) => name.startsWith(side)).length;
  if (total === 0) throw source.error(source.text.length, `no variable ${side}_0 is declared`);
  for (let index = 0; index < total; index += 1) {
    if (!declared.has(`${side}_${index}`)) {
      throw source.error(
        source.text.length,
        `${total} variables ${side}_i are declared, but not ${side}_${index}`,
      );
    }
  }
  return total;
}
