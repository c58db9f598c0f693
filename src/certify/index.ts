export { type CertifyOptions, type LabelledImages, certify } from './campaign.js';
export type { CertifyRecord, CertifySummary, Verdict } from './record.js';
export {
  type SmoothOptions,
  type SmoothOutcome,
  type SmoothRecord,
  type SmoothSummary,
  smooth,
} from './smooth.js';
