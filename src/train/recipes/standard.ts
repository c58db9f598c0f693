import type { Recipe, TrainingOptions } from '../recipe.js';

/** Settings that recipes share unless they say otherwise. */
export const common: TrainingOptions = {
  epochs: 6,
  batch: 256,
  rate: 2e-3,
  finalRate: 2e-3,
  weightDecay: 1e-4,
  clip: 0,
  ema: 0,
  smoothing: 0,
  validation: 0,
  patience: 0,
  shift: 0,
};

/** Cross entropy alone: the ceiling of clean accuracy, and the gap that the other recipes close. */
export const standard: Recipe = {
  name: 'standard',
  summary: 'cross entropy',
  training: { ...common, validation: 5000, patience: 2, smoothing: 0.02 },
  settings: {},
  start() {
    return {
      state: [],
      loss({ tape, network, images, labels, smoothing }) {
        const logits = network.forward(tape, images);
        return { logits, loss: tape.crossEntropy(logits, labels, smoothing) };
      },
    };
  },
};
