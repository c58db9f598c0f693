export interface Kernel {
  readonly name: string;
  readonly seconds: number;
  /** Floating-point operations of one call. */
  readonly floor?: number;
  /** GFLOP/s */
  readonly peak?: number;
}

export function parseKernels(text: string): Kernel[];
export function parseRatios(text: string): { problem: string; ratio: number }[];
