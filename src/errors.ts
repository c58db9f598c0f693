/**
 * Every error that bulwark throws on purpose. Each class has a stable `.code`, so that a program can
 * tell a wrong argument from a broken file without reading the message; each message says what was
 * given, what was expected and where.
 */
export class BulwarkError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** An argument of a call (or a command-line option) is outside what the function accepts. */
export class InvalidArgumentError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_INVALID_ARGUMENT', message, options);
  }
}

/** Shapes do not fit together; the message names the node or argument and both shapes. */
export class ShapeError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_SHAPE', message, options);
  }
}

/** A model file cannot be read as an ONNX network (truncated, not protobuf, dangling names, ...). */
export class ModelError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_MODEL', message, options);
  }
}

/** The model uses an operator, attribute or type that bulwark does not implement. */
export class UnsupportedError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_UNSUPPORTED', message, options);
  }
}

/** A data or record file is missing, truncated, or not what its format promises. */
export class DataError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DATA', message, options);
  }
}

/** A certificate is not a proof of what it claims, or not a whole certificate; the message is the reason. */
export class CertificateError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_CERTIFICATE', message, options);
  }
}

/** The requested device is not available here. */
export class DeviceError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DEVICE', message, options);
  }
}

/** The native addon could not be loaded; the message lists every path that was tried and why it failed. */
export class NativeLoadError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NATIVE_LOAD', message, options);
  }
}

/** A failure inside the native engine that is not the caller's fault. */
export class NativeError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_NATIVE', message, options);
  }
}

/** A linear or quadratic program has no optimum, or the solver found none. */
export class SolverError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_SOLVER', message, options);
  }
}

/** A call on a `Verifier` after its `close()`. */
export class ClosedError extends BulwarkError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_CLOSED', message, options);
  }
}

/** The caller's `AbortSignal` fired; `.name` is `'AbortError'`, as the web platform has it. */
export class AbortError extends BulwarkError {
  constructor(message = 'the operation was aborted', options?: ErrorOptions) {
    super('ERR_ABORTED', message, options);
    this.name = 'AbortError';
  }
}
