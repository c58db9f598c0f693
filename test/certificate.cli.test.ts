/** `bulwark check` as a user runs it, with no native addon to be found. */
import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { CertificateChecker, type Certificate } from '../src/certificate/index.js';
import { CertificateMaker, encodeCertificate, writeCertificate } from '../src/certify/certificates.js';
import { loadModel } from '../src/index.js';
import { npyFloat64, npyInt64, temporaryFolder } from './support/array-files.js';
import { runCommand } from './support/command-line.js';
import { chordEvidence } from './support/evidence.js';
import { identityOnnx } from './support/fake-native.js';

const folder = temporaryFolder();
const addon = '/nonexistent/addon.node';
const images = [
  [1, 0.2],
  [0.1, 0.9],
  [0.7, 0.3],
];
let options: string[];
let certificates: Certificate[];

beforeAll(async () => {
  const path = await folder.write('identity.onnx', identityOnnx());
  const data = await folder.write('x.npy', npyFloat64([3, 2], images.flat()));
  const labels = await folder.write('y.npy', npyInt64([0, 1, 0]));
  options = ['--model', path, '--data', data, '--labels', labels, '--clip', '0,1'];
  const model = await loadModel(path);
  const maker = new CertificateMaker(model);
  certificates = images.map((image, index) => {
    const center = Float64Array.from(image);
    const region = { kind: 'l2', eps: 0.1, clip: [0, 1] } as const;
    const evidence = chordEvidence(model, new CertificateChecker(model), center, region);
    const certificate = maker.make({ ...evidence, index });
    if (!certificate) throw new Error(`image ${index} is not robust`);
    return certificate;
  });
});

async function good(name: string): Promise<string> {
  const path = join(folder.path, name);
  for (const certificate of certificates) await writeCertificate(path, certificate);
  return path;
}

it('no certificate is made that would be too large to be read', async () => {
  const model = await loadModel(join(folder.path, 'identity.onnx'));
  const leaf = { splits: [], slope: new Float32Array(2 ** 26), lambda: new Float32Array(), inputLambda: 0 };
  const region = { kind: 'l2', eps: 0.1, clip: null } as const;
  const rows = [{ leaves: [leaf] }];
  const common = { index: 7, center: new Float64Array(2), label: 0, assurance: 'real', lower: [1] } as const;
  expect(() => new CertificateMaker(model).make({ ...common, region, rows })).toThrow(
    /certificate of image 7 may have \d+ bytes, at most 268435456 are read/,
  );
});

describe('bulwark check', () => {
  it('accepts what certify could have written, and exits with 0', async () => {
    const path = await good('good');
    const { code, stdout } = await runCommand(['check', path, ...options, '--norm', '2', '--eps', '0.1'], {
      addon,
    });
    expect(stdout).toMatch(
      /^accepted "000001.cert": image 1, label 1, l2 ball of radius 0.1 in \[0,1\], margin 0.6/m,
    );
    expect(stdout).toMatch(/^3 of 3 accepted, [\d.]+ ms per certificate$/m);
    expect(code).toBe(0);
  });

  it('exits with 1 if one is rejected, and says why', async () => {
    const path = await good('one-bad');
    const bytes = await readFile(join(path, '000002.cert'));
    await writeFile(join(path, '000002.cert'), bytes.subarray(0, bytes.length - 9));
    const { code, stdout, stderr } = await runCommand(['check', path, ...options, '--json'], { addon });
    expect(stdout).toMatch(/^rejected "000002.cert": the checksum differs/m);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      total: 3,
      accepted: 2,
      rejected: 1,
    });
    expect(stderr).toMatch(/1 of 3 certificates rejected/);
    expect(code).toBe(1);
  });

  it('rejects certificates that prove less than is asked for', async () => {
    const path = await good('weak');
    const cases: [string[], RegExp][] = [
      [['--eps', '0.2'], /radius 0.1/],
      [['--norm', 'inf'], /norm l2/],
      [['--assurance', 'float32'], /assurance real/],
    ];
    for (const [asked, reason] of cases) {
      const { code, stdout } = await runCommand(['check', path, ...options, ...asked], { addon });
      expect(stdout).toMatch(reason);
      expect(stdout).toMatch(/^0 of 3 accepted/m);
      expect(code).toBe(1);
    }
  });

  it('is not led out of the folder, nor into gigabytes, nor taken in by a second copy', async () => {
    const path = await good('hostile');
    await symlink('/dev/zero', join(path, 'link.cert'));
    await symlink(join(path, '000000.cert'), join(path, 'other.cert'));
    await mkdir(join(path, 'folder.cert'));
    await writeFile(join(path, 'copy.cert'), encodeCertificate(certificates[0]));
    await writeFile(join(path, 'empty.cert'), '');
    await writeFile(join(path, '\u001b[2Jname.cert'), 'x');
    await writeFile(
      join(path, 'path.cert'),
      encodeCertificate({ ...certificates[0], index: '../1' as never }),
    );
    const huge = await open(join(path, 'huge.cert'), 'w');
    await huge.truncate(2 ** 40);
    await huge.close();
    const { code, stdout } = await runCommand(['check', path, ...options], { addon });
    expect(stdout).toMatch(/^rejected "link.cert": it is no regular file/m);
    expect(stdout).toMatch(/^rejected "other.cert": it is no regular file/m);
    expect(stdout).toMatch(/^rejected "folder.cert": it is no regular file/m);
    expect(stdout).toMatch(/^rejected "copy.cert": image 0 has a certificate already: "000000.cert"/m);
    expect(stdout).toMatch(/^rejected "empty.cert": the file has only 0 bytes/m);
    expect(stdout).toMatch(/^rejected "huge.cert": it has 1099511627776 bytes/m);
    expect(stdout).toMatch(/^rejected "path.cert": the header's 'index'/m);
    expect(stdout).not.toContain('\u001b');
    expect(code).toBe(1);
  });

  it('exits with 2 for a folder without certificates, and for wrong usage', async () => {
    const empty = join(folder.path, 'nothing');
    await mkdir(empty);
    expect((await runCommand(['check', empty, ...options], { addon })).code).toBe(2);
    expect((await runCommand(['check', join(empty, 'missing'), ...options], { addon })).code).toBe(2);
    expect((await runCommand(['check', empty], { addon })).code).toBe(2);
  });
});
