export interface Case {
  readonly name: string;
  readonly cost: number;
}

export interface Comparison {
  readonly name: string;
  readonly ratio?: number;
  readonly status: 'ok' | 'slower' | 'faster' | 'new' | 'missing';
}

export function median(values: readonly number[]): number;
export function compareRuns(baseline: readonly Case[], now: readonly Case[], tolerance: number): Comparison[];
export function cheapest<T extends Case>(runs: readonly (readonly T[])[]): T[];
export function typical<T extends Case>(runs: readonly (readonly T[])[]): (T & { spread: number })[];
