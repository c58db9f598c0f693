/** The input's term where the input pays for the ball of the first ReLU, by what moves it. */
import { gamma, lowerSum, normUp, unit } from './arithmetic.js';
import type { Region } from './facts.js';
import { transposedTimes, times } from './matrix.js';
import type { Affine } from './network.js';

/**
 * A lower bound of `g^T x - payment / 2 || C d ||^2 / norm^2` over an l2 ball and its box, d = x - centre, C the
 * exact chain of `affine`, which begins at the input, and norm >= || C ||.
 *
 * Lemma 8. Let a be any vector. Then g^T d = (g - a)^T d + a^T d, and the first term has its minimum over
 * the box. With lambda = payment / norm^2, H = lambda C^T C <= h I and any mu > h, the rest is
 *
 *     a^T d - d^T H d / 2 >= - a^T (mu I - H)^-1 a / 2 - mu eps^2 / 2        for || d || <= eps.
 *
 * For any t < mu, with p = 1 / (mu - t), q = 1 / (mu - h) and s <= h, y = s - t: 1 - p y = p (mu - s) >= p / q, so
 *
 *     1 / (mu - s) = p + p^2 y + p^3 y^2 / (1 - p y) <= p + p^2 y + p^2 q y^2,
 *
 * and the same of H instead of s. So a^T (mu I - H)^-1 a <= p m0 + p^2 (m1 - t m0) + p^2 q (m2 - 2 t m1 + t^2 m0)
 * with m0 = || a ||^2, m1 = a^T H a, m2 = || H a ||^2, of which m0 and m2 have factors >= 0.
 */
export function coupledMinimum(
  { center, eps, lower, upper }: Region,
  g: Float64Array,
  inputLambda: number,
  { chain, error }: Affine,
  norm: number,
  payment: number,
): number {
  const a = g.map((slope, i) => {
    const wanted = -slope / inputLambda;
    const at = Math.min(Math.max(wanted, lower[i]), upper[i]);
    // What the box takes off: of the input's multiplier, any is sound.
    return inputLambda > 0 && at !== wanted ? -inputLambda * at : slope;
  });
  const terms = Array.from(g, (slope, i) => slope * center[i]);
  g.forEach((slope, i) => {
    const rest = slope - a[i]; // lowerSum's gamma also pays for this rounding
    terms.push(Math.min(rest * lower[i], rest * upper[i]));
  });

  // C is within `error` of the computed chain, products of which round (Lemma 1).
  const there = times(chain, a);
  const back = transposedTimes(chain, there);
  const each = (error + gamma(Math.max(chain.rows, chain.columns)) * normUp(chain.value)) * (1 + gamma(3));
  const [length, arrived] = [normUp(a), normUp(there)];
  const offThere = each * length * (1 + gamma(3)) + 2 ** -340;
  const offBack = (norm * offThere + each * arrived) * (1 + gamma(3)) + 2 ** -340;
  const up = 1 + gamma(8);
  const lambda = (payment / norm / norm) * up;
  const least = Math.max(0, arrived * (1 - 2 * gamma(chain.rows)) - offThere);
  terms.push(
    -0.5 *
      spent(
        length * length * up,
        [lambda * least * least * (1 - gamma(3)), lambda * (arrived + offThere) ** 2 * up],
        lambda * lambda * (normUp(back) + offBack) ** 2 * up,
        lambda * norm * norm * up,
        eps,
      ),
  );
  return lowerSum(terms);
}

/** At least `p m0 + p^2 (m1 - t m0) + p^2 q (m2 - 2 t m1 + t^2 m0) + mu eps^2` for some mu > h and t < mu. */
function spent(m0: number, [low, m1]: readonly number[], m2: number, h: number, eps: number): number {
  // Close to the best t (of Gauss and Radau's rule: weight w at t, the rest at h); mu by Newton, from below.
  const gap = h * m0 - m1;
  const spread = h * gap - (h * m1 - m2);
  const t = gap > 0 ? Math.min(Math.max((h * m1 - m2) / gap, 0), 0.999999 * h) : 0;
  const w = gap > 0 && spread > 0 ? Math.min((gap * gap) / spread, m0) : 0;
  let mu = Math.max(h * (1 + 1e-7), t + Math.sqrt(w) / eps, h + Math.sqrt(m0 - w) / eps);
  for (let step = 0; step < 12; step++) {
    const [p, q] = [1 / (mu - t), 1 / (mu - h)];
    const excess = w * p * p + (m0 - w) * q * q - eps * eps;
    if (!(excess > 0)) break;
    mu += excess / (2 * (w * p ** 3 + (m0 - w) * q ** 3));
  }
  if (!(mu > h && mu > t && mu < Infinity)) return Infinity;
  const [p, bend] = [1 / (mu - t), 1 / (mu - t) / (mu - t) / (mu - h)];
  const [c0, c1] = [p - t * p * p + t * t * bend, p * p - 2 * t * bend];
  const size = (p + t * p * p + t * t * bend) * m0 + (p * p + 2 * t * bend) * m1 + bend * m2;
  // No product here has 16 roundings.
  const value = c0 * m0 + Math.max(c1 * low, c1 * m1) + bend * m2 + 64 * unit * size;
  return (value + mu * eps * eps) * (1 + gamma(3));
}
