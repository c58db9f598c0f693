export interface FuzzOptions {
  readonly target: string;
  readonly count: number;
  readonly seed: number;
  readonly first?: number;
  readonly seconds: number;
  readonly megabytes: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly keep: string;
}

export interface FuzzResult {
  readonly counts: Readonly<Record<string, number>>;
  readonly slowest: number;
  readonly megabytes: number;
  readonly findings: readonly { readonly number: number; readonly why: string; readonly path: string }[];
}

export const targets: readonly string[];
export function fuzz(options: FuzzOptions): Promise<FuzzResult>;
