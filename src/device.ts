/** Which of the devices that the addon finds is meant. */
import type { NativeBinding } from './binding.js';
import { DeviceError } from './errors.js';

export type DeviceKind = 'cpu' | 'cuda';

/**
 * `'auto'` is a CUDA device where there is one, else the CPU.
 *
 * @throws DeviceError if `'cuda'` is asked for and there is none.
 */
export function chooseDevice(wanted: DeviceKind | 'auto', binding: NativeBinding): DeviceKind {
  if (wanted === 'cpu') return 'cpu';
  const devices = binding.devices();
  const cuda = devices.some(({ kind }) => kind === 'cuda');
  if (wanted === 'cuda' && !cuda) {
    const there = devices.map(({ kind, name }) => `${kind} (${name})`).join(', ');
    throw new DeviceError(
      `device is 'cuda', but there is no CUDA device here (${binding.cudaAbsence()}); there is: ${there}`,
    );
  }
  return cuda ? 'cuda' : 'cpu';
}
