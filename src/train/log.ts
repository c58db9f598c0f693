import { rename, writeFile } from 'node:fs/promises';
import type { EpochRecord } from './trainer.js';

const columns = ['epoch', 'steps', 'loss', 'accuracy', 'validationAccuracy', 'rate', 'seconds'] as const;

/** Writes a run's epochs as CSV, whole, so that a resumed run's file has every epoch once. */
export async function writeLog(path: string, log: readonly EpochRecord[]): Promise<void> {
  const cell = (value: number | undefined): string =>
    value === undefined ? '' : String(Number(value.toPrecision(8)));
  const lines = log.map((record) => columns.map((column) => cell(record[column])).join(','));
  await writeFile(`${path}.part`, `${[columns.join(','), ...lines].join('\n')}\n`);
  await rename(`${path}.part`, path);
}
