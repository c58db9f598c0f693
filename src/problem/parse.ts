import { InvalidArgumentError } from '../errors.js';
import { nextDown, nextUp } from './rounding.js';

const decimal = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,4}))?$/;

/** A quotient of whole numbers, the denominator above 0. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** The exact value of `0.3`, `1e-2` or `24/255`; undefined where the text is neither. */
function exactly(text: string): Fraction | undefined {
  const parts = text.split('/').map((part) => exactDecimal(part.trim()));
  const [over, under = { numerator: 1n, denominator: 1n }, ...rest] = parts;
  if (!over || !under || rest.length > 0 || under.numerator === 0n) return undefined;
  const sign = under.numerator < 0n ? -1n : 1n;
  return {
    numerator: sign * over.numerator * under.denominator,
    denominator: sign * over.denominator * under.numerator,
  };
}

function exactDecimal(text: string): Fraction | undefined {
  const [, sign, whole, digits, exponent = '0'] = decimal.exec(text) ?? [];
  if (whole === undefined || whole + digits === '') return undefined;
  const power = Number(exponent) - digits.length;
  const numerator = BigInt(`${whole}${digits}`) * (sign === '-' ? -1n : 1n);
  return power < 0
    ? { numerator, denominator: 10n ** BigInt(-power) }
    : { numerator: numerator * 10n ** BigInt(power), denominator: 1n };
}

/** Sign of x minus the fraction. */
function compare(x: number, { numerator, denominator }: Fraction): number {
  // Every finite double is a whole multiple of 2^-1074.
  let [mantissa, exponent] = [x, 0n];
  while (!Number.isInteger(mantissa)) [mantissa, exponent] = [mantissa * 2, exponent + 1n];
  const difference = BigInt(mantissa) * denominator - numerator * 2n ** exponent;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

/** The smallest double not below the exact value of the text; NaN where it is no finite number. */
function roundedUp(text: string): number {
  const exact = exactly(text);
  if (!exact) return NaN;
  const [over, under = '1'] = text.split('/');
  const near = Number(over) / Number(under);
  if (!Number.isFinite(near)) return NaN;
  let up = near;
  while (compare(up, exact) < 0) up = nextUp(up);
  while (compare(nextDown(up), exact) >= 0) up = nextDown(up);
  return up;
}

/**
 * Reads a number or a fraction of two numbers, such as `0.3`, `1e-2` or `24/255`: the smallest double
 * that is not below it, so that a ball of the radius read contains the one that was meant.
 *
 * @throws InvalidArgumentError for anything else, negative, infinite or NaN.
 */
export function parseEps(text: string): number {
  const value = roundedUp(text.trim());
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError(`eps is '${text}', expected a number >= 0 or a fraction such as 24/255`);
}

/**
 * Reads the ends of a range, such as `0,1`, rounded outward: the range read contains the one meant.
 *
 * @param name the argument's name for messages.
 * @throws InvalidArgumentError unless there are two finite numbers.
 */
export function parseRange(text: string, name: string): [number, number] {
  const [low, high, ...rest] = text.split(',').map((part) => part.trim());
  const range: [number, number] = [0 - roundedUp(negated(low)), roundedUp(high ?? '')];
  if (rest.length === 0 && range.every(Number.isFinite)) return range;
  throw new InvalidArgumentError(`${name} is '${text}', expected two numbers such as 0,1`);
}

function negated(text: string): string {
  if (text.startsWith('-')) return text.slice(1);
  return `-${text.startsWith('+') ? text.slice(1) : text}`;
}

/**
 * Reads numbers separated by commas, such as `0.49,0.48,0.45`; fractions as in {@link parseEps} are fine.
 *
 * @param name the argument's name for messages.
 * @throws InvalidArgumentError if an entry is not a finite number.
 */
export function parseNumberList(text: string, name: string): number[] {
  return text.split(',').map((entry) => {
    const [numerator = '', denominator = '1'] = entry.trim().split('/');
    const value = exactly(entry.trim()) ? Number(numerator) / Number(denominator) : NaN;
    if (Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`${name} is '${text}': '${entry}' is not a number`);
  });
}
