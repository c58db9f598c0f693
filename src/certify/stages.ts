import type { AttackOptions, Method, MethodOptions, ProofLevel } from '../verify/options.js';

/** One attempt to settle an image: an attack or a bound. */
export type Stage = {
  readonly name: string;
  /** Images are taken one at a time, each under its own time limit: for stages that can take very long. */
  readonly alone?: boolean;
} & (
  | { readonly kind: 'attack'; readonly options: Omit<AttackOptions, 'specification'> }
  | { readonly kind: 'bounds'; readonly options: MethodOptions }
  | { readonly kind: 'inputs'; readonly assurance: ProofLevel; readonly subproblems: number }
);

export interface StageOptions {
  method: Method;
  attack: boolean;
  /** Of branch and bound. */
  limits: Required<Pick<MethodOptions, 'subproblems' | 'memory'>>;
  /** Where branch and bound is to split inputs, not ReLUs: what it proves. */
  inputs?: ProofLevel;
}

/**
 * The cascade, cheapest first. The cheap bound is the first evaluation of `joint`, at CROWN's slopes: rows
 * that it proves leave before any ascent. `joint` is followed by joint on optimised boxes. `complete` follows joint
 * on cheap boxes by branch and bound with an attack of its own: a few splits gain more than better boxes for the
 * same time, and prove what weights per neuron would in as much of it; what they leave is searched again on better
 * boxes. Descents from subproblems' minimisers find what a stronger attack before them would. Any other method
 * stands alone, so that its figures are its own.
 */
export function stagesFor({ method, attack, limits, inputs }: StageOptions): readonly Stage[] {
  const stages: Stage[] = [];
  if (attack)
    stages.push({
      name: 'attack',
      kind: 'attack',
      options: { steps: 20, restarts: 24, stopWhenFalsified: true },
    });
  if (method === 'joint' || method === 'complete') {
    stages.push({ name: 'joint', kind: 'bounds', options: { method: 'joint' } });
  }
  if (method === 'joint') {
    stages.push({
      name: 'joint, optimised boxes',
      kind: 'bounds',
      options: { method, boxes: 'optimised', boxIterations: 5, decidedOnly: true },
    });
  } else if (method === 'complete') {
    const name = 'complete';
    if (inputs) {
      stages.push({ name, kind: 'inputs', alone: true, assurance: inputs, subproblems: limits.subproblems });
    } else {
      stages.push({ name, kind: 'bounds', alone: true, options: { method, ...limits, falsify: attack } });
    }
  } else {
    stages.push({ name: method, kind: 'bounds', options: { method } });
  }
  return stages;
}
