/** MATPOWER cases. Two generators and a line that limits the cheap one. */
export const pairGrid = `function mpc = pair
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
  1 3 60 0 0 0 1 1 0 240 1 1.1 0.9;
  2 2 90 0 0 0 1 1 0 240 1 1.1 0.9;
];
mpc.gen = [
  1 0 0 0 0 1 100 1 300 0;
  2 0 0 0 0 1 100 1 300 0;
];
mpc.gencost = [ 2 0 0 3 0.01 10 0; 2 0 0 3 0.05 20 0 ];
mpc.branch = [ 1 2 0 0.2 0 80 0 0 0 0 1 -360 360 ];
`;

/** The same, and a third generator without capacity. */
export const idleGrid = pairGrid
  .replace(/^(mpc\.gencost.*)\];$/m, '$1; 2 0 0 3 0.01 5 0 ];')
  .replace('100 1 300 0;\n];', '100 1 300 0;\n  2 0 0 0 0 1 100 1 0 0;\n];');
