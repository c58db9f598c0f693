import type { NativeBinding, NativeCancelToken, NativeControl } from '../binding.js';
import * as errors from '../errors.js';
import type { CallOptions } from './options.js';

type Raise = (message: string, options: ErrorOptions) => Error;

const byCode: Readonly<Record<string, Raise>> = {
  ERR_INVALID_ARGUMENT: (message, options) => new errors.InvalidArgumentError(message, options),
  ERR_SHAPE: (message, options) => new errors.ShapeError(message, options),
  ERR_MODEL: (message, options) => new errors.ModelError(message, options),
  ERR_UNSUPPORTED: (message, options) => new errors.UnsupportedError(message, options),
  ERR_DEVICE: (message, options) => new errors.DeviceError(message, options),
  ERR_CLOSED: (message, options) => new errors.ClosedError(message, options),
};

/** The error class of what the native side threw, told by its `.code`; NativeError where it has none of ours. */
export function fromNative(cause: unknown): Error {
  if (cause instanceof errors.BulwarkError) return cause;
  const { code, message } = cause as { code?: string; message?: string };
  const raise = byCode[code ?? ''];
  return raise
    ? raise(message ?? '', { cause })
    : new errors.NativeError(message ?? String(cause), { cause });
}

/** The native calls under way on one engine, so that they can be stopped and waited for. */
export class Calls {
  readonly #binding: NativeBinding;
  readonly #running = new Map<NativeCancelToken, Promise<unknown>>();
  #closed = false;

  constructor(binding: NativeBinding) {
    this.#binding = binding;
  }

  /**
   * Runs one native call under the caller's signal.
   *
   * @throws AbortError once the signal fires, ClosedError after `stop`, else what {@link fromNative} says.
   */
  async run<T>(options: CallOptions, start: (control: NativeControl) => Promise<T>): Promise<T> {
    this.checkOpen();
    const { signal, onProgress } = options;
    if (signal?.aborted) throw aborted(signal);
    const cancel = this.#binding.createCancelToken();
    let fire: (reason: Error) => void;
    const fired = new Promise<never>((_, reject) => {
      fire = reject;
    });
    const onAbort = (): void => {
      cancel.cancel();
      fire(aborted(signal!));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const call = start(onProgress ? { cancel, onProgress } : { cancel });
      this.#running.set(cancel, call);
      // A call may still wait for a thread of its own; its caller does not wait with it.
      const result = await Promise.race([call, fired]);
      if (signal?.aborted) throw aborted(signal);
      return result;
    } catch (error) {
      if (signal?.aborted) throw aborted(signal);
      if (this.#closed)
        throw new errors.ClosedError('the verifier was closed while this call ran', { cause: error });
      throw fromNative(error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      const call = this.#running.get(cancel);
      // What was aborted counts as running until the native side is done with it.
      void call?.catch(() => undefined).then(() => this.#running.delete(cancel));
    }
  }

  checkOpen(): void {
    if (this.#closed) throw new errors.ClosedError('this verifier is closed');
  }

  /** Cancels what is under way, refuses what comes later, and waits until nothing runs. */
  async stop(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running];
    for (const [token] of running) token.cancel();
    await Promise.allSettled(running.map(([, call]) => call));
  }
}

function aborted(signal: AbortSignal): errors.AbortError {
  return new errors.AbortError(undefined, { cause: signal.reason });
}
