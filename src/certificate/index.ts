export { CertificateChecker, type CheckedImage, hashOf } from './checker.js';
export type { Assurance, BoxClaim, Certificate, Header, Leaf } from './format.js';
