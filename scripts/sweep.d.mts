export interface SweepOptions {
  readonly name: string;
  readonly images: number;
  readonly start?: number;
  readonly factors?: readonly number[];
  readonly steps?: number;
  readonly restarts?: number;
  readonly assurance?: 'none' | 'real' | 'float32';
  readonly threads?: number;
}

export interface SweepResult {
  readonly factor: number;
  readonly rows: number;
  readonly certified: number;
  readonly attacked: number;
  readonly wrong: number;
  readonly least: number;
  readonly median: number;
}

export const networks: readonly string[];
export const factors: readonly number[];
export function sweep(options: SweepOptions): Promise<SweepResult[]>;
