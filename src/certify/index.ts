export { type CertifyOptions, type LabelledImages, certify } from './campaign.js';
export type { CertifyRecord, CertifySummary, Verdict } from './record.js';
