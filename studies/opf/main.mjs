/**
 * `npm run study:opf`: accuracy against certified feasibility of a 3-16-3 surrogate of DC optimal power flow,
 * after Figure 2 of the closed-form radius paper. Exit code 2 where the grid's file is absent.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseMatpower } from '../../dist/index.js';
import { defaults, study } from './study.mjs';

const shared = fileURLToPath(new URL('../../../shared/data/opf/pglib_opf_case3_lmbd.m', import.meta.url));

const usage = `npm run study:opf -- [options]
  --case FILE        MATPOWER case (default: PGLib's case3_lmbd in ../shared)
  --out FOLDER       for opf.csv, opf.md, opf.svg and opf.png (default build/opf)
  --weights A,B,...  of the certified violation in the loss (default ${defaults.weights})
  --train N          training samples (default ${defaults.train})
  --test N           test samples (default ${defaults.test})
  --steps N          of training (default ${defaults.steps})
  --seed S           of demands and weights (default ${defaults.seed})
  --threads N        (default: all cores)`;

const { values } = parseArgs({
  options: {
    case: { type: 'string', default: shared },
    out: { type: 'string', default: join('build', 'opf') },
    weights: { type: 'string' },
    train: { type: 'string' },
    test: { type: 'string' },
    steps: { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(usage);
} else if (!existsSync(values.case)) {
  console.error(`the grid is not there: ${values.case} is absent`);
  process.exitCode = 2;
} else {
  const begin = performance.now();
  const numbers = ['train', 'test', 'steps', 'seed', 'threads'].flatMap((name) =>
    values[name] === undefined ? [] : [[name, number(name, values[name])]],
  );
  const weights = values.weights?.split(',').map((text) => number('weights', text));
  const { rises } = await study(parseMatpower(readFileSync(values.case, 'utf8')), {
    out: values.out,
    ...Object.fromEntries(numbers),
    ...(weights && { weights }),
    log: (line) => console.log(`${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}`),
  });
  console.log(readFileSync(join(values.out, 'opf.md'), 'utf8'));
  const places = rises.map(
    ({ weight, eps, generator, by }) => `λ ${weight}, ε ${eps}, generator ${generator}: +${by}`,
  );
  console.log(
    places.length === 0
      ? 'certified violations fall with λ at every ε, for all generators together and for each'
      : `certified violations grow with λ at ${places.length} places:\n${places.join('\n')}`,
  );
}

function number(option, text) {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new Error(`--${option} has '${text}', expected a number >= 0`);
}
