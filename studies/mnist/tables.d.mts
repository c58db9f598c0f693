import type { Measured } from './measure.mjs';

/** What was measured of one network, and how long that and its training took. */
export interface Result extends Measured {
  readonly seed: number;
  readonly trainingSeconds?: number;
  readonly measuringSeconds?: number;
}

export interface Entry {
  readonly recipe: string;
  readonly results: readonly Result[];
}

export function markdown(entries: readonly Entry[], radii: readonly number[]): string;
export function csv(entries: readonly Entry[], radii: readonly number[]): string;
export function latex(entries: readonly Entry[], radii: readonly number[]): string;
