import { Presets, SingleBar } from 'cli-progress';

/** Seconds between two plain lines. */
const plainInterval = 5;

/**
 * Shows how far a command is, with rate and remaining time, on standard error: a bar on a terminal,
 * otherwise a plain line every few seconds.
 */
export class ProgressDisplay {
  readonly #bar: SingleBar | undefined;
  readonly #unit: string;
  readonly #stream: NodeJS.WriteStream;
  #begin: number | undefined;
  #firstDone = 0;
  #shown = -Infinity;

  constructor(unit: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#unit = unit;
    this.#stream = stream;
    if (!stream.isTTY) return;
    const format = `{bar} {percentage}% | {value}/{total} ${unit} | {note}`;
    this.#bar = new SingleBar(
      { format, stream, hideCursor: true, clearOnComplete: true },
      Presets.shades_classic,
    );
  }

  /** @param note more to show behind rate and remaining time, such as counts. */
  update(done: number, total: number, note = ''): void {
    const now = performance.now() / 1000;
    if (this.#begin === undefined) {
      this.#begin = now;
      this.#firstDone = done;
      this.#bar?.start(total, done, { note: '' });
    }
    const rate = (done - this.#firstDone) / (now - this.#begin);
    const speed =
      rate > 0
        ? `${rate.toFixed(rate < 10 ? 2 : 0)} ${this.#unit}/s, ${clock((total - done) / rate)} left`
        : 'starting';
    const text = note === '' ? speed : `${speed} | ${note}`;
    if (this.#bar) this.#bar.update(done, { note: text });
    else if (done === total || now - this.#shown >= plainInterval) {
      this.#shown = now;
      this.#stream.write(`${done}/${total} ${this.#unit}, ${text}\n`);
    }
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** `1:02:03` or `2:03`. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] > 0 ? parts : parts.slice(1);
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}
