import type { Measured } from './measure.mjs';

export interface Entry {
  readonly recipe: string;
  readonly results: readonly Measured[];
}

export function markdown(entries: readonly Entry[], radii: readonly number[]): string;
export function csv(entries: readonly Entry[], radii: readonly number[]): string;
export function latex(entries: readonly Entry[], radii: readonly number[]): string;
