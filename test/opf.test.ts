/** MATPOWER files and DC optimal power flow: hand-made grids, and the published costs. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  DataError,
  InvalidArgumentError,
  SolverError,
  UnsupportedError,
  dcOptimalPowerFlow,
  parseMatpower,
} from '../src/index.js';

/** Two buses, one line of b = 5 per unit; the cheap generator at bus 1, the demand at bus 2. */
function twoBuses({
  rating = 0,
  costs = '2 0 0 3 0 10 5; 2 0 0 3 0.1 20 0',
  status = 1,
  angle = '-360 360',
} = {}): string {
  return `function mpc = two % a comment
%% MATPOWER Case Format : Version 2
mpc.version = '2';
mpc.baseMVA = 100; % MVA
mpc.note = {'not numbers', 'at all'};
mpc.bus = [
  7, 3, 0,   0, 0, 0, 1, 1, 0, 240, 1, 1.1, 0.9; % with commas
  9  1  80   0 ...  continued
     5  0    1  1 0 240 1 1.1 0.9
];
mpc.gen = [
  7 0 0 0 0 1 100 1 Inf 0;
  9 0 0 0 0 1 100 ${status} 60 0 0 0;
];
mpc.gencost = [ ${costs} ];
mpc.branch = [ 7 9 0 0.2 0 ${rating} 0 0 0 0 1 ${angle} ];
`;
}

describe('parseMatpower', () => {
  it('reads comments, commas, continued lines, infinities and costs of both kinds', () => {
    const grid = parseMatpower(twoBuses({ costs: '1 0 0 3 0 0 50 500 100 2000\n2 0 0 2 20 1 0 0 0 0' }));
    expect(grid.name).toBe('two');
    expect(grid.baseMva).toBe(100);
    expect(grid.buses).toEqual([
      { id: 7, type: 3, demand: 0, shunt: 0 },
      { id: 9, type: 1, demand: 80, shunt: 5 },
    ]);
    const points = [
      [0, 0],
      [50, 500],
      [100, 2000],
    ];
    expect(grid.generators).toEqual([
      { bus: 7, inService: true, least: 0, most: Infinity, cost: { kind: 'piecewise', points } },
      { bus: 9, inService: true, least: 0, most: 60, cost: { kind: 'polynomial', coefficients: [20, 1] } },
    ]);
    expect(grid.branches).toEqual([
      {
        from: 7,
        to: 9,
        inService: true,
        resistance: 0,
        reactance: 0.2,
        rating: Infinity,
        leastAngle: -Infinity,
        mostAngle: Infinity,
      },
    ]);
  });

  it.each([
    ['another version', (text: string) => text.replace("'2'", "'1'"), "version is 1, expected '2'"],
    ['no base', (text: string) => text.replace('baseMVA', 'base'), "baseMVA is 'missing'"],
    ['no matrix', (text: string) => text.replace('mpc.branch', 'mpc.line'), 'mpc.branch is missing'],
    ['a short row', (text: string) => text.replace('100 1 Inf 0', '100 1'), 'mpc.gen, row 1 has 8 columns'],
    ['a word', (text: string) => text.replace('Inf', 'plenty'), "row 1, column 9 is 'plenty'"],
    ['a lost cost', (text: string) => text.replace('; 2 0 0 3 0.1 20 0', ''), 'gencost has 1 rows'],
    [
      'a short cost',
      (text: string) => text.replace('3 0.1 20 0', '4 0.1 20 0'),
      'row 2 announces 4 coefficients',
    ],
    ['an unknown cost', (text: string) => text.replace('2 0 0 3 0.1', '3 0 0 3 0.1'), 'has model 3'],
    ['an unknown bus', (text: string) => text.replace('[ 7 9', '[ 7 8'), 'mpc.branch, row 1 names bus 8'],
    ['a bus twice', (text: string) => text.replace('  9  1', '  7  1'), 'mpc.bus has a number twice'],
  ])('names %s', (_, change, message) => {
    const parse = (): unknown => parseMatpower(change(twoBuses()));
    expect(parse).toThrow(DataError);
    expect(parse).toThrow(message);
  });
});

describe('dcOptimalPowerFlow', () => {
  it('takes the cheap generator until the line is full', async () => {
    const free = await dcOptimalPowerFlow(parseMatpower(twoBuses()));
    expect(free.generation[0]).toBeCloseTo(85, 6);
    expect(free.flow[0]).toBeCloseTo(85, 6);
    expect(free.cost).toBeCloseTo(855, 5);
    expect(free.angle[0] - free.angle[1]).toBeCloseTo(0.85 / 5, 9);
    const full = await dcOptimalPowerFlow(parseMatpower(twoBuses({ rating: 50 })));
    expect(full.generation[0]).toBeCloseTo(50, 6);
    expect(full.generation[1]).toBeCloseTo(35, 6);
    expect(full.cost).toBeCloseTo(505 + 0.1 * 35 ** 2 + 20 * 35, 4);
    // 5.729 degrees are 0.1 radians are 50 MW.
    const angled = await dcOptimalPowerFlow(parseMatpower(twoBuses({ angle: `-5 ${18 / Math.PI}` })));
    expect(angled.flow[0]).toBeCloseTo(50, 6);
  });

  it('shares quadratic costs where marginal costs meet, and follows another demand', async () => {
    const costs = '2 0 0 3 0.1 10 0; 2 0 0 3 0.2 10 0';
    const { generation } = await dcOptimalPowerFlow(parseMatpower(twoBuses({ costs })), [0, 55]);
    expect(generation[0]).toBeCloseTo(40, 2);
    expect(generation[1]).toBeCloseTo(20, 2);
  });

  it('follows piecewise linear costs', async () => {
    const costs = '1 0 0 3 0 0 50 500 100 2000; 2 0 0 2 20 0 0 0 0 0';
    const { generation, cost } = await dcOptimalPowerFlow(parseMatpower(twoBuses({ costs })));
    expect(generation[0]).toBeCloseTo(50, 6);
    expect(cost).toBeCloseTo(500 + 20 * 35, 5);
  });

  it('leaves out what is out of service', async () => {
    const { generation } = await dcOptimalPowerFlow(parseMatpower(twoBuses({ status: 0 })));
    expect([...generation].map(Math.round)).toEqual([85, 0]);
  });

  it('says what cannot be', async () => {
    const grid = parseMatpower(twoBuses({ rating: 10 }));
    await expect(dcOptimalPowerFlow(grid)).rejects.toThrow(SolverError);
    await expect(dcOptimalPowerFlow(grid, [1])).rejects.toThrow(InvalidArgumentError);
    for (const costs of [
      '2 0 0 4 1 0 10 5; 2 0 0 3 0 20 0',
      '2 0 0 3 -1 0 5; 2 0 0 3 0 20 0',
      '1 0 0 3 0 0 50 900 100 1000; 2 0 0 3 0 20 0 0 0 0',
    ]) {
      await expect(dcOptimalPowerFlow(parseMatpower(twoBuses({ costs })))).rejects.toThrow(UnsupportedError);
    }
  });
});

const folder = fileURLToPath(new URL('../../shared/data/opf', import.meta.url));

describe.skipIf(!existsSync(folder))('published grids (skipped without ../shared)', () => {
  // The DC column of PGLib's table of baselines; for case9 what other solvers of the DC problem give.
  it.each([
    ['pglib_opf_case3_lmbd', 5695.9, 0.05],
    ['pglib_opf_case5_pjm', 17480, 0.5],
    ['pglib_opf_case14_ieee', 2051.5, 0.05],
    ['matpower_case9', 5216.03, 0.005],
  ])('%s costs %d', async (name, published, rounding) => {
    const { cost } = await dcOptimalPowerFlow(parseMatpower(readFileSync(`${folder}/${name}.m`, 'utf8')));
    expect(Math.abs(cost - published)).toBeLessThanOrEqual(rounding);
  });

  it('solves a dispatch that the method for quadratic programs gives up', async () => {
    const grid = parseMatpower(readFileSync(`${folder}/pglib_opf_case3_lmbd.m`, 'utf8'));
    const demand = [117.6805067062378, 101.00441455841064, 109.89655792713165];
    const { cost, generation, flow } = await dcOptimalPowerFlow(grid, demand);
    const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
    expect(sum(generation)).toBeCloseTo(sum(demand), 4);
    expect(Math.abs(flow[1])).toBeLessThanOrEqual(50 + 1e-4);
    const beside = async (factor: number): Promise<number> =>
      (
        await dcOptimalPowerFlow(
          grid,
          demand.map((value) => value * factor),
        )
      ).cost;
    expect(cost).toBeGreaterThan(await beside(1 - 1e-5));
    expect(cost).toBeLessThan(await beside(1 + 1e-5));
  });
});
