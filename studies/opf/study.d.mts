import type { PowerGrid } from '../../src/opf/index.js';

export interface StudyResult {
  readonly weight: number;
  /** Squared error summed over outputs, mean over the test set, in standard deviations. */
  readonly error: number;
  /** Certified violation of each generator's limits, mean over the test set. */
  readonly violations: readonly { readonly eps: number; readonly each: readonly number[] }[];
}

export interface Rise {
  readonly weight: number;
  readonly eps: number;
  readonly generator: number | 'all';
  readonly by: number;
}

export interface StudyOptions {
  out: string;
  threads?: number;
  log?: (line: string) => void;
  weights?: readonly number[];
  radii?: readonly number[];
  trajectoryWeights?: readonly number[];
  train?: number;
  test?: number;
  spread?: number;
  hidden?: number;
  steps?: number;
  rate?: number;
  seed?: number;
}

export function study(
  grid: PowerGrid,
  options: StudyOptions,
): Promise<{ results: StudyResult[]; rises: Rise[] }>;
export function rises(results: readonly StudyResult[]): Rise[];
