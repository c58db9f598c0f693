import { type Command, InvalidArgumentError as UsageError, Option } from 'commander';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError } from '../errors.js';
import { exportOnnx } from '../model/index.js';
import {
  type DataSet,
  type TrainingOptions,
  accuracy,
  findRecipe,
  loadLabelled,
  loadCifar10,
  loadMnist,
  parseArchitecture,
  recipes,
  train,
} from '../train/index.js';
import { NativeArithmetic, Tape } from '../autodiff/index.js';
import { writeLog } from '../train/log.js';
import { ProgressDisplay } from './progress.js';
import { nonNegative, whole } from './options.js';
import { surrogateHelp, trainOpf } from './train-surrogate.js';

interface TrainCommandOptions extends Partial<Record<keyof TrainingOptions, number>> {
  recipe: string;
  data: string;
  dataDir?: string;
  labels?: string;
  arch: string;
  out: string;
  seed: number;
  set: Record<string, number>;
  log?: string;
  checkpoint?: string;
  resume: boolean;
  force: boolean;
  threads?: number;
  device: 'cpu' | 'cuda' | 'auto';
}

/** The options of training, each with the words that --help says about it. */
const trainingOptions: readonly (readonly [keyof TrainingOptions, string, string])[] = [
  ['epochs', '--epochs <N>', 'passes over the training images'],
  ['batch', '--batch <N>', 'images per step'],
  ['rate', '--rate <R>', 'learning rate of Adam at the start'],
  ['finalRate', '--final-rate <R>', 'learning rate at the end of the cosine schedule'],
  ['weightDecay', '--weight-decay <R>', 'weight decay: an l2 penalty in the gradient'],
  ['clip', '--clip <L>', 'largest length of a gradient, 0 for no limit'],
  ['ema', '--ema <D>', 'decay of the moving average of the weights, 0 for none'],
  ['smoothing', '--smoothing <S>', 'label smoothing'],
  ['validation', '--validation <N>', 'images kept from the end of the training data to validate on'],
  ['patience', '--patience <N>', 'epochs without a better validation accuracy before stopping, 0: never'],
  ['shift', '--shift <N>', 'move images by up to so many pixels'],
];

/** `bulwark train`: networks that certify. */
export function addTrain(program: Command, signal: AbortSignal): void {
  const command = program
    .command('train')
    .description(
      `train a network and write it as ONNX; recipes: ${recipes.map(({ name, summary }) => `${name} (${summary})`).join(', ')}`,
    )
    .addOption(
      new Option('--recipe <name>', 'how to train')
        .choices(recipes.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .requiredOption('--data <set>', 'mnist, cifar10, opf, or a file of images')
    .option('--data-dir <folder>', 'where the files of mnist, cifar10 or opf are')
    .option('--labels <file>', 'labels of a file of images')
    .requiredOption('--arch <layers>', 'such as 784-128-128-10 or 1x16x16-c8k4s2p1-64-10')
    .requiredOption('--out <file>', 'the ONNX file to write')
    .option('--seed <S>', 'the same seed gives the same weights', whole, 0)
    .option('--set <name=value>', "one of the recipe's own numbers; may be given several times", setting, {})
    .option('--log <file>', 'CSV with a line per epoch (default: OUT.csv)')
    .option('--checkpoint <file>', 'written after every epoch (default: OUT.checkpoint)')
    .option('--resume', 'go on from the checkpoint', false)
    .option('--force', 'replace --out if it exists', false)
    .option('--threads <T>', 'worker threads (default: all cores)', whole)
    .addOption(
      new Option('--device <kind>', 'where to compute; auto: on a GPU where there is one')
        .choices(['cpu', 'cuda', 'auto'])
        .default('cpu'),
    );
  for (const [, flags, text] of trainingOptions) command.option(flags, text, nonNegative);
  command.addHelpText('after', `\nDefaults of each recipe:\n${defaultsText()}\n${surrogateHelp}`);
  command.action((options: TrainCommandOptions) => run(options, signal));
}

async function run(options: TrainCommandOptions, signal: AbortSignal): Promise<void> {
  const { out, seed, threads = 0, device, resume } = options;
  if (existsSync(out) && !options.force && !resume) {
    throw new InvalidArgumentError(`--out ${out} exists: name another file, or add --force`);
  }
  if (options.data === 'opf') {
    if (device === 'cuda') throw new InvalidArgumentError('--device cuda: --data opf trains on the CPU');
    return trainOpf(options, signal);
  }
  const recipe = findRecipe(options.recipe);
  const architecture = parseArchitecture(options.arch);
  const data = await openDataSet(options, architecture.shapes);
  const log = options.log ?? `${out}.csv`;
  const checkpoint = options.checkpoint ?? `${out}.checkpoint`;
  const given = trainingOptions.flatMap(([name]) => {
    const value = options[name];
    return value === undefined ? [] : [[name, value]];
  });
  const progress = new ProgressDisplay('steps');
  const { network } = await train({
    recipe,
    architecture,
    data: data.training,
    seed,
    training: Object.fromEntries(given) as Partial<TrainingOptions>,
    settings: options.set,
    threads,
    device,
    checkpoint,
    resume: resume && existsSync(checkpoint),
    signal,
    onStep: ({ step, steps, loss, accuracy: share }) =>
      progress.update(step, steps, `loss ${loss.toFixed(4)}, accuracy ${(100 * share).toFixed(2)} %`),
    onEpoch: (records) => writeLog(log, records),
  }).finally(() => progress.stop());
  await writeFile(out, exportOnnx(network.graph()));
  const lines = [`wrote ${out}; epochs in ${log}, checkpoint ${checkpoint}`];
  if (data.test) {
    const share = accuracy(new Tape(new NativeArithmetic({ threads })), network, data.test);
    lines.unshift(`accuracy on ${data.test.count} test images: ${(100 * share).toFixed(2)} %`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

function openDataSet(
  { data, dataDir, labels }: TrainCommandOptions,
  shapes: readonly (readonly number[])[],
): Promise<DataSet> {
  const named = { mnist: loadMnist, cifar10: loadCifar10 };
  if (data === 'mnist' || data === 'cifar10') {
    if (dataDir === undefined) throw new InvalidArgumentError(`--data ${data} needs --data-dir, its folder`);
    return named[data](dataDir);
  }
  if (dataDir !== undefined) {
    throw new InvalidArgumentError('--data-dir goes with --data mnist, cifar10 or opf');
  }
  const classes = shapes[shapes.length - 1][0];
  return loadLabelled(data, labels, shapes[0], classes).then((training) => ({ training }));
}

function setting(text: string, before: Record<string, number>): Record<string, number> {
  const match = /^([A-Za-z][A-Za-z0-9]*)=(\S+)$/.exec(text);
  const value = Number(match?.[2]);
  if (match && Number.isFinite(value)) return { ...before, [match[1]]: value };
  throw new UsageError(`'${text}', expected name=number`);
}

function defaultsText(): string {
  return recipes
    .map(({ name, training, settings }) => {
      const list = (values: object): string =>
        Object.entries(values)
          .map(([key, value]) => `${key} ${value}`)
          .join(', ');
      const own = Object.keys(settings).length > 0 ? `; --set: ${list(settings)}` : '';
      return `  ${name}: ${list(training)}${own}`;
    })
    .join('\n');
}
