/** Options that several commands share, and how their text becomes values. */
import { type FileHandle, open } from 'node:fs/promises';
import { type Command, InvalidArgumentError as UsageError, Option } from 'commander';
import type { LabelledImages } from '../certify/data-set.js';
import type { Existing } from '../certify/record-file.js';
import { type Layout, checkLabels, loadImages, loadLabels } from '../data/index.js';
import { DataError, InvalidArgumentError } from '../errors.js';
import { type Model, loadModel } from '../model/index.js';
import { parseEps, parseNumberList, parseRange } from '../problem/parse.js';
import type { Norm } from '../problem/region.js';
import { type Method, methods } from '../verify/options.js';
import { Verifier } from '../verify/verifier.js';

export interface DeviceOptions {
  threads?: number;
  device: 'cpu' | 'cuda' | 'auto';
  cublas: false | string;
}

export interface InputOptions {
  data: string;
  labels?: string;
  clip?: [number, number];
  mean?: number[];
  std?: number[];
  layout?: Layout;
  start: number;
  limit?: number;
}

export interface OutputOptions {
  out?: string;
  json: boolean;
  resume: boolean;
  force: boolean;
}

export interface DataOptions extends DeviceOptions, InputOptions, Pick<OutputOptions, 'out' | 'json'> {
  norm: Norm;
  method: Method;
  timeLimit: number;
}

/** Adds `--threads`, `--device` and `--cublas`. */
export function addDeviceOptions(command: Command): Command {
  return command
    .option('--threads <T>', 'worker threads (default: all cores)', whole)
    .addOption(
      new Option('--device <kind>', 'where to compute').choices(['cpu', 'cuda', 'auto']).default('auto'),
    )
    .option(
      '--cublas <library>',
      "make dense products on the GPU by NVIDIA's library: system, or its file; last bits may depend on the batch",
      false,
    );
}

/** Adds what says which images are looked at. */
export function addInputOptions(command: Command): Command {
  return command
    .requiredOption(
      '--data <file>',
      'images: .npy, .npz (file.npz:name), IDX or CIFAR-10 binary (.bin), also .gz; uint8 is divided by 255',
    )
    .option(
      '--labels <file>',
      'labels: .npy, .npz, IDX, or .txt/.csv with one a line; CIFAR-10 binary data has its own',
    )
    .option('--clip <lo,hi>', 'range of valid pixels, intersected with the ball', clip)
    .option(
      '--mean <a,b,c>',
      'the model takes (x - mean) / std: one number, or one per channel',
      list('--mean'),
    )
    .option('--std <a,b,c>', 'see --mean', list('--std'))
    .addOption(new Option('--layout <order>', 'axes of the data (default: nchw)').choices(['nchw', 'nhwc']))
    .option('--start <I>', 'index of the first image', whole, 0)
    .option('--limit <N>', 'at most so many images', whole);
}

/** The option `--norm`, not yet mandatory. */
export function normOption(): Option {
  return new Option('--norm <p>', 'norm of the ball: 1, 2 or inf').argParser(norm);
}

/** Adds what says which images are looked at, in which ball, by which method. */
export function addDataOptions(command: Command): Command {
  addInputOptions(command.argument('<model>', 'ONNX file'))
    .addOption(normOption().makeOptionMandatory())
    .addOption(new Option('--method <M>', 'how to bound').choices(methods).default('joint'))
    .option('--time-limit <S>', 'seconds per image, 0 for none', nonNegative, 0);
  return addDeviceOptions(addOutputOptions(command));
}

/** Adds `--out` and `--json`. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--out <file>', 'write one JSON line per image')
    .option('--json', 'end with one JSON object on standard output instead of the table', false);
}

/** Adds `--resume` and `--force`, for a command whose records {@link existingPolicy} guards. */
export function addResumeOptions(command: Command): Command {
  return command
    .option('--resume', 'continue the run that wrote --out', false)
    .option('--force', 'replace --out if it exists', false);
}

/** What to do if `--out` exists. */
export function existingPolicy({ out, resume, force }: Omit<OutputOptions, 'json'>): Existing {
  if (resume && force) throw new InvalidArgumentError('--resume and --force exclude each other');
  if ((resume || force) && out === undefined) {
    throw new InvalidArgumentError(`--${resume ? 'resume' : 'force'} needs --out, the file of records`);
  }
  if (resume) return 'resume';
  return force ? 'overwrite' : 'refuse';
}

/** A number >= 0 or a fraction, for `argParser`. */
export const nonNegative = usage(parseEps);

/** A whole number >= 0, for `argParser`. */
export const whole = usage((text) => {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError(`'${text}', expected a whole number >= 0`);
});

const norm = usage((text): Norm => {
  const norms: Record<string, Norm> = { '1': 'l1', '2': 'l2', inf: 'linf' };
  if (Object.hasOwn(norms, text)) return norms[text];
  throw new InvalidArgumentError(`'${text}', expected 1, 2 or inf`);
});

const clip = usage((text): [number, number] => {
  const [low, high] = parseRange(text, '--clip');
  if (low < high) return [low, high];
  throw new InvalidArgumentError(`'${text}', expected two numbers lo,hi with lo < hi`);
});

function list(name: string): (text: string) => number[] {
  return usage((text) => parseNumberList(text, name));
}

/** Lets commander name the option in front of our message. */
function usage<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
  };
}

/** The model of the command line, with its normalization in front. */
export async function openModel(
  path: string,
  { mean, std }: Pick<InputOptions, 'mean' | 'std'>,
): Promise<Model> {
  if ((mean === undefined) !== (std === undefined)) {
    throw new InvalidArgumentError('--mean and --std go together: give both or neither');
  }
  const model = await loadModel(path);
  return mean && std ? model.withNormalization({ mean: scalarOrList(mean), std: scalarOrList(std) }) : model;
}

function scalarOrList(values: number[]): number | number[] {
  return values.length === 1 ? values[0] : values;
}

/** The images and labels of the command line. */
export async function openData(model: Model, options: InputOptions): Promise<LabelledImages> {
  const { data, start, limit, layout } = options;
  const images = await loadImages(data, { inputShape: model.inputShape, layout, start, limit });
  const classes = model.outputSize;
  if (options.labels === undefined) {
    if (images.labels) return { images, labels: checkLabels(images.labels, classes, data, start) };
    throw new InvalidArgumentError(`--labels is missing: ${data} carries no labels of its own`);
  }
  const { labels, available } = await loadLabels(options.labels, { classes, start, limit });
  if (available !== images.available) {
    throw new DataError(`${options.labels} has ${available} labels, ${data} has ${images.available} images`);
  }
  return { images, labels };
}

/** A new file of records; an existing one is refused. */
export async function openRecords(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (cause) {
    throw new DataError(`cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Runs `work` with a verifier that is closed afterwards. */
export async function withVerifier<T>(
  { threads, device, cublas }: DeviceOptions,
  work: (verifier: Verifier) => Promise<T>,
): Promise<T> {
  const library = cublas === 'system' ? true : cublas;
  const verifier = new Verifier({ device, cublas: library, ...(threads !== undefined && { threads }) });
  try {
    return await work(verifier);
  } finally {
    await verifier.close();
  }
}
