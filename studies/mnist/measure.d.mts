import type { Model } from '../../src/model/index.js';
import type { Verifier } from '../../src/verify/index.js';

export type Criterion = 'logits' | 'margins';

export interface Measured {
  readonly clean: number;
  readonly fractions: Readonly<Record<Criterion, readonly number[]>>;
  readonly median: Readonly<Record<Criterion, number>>;
  readonly pgd: readonly number[];
}

export interface TestImages {
  readonly images: readonly Float64Array[];
  readonly labels: ArrayLike<number>;
}

export class Certified {
  constructor(verifier: Verifier, model: Model, data: TestImages & { readonly clean: ArrayLike<number> });
  settle(eps: number): Promise<void>;
  fraction(name: Criterion, eps: number): number;
  pgdAccuracy(eps: number): number;
  median(name: Criterion, low: number, high: number, tolerance?: number): Promise<number>;
}

export function measure(
  model: Model,
  data: TestImages,
  options: { radii: readonly number[]; threads?: number; log?: (line: string) => void },
): Promise<Measured>;
