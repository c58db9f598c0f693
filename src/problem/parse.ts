import { InvalidArgumentError } from '../errors.js';

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/**
 * Reads a number or a fraction of two numbers, such as `0.3`, `1e-2` or `24/255`.
 *
 * @throws InvalidArgumentError for anything else, negative, infinite or NaN.
 */
export function parseEps(text: string): number {
  const parts = text.trim().split('/');
  const numbers = parts.map((part) => (decimal.test(part.trim()) ? Number(part) : NaN));
  const value = numbers.length === 1 ? numbers[0] : numbers.length === 2 ? numbers[0] / numbers[1] : NaN;
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError(`eps is '${text}', expected a number >= 0 or a fraction such as 24/255`);
}

/**
 * Reads numbers separated by commas, such as `0.49,0.48,0.45`; fractions as in {@link parseEps} are fine.
 *
 * @param name the argument's name for messages.
 * @throws InvalidArgumentError if an entry is not a finite number.
 */
export function parseNumberList(text: string, name: string): number[] {
  return text.split(',').map((entry) => {
    const [numerator = '', denominator = '1', ...rest] = entry.trim().split('/');
    const valid = rest.length === 0 && decimal.test(numerator.trim()) && decimal.test(denominator.trim());
    const value = valid ? Number(numerator) / Number(denominator) : NaN;
    if (Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`${name} is '${text}': '${entry}' is not a number`);
  });
}
