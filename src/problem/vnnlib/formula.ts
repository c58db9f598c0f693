/** What a specification asserts: and / or over comparisons, and its disjunctive normal form. */
import { type Expression, type Source, describe, headOf } from './expressions.js';
import { type Linear, parseLinear, subtract, valueOf } from './linear.js';

/** `linear <= 0`, or `linear < 0` where `strict`. */
export interface Comparison {
  readonly kind: 'comparison';
  readonly linear: Linear;
  readonly strict: boolean;
  /** Where it stands in the text. */
  readonly offset: number;
}

export interface Junction {
  readonly kind: 'and' | 'or';
  readonly parts: readonly Formula[];
  readonly offset: number;
}

export type Formula = Comparison | Junction;

const comparisons: readonly string[] = ['<=', '>=', '<', '>'];

/** @throws DataError with line and column for what is not and / or / <= / >= / < / > over linear terms. */
export function parseFormula(expression: Expression, declared: ReadonlySet<string>, source: Source): Formula {
  const head = headOf(expression);
  const { offset } = expression;
  const operands = 'items' in expression ? expression.items.slice(1) : [];
  if (head === 'and' || head === 'or') {
    if (operands.length === 0) throw source.error(offset, `'${head}' has no operand`);
    return { kind: head, parts: operands.map((part) => parseFormula(part, declared, source)), offset };
  }
  if (!comparisons.includes(head)) {
    throw source.error(
      offset,
      `expected a formula (and, or, ${comparisons.join(', ')}), found ${describe(expression)}`,
    );
  }
  if (operands.length !== 2) {
    throw source.error(offset, `'${head}' has ${operands.length} operands, expected 2`);
  }
  const [left, right] = operands.map((operand) => parseLinear(operand, declared, source));
  const linear = head.startsWith('<') ? subtract(left, right) : subtract(right, left);
  return { kind: 'comparison', linear, strict: !head.endsWith('='), offset };
}

/** Whether the formula holds at an input and an output, computed in float64, strict comparisons as such. */
export function holds(formula: Formula, x: Float64Array, y: Float64Array): boolean {
  if (formula.kind === 'comparison') {
    const value = valueOf(formula.linear, x, y);
    return formula.strict ? value < 0 : value <= 0;
  }
  const hold = (part: Formula): boolean => holds(part, x, y);
  return formula.kind === 'and' ? formula.parts.every(hold) : formula.parts.some(hold);
}

/**
 * The comparisons that hold in every case, and the cases: `and(always) and or(cases)`, each case a
 * conjunction. Kept apart because specifications bound thousands of inputs once for all cases.
 *
 * @throws UnsupportedError where there are more than `most` cases.
 */
export function normalForm(
  formula: Formula,
  most: number,
  source: Source,
): { always: Comparison[]; cases: Comparison[][] } {
  const always: Comparison[] = [];
  let cases: Comparison[][] = [[]];
  const visit = (part: Formula): void => {
    if (part.kind === 'comparison') always.push(part);
    else if (part.kind === 'and') part.parts.forEach(visit);
    else {
      const choices = part.parts.flatMap((choice) => {
        const inner = normalForm(choice, most, source);
        return inner.cases.map((conjunction) => [...inner.always, ...conjunction]);
      });
      const count = cases.length * choices.length;
      if (count > most) {
        throw source.unsupported(
          part.offset,
          `the specification has ${count} cases or more when written as one 'or', at most ${most} are supported`,
        );
      }
      cases = cases.flatMap((earlier) => choices.map((choice) => [...earlier, ...choice]));
    }
  };
  visit(formula);
  return { always, cases };
}
