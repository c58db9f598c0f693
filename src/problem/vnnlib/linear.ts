/** Linear terms over the inputs X_i and the outputs Y_j. */
import { type Expression, type Source, describe, headOf, isWord } from './expressions.js';

/** Index and coefficient, ascending by index, no coefficient 0. */
export type Coefficients = readonly (readonly [index: number, coefficient: number])[];

/** `sum_i x_i X_i + sum_j y_j Y_j + constant` */
export interface Linear {
  readonly x: Coefficients;
  readonly y: Coefficients;
  readonly constant: number;
}

const none: Coefficients = [];
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const variablePattern = /^([XY])_(0|[1-9]\d*)$/;

/** The side and index of `X_3` or `Y_0`; undefined for other names. */
export function variableName(text: string): { side: 'X' | 'Y'; index: number } | undefined {
  const match = variablePattern.exec(text);
  return match ? { side: match[1] as 'X' | 'Y', index: Number(match[2]) } : undefined;
}

/**
 * Reads numbers (as the nearest double), declared variables, `+`, `-` (also of one term) and `*` with at
 * most one factor that is not constant, nested in any way.
 *
 * @throws DataError for anything else, with line and column.
 */
export function parseLinear(expression: Expression, declared: ReadonlySet<string>, source: Source): Linear {
  if (isWord(expression)) return parseWord(expression.text, expression.offset, declared, source);
  const operator = headOf(expression);
  const operands = expression.items.slice(1);
  if (!['+', '-', '*'].includes(operator)) {
    throw source.error(
      expression.offset,
      `expected a number, a variable or a sum (+ - *), found ${describe(expression)}`,
    );
  }
  if (operands.length === 0) throw source.error(expression.offset, `'${operator}' has no operand`);
  const [first, ...rest] = operands.map((operand) => parseLinear(operand, declared, source));
  const result = combine(operator, first, rest, () =>
    source.error(expression.offset, 'a product of two variables is not linear'),
  );
  const finite = [result.constant, ...[...result.x, ...result.y].map(([, value]) => value)].every(
    Number.isFinite,
  );
  if (!finite) throw source.error(expression.offset, 'a coefficient is beyond the range of float64');
  return result;
}

function combine(operator: string, first: Linear, rest: readonly Linear[], nonlinear: () => Error): Linear {
  if (operator === '-' && rest.length === 0) return scale(first, -1);
  return rest.reduce((sum, term) => {
    if (operator === '+') return add(sum, term);
    if (operator === '-') return subtract(sum, term);
    if (isConstant(term)) return scale(sum, term.constant);
    if (isConstant(sum)) return scale(term, sum.constant);
    throw nonlinear();
  }, first);
}

function parseWord(text: string, offset: number, declared: ReadonlySet<string>, source: Source): Linear {
  const variable = variableName(text);
  if (variable) {
    if (!declared.has(text)) throw source.error(offset, `${text} is not declared`);
    const single: Coefficients = [[variable.index, 1]];
    return variable.side === 'X' ? { x: single, y: none, constant: 0 } : { x: none, y: single, constant: 0 };
  }
  const value = numberPattern.test(text) ? Number(text) : NaN;
  if (Number.isFinite(value)) return { x: none, y: none, constant: value };
  throw source.error(offset, `expected a number or a variable X_i or Y_i, found '${text.slice(0, 40)}'`);
}

export function subtract(a: Linear, b: Linear): Linear {
  return add(a, scale(b, -1));
}

/** The value at an input and an output. */
export function valueOf({ x, y, constant }: Linear, inputs: Float64Array, outputs: Float64Array): number {
  const part = (terms: Coefficients, values: Float64Array): number =>
    terms.reduce((sum, [index, coefficient]) => sum + coefficient * values[index], 0);
  return part(x, inputs) + part(y, outputs) + constant;
}

function isConstant({ x, y }: Linear): boolean {
  return x.length === 0 && y.length === 0;
}

function add(a: Linear, b: Linear): Linear {
  return { x: merge(a.x, b.x), y: merge(a.y, b.y), constant: a.constant + b.constant };
}

function scale({ x, y, constant }: Linear, factor: number): Linear {
  const scaled = (terms: Coefficients): Coefficients =>
    terms
      .map(([index, coefficient]) => [index, coefficient * factor] as const)
      .filter(([, coefficient]) => coefficient !== 0);
  return { x: scaled(x), y: scaled(y), constant: constant * factor };
}

function merge(a: Coefficients, b: Coefficients): Coefficients {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const sums = new Map(a);
  for (const [index, coefficient] of b) sums.set(index, (sums.get(index) ?? 0) + coefficient);
  return [...sums].filter(([, coefficient]) => coefficient !== 0).sort(([i], [j]) => i - j);
}
