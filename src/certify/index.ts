export { type CertifyOptions, certify } from './campaign.js';
export type { LabelledImages } from './data-set.js';
export type { CertifyRecord, CertifySummary, Verdict } from './record.js';
export {
  type SmoothOptions,
  type SmoothOutcome,
  type SmoothRecord,
  type SmoothSummary,
  smooth,
} from './smooth.js';
