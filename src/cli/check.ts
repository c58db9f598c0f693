import { type Command, Option } from 'commander';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, CertificateChecker, type CheckedImage } from '../certificate/index.js';
import { certificateSuffix, mostBytes } from '../certify/certificates.js';
import { loadImages, loadLabels } from '../data/index.js';
import { CertificateError, DataError } from '../errors.js';
import type { Model } from '../model/index.js';
import type { Norm } from '../problem/region.js';
import { type InputOptions, addInputOptions, nonNegative, normOption, openModel } from './options.js';

interface CheckOptions extends InputOptions {
  model: string;
  norm?: Norm;
  eps?: number;
  assurance?: 'real' | 'float32';
  json: boolean;
}

/** `bulwark check`: whether certificates prove what they claim, without the native engine. */
export function addCheck(program: Command): void {
  const command = program
    .command('check')
    .description('recheck the certificates in a folder, independently of what made them')
    .argument('<folder>', `the files *${certificateSuffix} in it`)
    .requiredOption('--model <file>', 'ONNX file');
  addInputOptions(command)
    .addOption(normOption())
    .option('--eps <radius>', 'reject certificates for smaller balls', nonNegative)
    .addOption(
      new Option('--assurance <level>', 'reject certificates of a lower level').choices(['real', 'float32']),
    )
    .option('--json', 'end with one JSON object on standard output', false)
    .action((folder: string, options: CheckOptions) => run(folder, options));
}

async function run(folder: string, options: CheckOptions): Promise<void> {
  const files = await certificatesIn(folder);
  const model = await openModel(options.model, options);
  const imageAt = await openImages(model, options);
  const checker = new CertificateChecker(model);
  const fileOf = new Map<number, string>();
  const begin = performance.now();
  let accepted = 0;
  for (const file of files) {
    // Names come from strangers too: shown as JSON, so that none of them can steer a terminal.
    const name = JSON.stringify(file);
    try {
      const certificate = checker.check(await readBounded(join(folder, file)), imageAt);
      requireWanted(certificate, options);
      const other = fileOf.get(certificate.index);
      if (other) throw new CertificateError(`image ${certificate.index} has a certificate already: ${other}`);
      fileOf.set(certificate.index, name);
      accepted += 1;
      process.stdout.write(`accepted ${name}: ${describe(certificate)}\n`);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      process.stdout.write(`rejected ${name}: ${error.message}\n`);
    }
  }
  const seconds = (performance.now() - begin) / 1000 / files.length;
  const summary = {
    total: files.length,
    accepted,
    rejected: files.length - accepted,
    secondsPerFile: seconds,
  };
  const text = `${accepted} of ${files.length} accepted, ${(1000 * seconds).toFixed(1)} ms per certificate`;
  process.stdout.write(`${options.json ? JSON.stringify(summary) : text}\n`);
  if (accepted < files.length) {
    throw new CertificateError(`${files.length - accepted} of ${files.length} certificates rejected`);
  }
}

async function certificatesIn(folder: string): Promise<string[]> {
  try {
    const files = (await readdir(folder)).filter((name) => name.endsWith(certificateSuffix)).sort();
    if (files.length > 0) return files;
  } catch (cause) {
    throw new DataError(`cannot read ${folder}: ${(cause as Error).message}`, { cause });
  }
  throw new DataError(`${folder} holds no certificates (*${certificateSuffix})`);
}

/** Only regular files, so that no link leads out of the folder and no device is read without end. */
async function readBounded(path: string): Promise<Uint8Array> {
  try {
    const { size } = await lstat(path).then((entry) => {
      if (entry.isFile()) return entry;
      throw new CertificateError('it is no regular file');
    });
    if (size > mostBytes) throw new CertificateError(`it has ${size} bytes, at most ${mostBytes} are read`);
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause;
    throw new CertificateError(`it cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function openImages(
  model: Model,
  { data, labels: labelFile, start, limit, layout }: CheckOptions,
): Promise<(index: number) => CheckedImage | undefined> {
  const images = await loadImages(data, { inputShape: model.inputShape, layout, start, limit });
  const labels =
    labelFile === undefined
      ? images.labels
      : (await loadLabels(labelFile, { classes: model.outputSize, start, limit })).labels;
  return (index) => {
    const i = index - images.start;
    if (i < 0 || i >= images.count) return undefined;
    const center = images.data.slice(i * images.size, (i + 1) * images.size);
    return labels ? { center, label: labels[i] } : { center };
  };
}

/** What the command line asks for must follow from what the certificate proves. */
function requireWanted({ kind, eps, clip: range, assurance }: Certificate, options: CheckOptions): void {
  const clip = options.clip && JSON.stringify(options.clip);
  const wrong =
    (options.norm !== undefined && options.norm !== kind && `a ball of norm ${kind}`) ||
    (options.eps !== undefined && eps < options.eps && `a ball of radius ${eps}`) ||
    (range !== null && clip !== JSON.stringify(range) && `a ball clipped to [${String(range)}]`) ||
    (options.assurance === 'float32' && assurance !== 'float32' && `assurance ${assurance}`);
  if (wrong) throw new CertificateError(`it proves something else than asked for: ${wrong}`);
}

function describe({ index, kind, eps, clip, label, assurance, margins }: Certificate): string {
  const ball = `${kind} ball of radius ${eps}${clip ? ` in [${String(clip)}]` : ''}`;
  const margin = Math.min(...margins).toPrecision(4);
  return `image ${index}, label ${label}, ${ball}, margin ${margin}, ${assurance}`;
}
