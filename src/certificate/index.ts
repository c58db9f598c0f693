export { CertificateChecker, type CheckedImage, hashOf } from './checker.js';
export type { Assurance, Ball, BoxClaim, Certificate, Header, Multipliers, Proof } from './format.js';
