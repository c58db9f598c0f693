/** When work that takes several native calls is to end. */

export interface Deadline {
  /** On the clock of `performance.now()`, in milliseconds; Infinity for none. */
  deadline: number;
}

/** Seconds to the deadline; 0 or less when it has passed. */
export function secondsLeft({ deadline }: Deadline): number {
  return (deadline - performance.now()) / 1000;
}

/** The rest of the time as an option of a native call, where 0 means no limit. */
export function timeLimit(end: Deadline): number {
  const seconds = secondsLeft(end);
  return Number.isFinite(seconds) ? Math.max(seconds, 1e-3) : 0;
}
