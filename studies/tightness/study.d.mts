import type { Model } from '../../src/model/index.js';

export interface StudyProblem {
  readonly name: string;
  readonly title: string;
  readonly model: Model;
  readonly centers: readonly Float64Array[];
  readonly labels: ArrayLike<number>;
  /** Usual l2 radius. */
  readonly eps: number;
  readonly clip?: readonly [number, number];
}

export interface StudyOptions {
  readonly out: string;
  readonly threads?: number;
  readonly log?: (line: string) => void;
  readonly factors?: readonly number[];
  readonly completeFactors?: readonly number[];
  readonly images?: number;
  readonly limit?: number;
  readonly iterations?: number;
}

export interface StudyPoint {
  readonly network: string;
  readonly quantity: 'margin' | 'offset';
  readonly method: string;
  readonly assurance: 'none' | 'real' | 'float32';
  readonly radius: number;
  readonly images: number;
  readonly limit: number;
  readonly rows: number;
  readonly mean: number;
  readonly positive: number;
  readonly seconds: number;
  /** Whether it was in the table already. */
  readonly known: boolean;
}

export function study(
  problems: AsyncIterable<StudyProblem> | Iterable<StudyProblem>,
  options: StudyOptions,
): Promise<StudyPoint[]>;
