export const digitSize: number;
export const seeds: { readonly training: number; readonly heldOut: number; readonly demo: number };
export function drawDigits(count: number, seed: number): { images: Uint8Array; labels: Uint8Array };
