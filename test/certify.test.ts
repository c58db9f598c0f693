import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { CertificateMaker } from '../src/certify/certificates.js';
import { CertificateError } from '../src/errors.js';
import {
  AbortError,
  type CertifyOptions,
  type CertifyRecord,
  type LabelledImages,
  Verifier,
  certify,
} from '../src/index.js';
import { temporaryFolder } from './support/array-files.js';
import { type FakeCall, type FakeHooks, fakeBinding, identityModel } from './support/fake-native.js';

const folder = temporaryFolder();

/**
 * The fake on `y = x`, with margin m of class 0 and l2 radius 1: the attack finds m - 0.1, CROWN
 * proves m - 1, joint m - 0.4, joint with optimised boxes m - 0.2.
 */
const settledBy = {
  misclassified: -1,
  falsified: 0.05,
  unknown: 0.15,
  optimised: 0.3,
  joint: 0.7,
  easily: 1.5,
};

function data(marginsOfZero: readonly number[], start = 0): LabelledImages {
  const count = marginsOfZero.length;
  return {
    images: {
      data: Float64Array.from(marginsOfZero.flatMap((m) => [m, 0])),
      count,
      size: 2,
      start,
      available: start + count,
    },
    labels: new Int32Array(count),
  };
}

async function campaign(
  input: LabelledImages,
  options: Partial<CertifyOptions> = {},
  hooks: FakeHooks = {},
  threads = 1,
) {
  const verifier = new Verifier({ threads }, fakeBinding(hooks));
  const records: CertifyRecord[] = [];
  const progress: number[] = [];
  try {
    const summary = await certify(verifier, await identityModel(), input, {
      norm: 'l2',
      eps: 1,
      onRecord: (record) => records.push(record),
      onProgress: (done) => progress.push(done),
      ...options,
    });
    return { summary, records, progress };
  } finally {
    await verifier.close();
  }
}

function withoutSeconds(records: readonly CertifyRecord[]): Omit<CertifyRecord, 'seconds'>[] {
  return records.map(({ seconds: _seconds, ...rest }) => rest);
}

/** `count` images that take all the paths through the cascade. */
function mixed(count: number): number[] {
  const margins = Object.values(settledBy);
  return Array.from({ length: count }, (_, i) => margins[(i * 5) % margins.length]);
}

async function recordsIn(path: string): Promise<CertifyRecord[]> {
  const lines = (await readFile(path, 'utf8')).split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as CertifyRecord);
}

describe('cascade', () => {
  it('each image leaves at the first stage that settles it', async () => {
    const calls: FakeCall[] = [];
    const { records, summary } = await campaign(data(Object.values(settledBy), 7), {}, { calls });
    expect(
      records.map(({ index, verdict, method, predicted }) => [index, verdict, method, predicted]),
    ).toEqual([
      [7, 'misclassified', 'predict', 1],
      [8, 'falsified', 'attack', 0],
      [9, 'unknown', 'joint, optimised boxes', 0],
      [10, 'verified', 'joint, optimised boxes', 0],
      [11, 'verified', 'joint', 0],
      [12, 'verified', 'joint', 0],
    ]);
    expect(records.map(({ lower }) => lower?.map((x) => Math.round(x! * 1e6) / 1e6) ?? null)).toEqual([
      null,
      null,
      [-0.05],
      [0.1],
      [0.3],
      [1.1],
    ]);
    expect(
      records.map(({ attackMargin }) => (attackMargin === null ? null : attackMargin.toFixed(2))),
    ).toEqual([null, '-0.05', '0.05', '0.20', '0.60', '1.40']);
    expect(calls.filter(({ kind }) => kind !== 'network').map(({ kind, count }) => [kind, count])).toEqual([
      ['forward', 6],
      ['attack', 5],
      ['bounds', 4],
      ['bounds', 2],
    ]);
    expect(summary).toMatchObject({
      total: 6,
      correct: 5,
      verified: 3,
      falsified: 1,
      misclassified: 1,
      unknown: 1,
      timeouts: 0,
      errors: 0,
      verifiedAccuracy: 0.5,
    });
    expect(summary.secondsPerImage).toBeGreaterThan(0);
    expect(records.every(({ seconds }) => seconds >= 0)).toBe(true);
  });

  it('other methods stand alone; the attack can be left out', async () => {
    const calls: FakeCall[] = [];
    const { records } = await campaign(data([0.05, 1.5]), { method: 'crown', attack: false }, { calls });
    expect(records.map(({ verdict, method, attackMargin }) => [verdict, method, attackMargin])).toEqual([
      ['unknown', 'crown', null],
      ['verified', 'crown', null],
    ]);
    expect(calls.filter(({ kind }) => kind === 'bounds').map(({ options }) => options.boxes)).toEqual([
      'crown',
    ]);
  });

  it('a bound of exactly 0, NaN or -Infinity proves nothing', async () => {
    // With eps 0 the fake's bound is the margin itself: here 0 for the tie, which counts as class 0.
    const tie = await campaign(data([0]), { eps: 0 });
    expect(tie.records[0]).toMatchObject({ verdict: 'unknown', predicted: 0, lower: [0] });
    const binding = fakeBinding();
    const verifier = new Verifier(
      { threads: 1 },
      {
        ...binding,
        createEngine: (options) => {
          const engine = binding.createEngine(options);
          return {
            ...engine,
            bounds: async (...args) => {
              const result = await engine.bounds(...args);
              return { ...result, lower: Float64Array.of(NaN, -Infinity) };
            },
          };
        },
      },
    );
    const records: CertifyRecord[] = [];
    const options = {
      norm: 'l2',
      eps: 1,
      onRecord: (record: CertifyRecord) => records.push(record),
    } as const;
    await certify(verifier, await identityModel(), data([5, 5]), options);
    expect(records.map(({ verdict, lower }) => [verdict, lower])).toEqual([
      ['unknown', [null]],
      ['unknown', [null]],
    ]);
    await verifier.close();
  });

  it('an engine failure stays with the image that causes it', async () => {
    const fail: FakeHooks['fail'] = (kind, { center }) => {
      if (kind === 'bounds' && center.includes(1.25)) throw new Error('exploded');
    };
    const { records, summary } = await campaign(data([1.5, 1.25, 0.7]), {}, { fail });
    expect(records.map(({ verdict, error }) => [verdict, error])).toEqual([
      ['verified', undefined],
      ['error', 'exploded'],
      ['verified', undefined],
    ]);
    expect(summary).toMatchObject({ verified: 2, errors: 1, unknown: 0 });
  });

  it('errors of usage end the campaign', async () => {
    const fail = (): never => {
      throw Object.assign(new Error('sdp-crown needs an l2 ball'), { code: 'ERR_INVALID_ARGUMENT' });
    };
    await expect(campaign(data([1.5]), {}, { fail })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('a time limit that runs out is a timeout, not unknown', async () => {
    const { records, summary } = await campaign(data([1.5, 0.7, -1]), { timeLimit: 0.01 }, { delay: 30 });
    expect(records.map(({ verdict }) => verdict)).toEqual(['timeout', 'timeout', 'misclassified']);
    expect(summary).toMatchObject({ timeouts: 2, unknown: 0 });
  });

  it('shares its work between chunks and keeps their order', async () => {
    const margins = mixed(20);
    const single = await campaign(data(margins), { chunkSize: 1 });
    const chunked = await campaign(data(margins), { chunkSize: 3 }, { delay: 2 }, 2);
    expect(withoutSeconds(chunked.records)).toEqual(withoutSeconds(single.records));
    expect(chunked.records.map(({ index }) => index)).toEqual(margins.map((_, i) => i));
    expect(chunked.progress).toEqual([0, 3, 6, 9, 12, 15, 18, 20]);
  });

  it.each([
    [{ eps: -1 }, /eps is -1/],
    [{ eps: NaN }, /eps is NaN/],
    [{ norm: 'l3' as 'l2' }, /norm is 'l3', expected one of l1, l2, linf/],
    [{ method: 'best' as 'joint' }, /method is 'best'/],
    [{ clip: [1, 0] as const }, /clip is \[1, 0\]/],
    [{ clip: [0, 0.5] as const }, /image 4 has the value 0.7, outside the clip range \[0, 0.5\]/],
    [{ timeLimit: -1 }, /timeLimit is -1/],
    [{ chunkSize: 0 }, /chunkSize is 0/],
    [{ method: 'weighted', certificates: 'none' } as const, /no place for weights per neuron/],
    [{ method: 'weighted', norm: 'linf' } as const, /for l2 balls, the region is of kind 'linf'/],
  ])('refuses %j', async (options, message) => {
    await expect(campaign(data([0.2, 0.7], 3), options)).rejects.toThrow(message);
  });

  it('refuses images and labels that do not fit', async () => {
    const { images, labels } = data([1, 2]);
    await expect(campaign({ images: { ...images, size: 4, count: 1 }, labels })).rejects.toThrow(
      /4 numbers each, the model takes 2/,
    );
    await expect(campaign({ images, labels: labels.subarray(1) })).rejects.toThrow(/2 images and 1 labels/);
  });
});

describe('records', () => {
  const input = data(mixed(11), 40);
  const options = { chunkSize: 4 };

  async function unbroken(): Promise<{ path: string; text: string; records: CertifyRecord[] }> {
    const path = join(folder.path, `whole-${Math.random()}.jsonl`);
    await campaign(input, { ...options, out: path });
    return { path, text: await readFile(path, 'utf8'), records: await recordsIn(path) };
  }

  it('are one JSON line per image, the same as onRecord gets', async () => {
    const path = join(folder.path, 'records.jsonl');
    const { records } = await campaign(input, { ...options, out: path });
    expect(await recordsIn(path)).toEqual(records);
    expect(records).toHaveLength(11);
    expect(Object.keys(records[0])).toEqual([
      'index',
      'label',
      'predicted',
      'verdict',
      'lower',
      'attackMargin',
      'method',
      'seconds',
    ]);
  });

  it('cut at any byte, a resumed run ends with the same records', async () => {
    const { path, text, records } = await unbroken();
    for (let bytes = 0; bytes <= text.length; bytes += 61) {
      await writeFile(path, text.slice(0, bytes));
      const { summary } = await campaign(input, { ...options, out: path, existing: 'resume' });
      expect(withoutSeconds(await recordsIn(path))).toEqual(withoutSeconds(records));
      expect(summary.total).toBe(11);
    }
  });

  it('a finished run has nothing left to do', async () => {
    const { path, text } = await unbroken();
    const calls: FakeCall[] = [];
    const { summary, progress } = await campaign(
      input,
      { ...options, out: path, existing: 'resume' },
      { calls },
    );
    expect(calls).toEqual([]);
    expect(progress).toEqual([11]);
    expect(summary).toMatchObject({ total: 11, secondsPerImage: 0 });
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('refuses an existing file, other settings, other data, and a file that holds something else', async () => {
    const { path, text } = await unbroken();
    await expect(campaign(input, { ...options, out: path })).rejects.toThrow(
      /exists already; continue it with --resume/,
    );
    const resume = { ...options, out: path, existing: 'resume' as const };
    await expect(campaign(input, { ...resume, eps: 2 })).rejects.toThrow(
      /cannot be continued: eps was 1, is 2/,
    );
    await expect(campaign(data(mixed(11).toReversed(), 40), resume)).rejects.toThrow(
      /cannot be continued: data was/,
    );
    const lines = text.split('\n');
    await writeFile(path, [lines[0], lines[2], ''].join('\n'));
    await expect(campaign(input, resume)).rejects.toThrow(/line 2: expected the record of image 41/);
    await writeFile(path, `${lines[0]}\nnonsense\n`);
    await expect(campaign(input, resume)).rejects.toThrow(
      /line 2: expected the record of image 41, found "nonsense"/,
    );
    await writeFile(path, text);
    await writeFile(`${path}.settings.json`, '{');
    await expect(campaign(input, resume)).rejects.toThrow(/settings.json is missing or broken/);
    await campaign(input, { ...resume, existing: 'overwrite' });
    expect(await recordsIn(path)).toHaveLength(11);
    await expect(campaign(input, { out: join(folder.path, 'no', 'such.jsonl') })).rejects.toThrow(
      /cannot write/,
    );
  });

  it('an abort keeps what is settled, and the run can be resumed', async () => {
    const { records } = await unbroken();
    const path = join(folder.path, 'aborted.jsonl');
    const controller = new AbortController();
    const aborted = campaign(
      input,
      { ...options, out: path, signal: controller.signal, onRecord: () => controller.abort() },
      { delay: 5 },
    );
    await expect(aborted).rejects.toThrow(AbortError);
    const kept = await recordsIn(path);
    expect(kept).toHaveLength(4);
    expect(withoutSeconds(kept)).toEqual(withoutSeconds(records.slice(0, 4)));
    await campaign(input, { ...options, out: path, existing: 'resume' });
    expect(withoutSeconds(await recordsIn(path))).toEqual(withoutSeconds(records));
  });

  it('a fatal error in one chunk stops the one beside it', async () => {
    let failed = false;
    const fail: FakeHooks['fail'] = (kind) => {
      if (kind !== 'attack' || failed) return;
      failed = true;
      throw Object.assign(new Error('bad'), { code: 'ERR_DEVICE' });
    };
    const calls: FakeCall[] = [];
    await expect(campaign(data(mixed(40)), options, { fail, delay: 2, calls }, 2)).rejects.toMatchObject({
      code: 'ERR_DEVICE',
    });
    expect(calls.length).toBeLessThan(12);
  });
});

it('an image whose certificate cannot be made is an error of that image alone', async () => {
  const make = vi.spyOn(CertificateMaker.prototype, 'make').mockImplementation(({ index }) => {
    if (index === 1) throw new CertificateError('too large');
    return undefined;
  });
  try {
    const { records } = await campaign(data([settledBy.easily, settledBy.easily, settledBy.falsified]), {
      certificates: join(folder.path, 'certificates'),
    });
    expect(records.map(({ verdict, error }) => [verdict, error])).toEqual([
      ['unknown', undefined],
      ['error', 'too large'],
      ['falsified', undefined],
    ]);
  } finally {
    make.mockRestore();
  }
});
