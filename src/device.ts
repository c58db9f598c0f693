/** Which of the devices that the addon finds is meant. */
import type { NativeBinding } from './binding.js';
import { DeviceError, InvalidArgumentError } from './errors.js';

export type DeviceKind = 'cpu' | 'cuda';

/**
 * `'auto'` is a CUDA device where there is one, else the CPU.
 *
 * @param cublas whether cuBLAS is asked for, which needs a CUDA device.
 * @throws InvalidArgumentError if `cublas` is asked for on the CPU.
 * @throws DeviceError if `'cuda'` or `cublas` is asked for and there is no CUDA device.
 */
export function chooseDevice(
  wanted: DeviceKind | 'auto',
  binding: NativeBinding,
  cublas = false,
): DeviceKind {
  if (wanted === 'cpu') {
    if (!cublas) return 'cpu';
    throw new InvalidArgumentError("cublas is asked for on device 'cpu', expected device 'cuda' or 'auto'");
  }
  const devices = binding.devices();
  const cuda = devices.some(({ kind }) => kind === 'cuda');
  if (!cuda && (wanted === 'cuda' || cublas)) {
    const there = devices.map(({ kind, name }) => `${kind} (${name})`).join(', ');
    throw new DeviceError(
      `${cublas ? 'cublas is asked for' : "device is 'cuda'"}, but there is no CUDA device here ` +
        `(${binding.cudaAbsence()}); there is: ${there}`,
    );
  }
  return cuda ? 'cuda' : 'cpu';
}

/**
 * The library's file as the engine takes it: undefined for none, empty for the system's.
 *
 * @throws InvalidArgumentError if it is neither true, false nor a file.
 */
export function cublasFile(given: unknown = false): string | undefined {
  if (typeof given === 'boolean') return given ? '' : undefined;
  if (typeof given === 'string' && given !== '') return given;
  throw new InvalidArgumentError(
    `cublas is ${JSON.stringify(given) ?? String(given)}, expected true, false or the library's file`,
  );
}
