import type { SearchLimit } from '../verify/verifier.js';

/**
 * What a campaign says about one image. The six verdicts are six different things:
 *
 * - `verified`: every input of the region has the label as its class; proven.
 * - `falsified`: an input of the region with another class was found.
 * - `misclassified`: the model is wrong about the image itself, so there is nothing to certify.
 * - `unknown`: all stages ran, none settled it.
 * - `timeout`: the time limit ran out before a stage settled it.
 * - `error`: the engine failed on this image; `error` says how.
 */
export type Verdict = 'verified' | 'falsified' | 'misclassified' | 'unknown' | 'timeout' | 'error';

export interface CertifyRecord {
  /** Index of the image in the data file. */
  readonly index: number;
  readonly label: number;
  /** The model's class for the image itself; null if it has none (a NaN among the outputs). */
  readonly predicted: number | null;
  readonly verdict: Verdict;
  /**
   * Certified lower bounds of label minus each other class, classes ascending; an entry is null where
   * nothing was proven, the whole is null where no bound was computed.
   */
  readonly lower: readonly (number | null)[] | null;
  /** Smallest margin that the attack found; null where no attack ran. */
  readonly attackMargin: number | null;
  /** The stage that settled the image, or the last one that was tried. */
  readonly method: string;
  /** The image's share of the time of the native calls it was part of. */
  readonly seconds: number;
  /** Only where branch and bound ran: subproblems bounded, and what ended it without a proof of every row. */
  readonly subproblems?: number;
  readonly limit?: SearchLimit;
  /** Only with verdict `error`. */
  readonly error?: string;
}

/** Counts over a campaign. */
export interface CertifySummary {
  readonly total: number;
  /** Images that the model classifies correctly. */
  readonly correct: number;
  readonly verified: number;
  readonly falsified: number;
  readonly misclassified: number;
  readonly unknown: number;
  readonly timeouts: number;
  readonly errors: number;
  /** Of branch and bound, over all images; 0 where it did not run. */
  readonly subproblems: number;
  /** verified / total */
  readonly verifiedAccuracy: number;
  /** Wall time of this run over the images settled in it (0 where a resumed run had nothing left to do). */
  readonly secondsPerImage: number;
}

/** @param seconds wall time of this run; @param settled images it settled. */
export function summarise(
  records: readonly CertifyRecord[],
  seconds: number,
  settled: number,
): CertifySummary {
  const count = (verdict: Verdict): number => records.filter((record) => record.verdict === verdict).length;
  const total = records.length;
  const verified = count('verified');
  return {
    total,
    correct: records.filter(({ label, predicted }) => label === predicted).length,
    verified,
    falsified: count('falsified'),
    misclassified: count('misclassified'),
    unknown: count('unknown'),
    timeouts: count('timeout'),
    errors: count('error'),
    subproblems: records.reduce((sum, { subproblems = 0 }) => sum + subproblems, 0),
    verifiedAccuracy: total === 0 ? 0 : verified / total,
    secondsPerImage: settled === 0 ? 0 : seconds / settled,
  };
}
