/** The certificate reader and checker. What is still accepted must be true. */
import { createHash } from 'node:crypto';
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { magic, version } from '../../dist/certificate/format.js';
import { CertificateChecker } from '../../dist/certificate/index.js';
import { Verifier, certify, evaluate, loadModel } from '../../dist/index.js';
import { network } from './network.mjs';
import { Random, mutateBytes, oddFloats, oddIntegers } from './random.mjs';

/** Certificates as `certify` writes them, in several settings: plain, with box claims, with splits. */
const settings = [
  { norm: 'l2', eps: 0.1, clip: [0, 1] },
  { norm: 'linf', eps: 0.03, clip: [0, 1], method: 'complete' },
  { norm: 'l1', eps: 0.1, method: 'alpha-crown', assurance: 'float32' },
];

async function makeSeeds(model, images, folder) {
  const verifier = new Verifier({ threads: 1 });
  const size = model.inputSize;
  const count = images.length / size;
  const labels = await verifier.predict(
    model,
    Array.from({ length: count }, (_, i) => images.subarray(i * size, (i + 1) * size)),
  );
  const data = { images: { data: images, count, size, start: 0, available: count }, labels };
  const seeds = [];
  for (const options of settings) {
    const certificates = join(folder, 'certificates');
    await certify(verifier, model, data, { ...options, certificates, attack: false });
    for (const name of await readdir(certificates)) seeds.push(await readFile(join(certificates, name)));
    await rm(certificates, { recursive: true });
  }
  await verifier.close();
  if (seeds.length < 6) throw new Error(`only ${seeds.length} certificates to start from`);
  return { seeds, labels };
}

/** Header and payload of a file; the checksum is made anew when they are joined. */
const headerAt = 16;
function split(file) {
  const end = headerAt + file.readUInt32LE(12);
  return { header: JSON.parse(file.toString('utf8', headerAt, end)), payload: file.subarray(end, -32) };
}

function joined(text, payload) {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return sealed(Buffer.concat([Buffer.from(magic), Buffer.from([version, 0, 0, 0]), length, text, payload]));
}

const sealed = (body) => Buffer.concat([body, createHash('sha256').update(body).digest()]);

/** Replaces, removes or doubles a value anywhere in a JSON tree. */
function mutateTree(random, tree) {
  const odd = () =>
    random.pick([
      ...oddIntegers,
      ...oddFloats,
      null,
      true,
      '',
      'l2',
      '../../etc/passwd',
      [],
      {},
      [[1]],
      [0, 1],
    ]);
  if (typeof tree === 'number' && random.chance(0.5))
    return tree * (1 + (random.uniform() - 0.5) * 10 ** -random.below(8));
  if (typeof tree !== 'object' || tree === null || random.chance(0.15)) return odd();
  if (Array.isArray(tree)) {
    const place = random.below(tree.length + 1);
    if (random.chance(0.2)) return tree.toSpliced(place, 1);
    if (random.chance(0.2)) return tree.toSpliced(place, 0, odd());
    return tree.map((entry, i) => (i === place ? mutateTree(random, entry) : entry));
  }
  const key = random.pick([...Object.keys(tree), '__proto__', 'extra']);
  if (random.chance(0.1)) return Object.fromEntries(Object.entries(tree).filter(([name]) => name !== key));
  return { ...tree, [key]: mutateTree(random, tree[key]) };
}

/** Numbers of the payload: counts, splits and float32 multipliers are four bytes each. */
function mutateWords(random, payload) {
  const bytes = Buffer.from(payload);
  for (let change = random.below(6); change >= 0; change -= 1) {
    const place = 4 * random.below(bytes.length / 4);
    const kind = random.below(4);
    if (kind < 2) bytes.writeFloatLE(Math.fround(random.pick(oddFloats)), place);
    else if (kind === 2) bytes.writeFloatLE(bytes.readFloatLE(place) * (0.5 + random.uniform()), place);
    else bytes.writeUInt32LE(Math.abs(random.pick(oddIntegers)) % 2 ** 32, place);
  }
  return bytes;
}

function make(random, seeds) {
  const seed = random.pick(seeds);
  if (random.chance(0.15)) return mutateBytes(random, seed, seeds);
  if (random.chance(0.3)) return sealed(mutateBytes(random, seed.subarray(0, -32), seeds));
  let { header, payload } = split(seed);
  if (random.chance(0.6)) header = mutateTree(random, header);
  if (random.chance(0.6)) payload = mutateWords(random, payload);
  const text = Buffer.from(JSON.stringify(header) ?? '');
  return joined(random.chance(0.1) ? mutateBytes(random, text, [text]) : text, payload);
}

export async function open(folder) {
  const random = new Random(7);
  const model = await loadModel(network(random, [4, 9, 8, 3]));
  const images = Float64Array.from({ length: 16 * 4 }, () => random.uniform());
  const { seeds, labels } = await makeSeeds(model, images, folder);
  const checker = new CertificateChecker(model);
  const imageAt = (index) =>
    index < labels.length
      ? { center: images.slice(4 * index, 4 * index + 4), label: labels[index] }
      : undefined;

  /** Looks for a point of the region where a row is below its claimed margin. */
  function refute({ index, kind, eps, clip, label, margins }) {
    const center = images.subarray(4 * index, 4 * index + 4);
    for (let sample = 0; sample < 60; sample += 1) {
      const direction = center.map(() => random.uniform() - 0.5);
      if (sample % 2) direction.fill(0, 0, 3);
      const norms = {
        l1: Math.hypot(...direction) * 2,
        l2: Math.hypot(...direction),
        linf: Math.max(...direction.map(Math.abs)),
      };
      const point = center.map((x, i) => {
        const moved = x + (0.999 * eps * direction[i]) / norms[kind];
        return clip ? Math.min(Math.max(moved, clip[0]), clip[1]) : moved;
      });
      const y = evaluate(model.graph, point);
      const rows = [0, 1, 2].filter((other) => other !== label).map((other) => y[label] - y[other]);
      const wrong = rows.findIndex((value, row) => value < margins[row] - 1e-9);
      if (wrong >= 0)
        throw new Error(`accepted, but row ${wrong} is ${rows[wrong]}, claimed ${margins[wrong]}`);
    }
  }

  return {
    make: (draws) => make(draws, seeds),
    async run(bytes) {
      refute(checker.check(bytes, imageAt));
      return 'accepted';
    },
    close: () => undefined,
  };
}
