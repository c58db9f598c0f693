import { InvalidArgumentError } from '../../errors.js';
import type { Recipe } from '../recipe.js';
import { certified } from './certified.js';
import { hybrid } from './hybrid.js';
import { lipschitz } from './lipschitz.js';
import { pgd } from './pgd.js';
import { smoothing } from './smoothing.js';
import { standard } from './standard.js';

/** Every recipe of `bulwark train`. */
export const recipes: readonly Recipe[] = [standard, pgd, smoothing, hybrid, certified, lipschitz];

/** @throws InvalidArgumentError for a name that none has. */
export function findRecipe(name: string): Recipe {
  const found = recipes.find((recipe) => recipe.name === name);
  if (found) return found;
  throw new InvalidArgumentError(
    `recipe '${name}', expected one of ${recipes.map((recipe) => recipe.name).join(', ')}`,
  );
}
