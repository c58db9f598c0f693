/**
 * Trains the network of the bundled demo and writes `demo/digits.onnx`. Provisional: it stands here so
 * that the committed weights can be made again (`node demo/train.mjs`, about two minutes on one core),
 * and gives way to the package's own training once that exists.
 */
import { writeFile } from 'node:fs/promises';
import { Adam } from './adam.mjs';
import { digitSize, drawDigits, seeds } from './digits.mjs';
import { MarginLoss } from './margin-loss.mjs';
import { createNetwork } from './network.mjs';
import { Random } from './random.mjs';
import { encodeOnnx } from './write-onnx.mjs';

const recipe = {
  images: 20_000,
  heldOut: 2_000,
  epochs: 12,
  batch: 40,
  rate: 3e-3,
  /** The radius of the margin loss grows to this over the first half of training. */
  eps: 0.35,
  seed: 7,
};

const pixelCount = digitSize * digitSize;
const pixels = (images, i) => images.subarray(i * pixelCount, (i + 1) * pixelCount);

/** Digits with pixels in [0, 1], the units the network takes. */
function drawScaled(count, seed) {
  const { images, labels } = drawDigits(count, seed);
  return { images: Float32Array.from(images, (value) => value / 255), labels };
}

function train({ images, labels }) {
  const random = new Random(recipe.seed);
  const network = createNetwork(random);
  const loss = new MarginLoss(network);
  const adam = new Adam(
    network.layers.flatMap((layer) => [
      { value: layer.weight, gradient: layer.weightGradient },
      { value: layer.bias, gradient: layer.biasGradient },
    ]),
  );
  loss.update(50);
  const steps = (recipe.epochs * recipe.images) / recipe.batch;
  let step = 0;
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    const order = random.permutation(recipe.images);
    let sum = 0;
    for (let start = 0; start < recipe.images; start += recipe.batch, step++) {
      const eps = recipe.eps * Math.min(1, (2 * step) / steps);
      const rate = (recipe.rate * (1 + Math.cos((Math.PI * step) / steps))) / 2;
      for (const i of order.slice(start, start + recipe.batch)) {
        sum += loss.addImage(pixels(images, i), labels[i], eps);
      }
      loss.addNormGradients();
      adam.step(rate, 1 / recipe.batch);
      loss.update(1);
    }
    console.log(`epoch ${epoch + 1}/${recipe.epochs}: mean loss ${(sum / recipe.images).toFixed(4)}`);
  }
  loss.update(1000);
  return { network, loss };
}

function report({ network, loss }, { images, labels }) {
  const radii = [...labels].map((label, i) => loss.provenRadius(network.forward(pixels(images, i)), label));
  const percent = (test) => `${((100 * radii.filter(test).length) / radii.length).toFixed(2)} %`;
  console.log(`accuracy on ${radii.length} held-out digits: ${percent((radius) => radius > 0)}`);
  for (const eps of [0.3, 0.5, 0.7, 1.0]) {
    console.log(
      `  margin beyond the estimated product of norms at l2 ${eps}: ${percent((radius) => radius > eps)}`,
    );
  }
}

const started = performance.now();
const trained = train(drawScaled(recipe.images, seeds.training));
report(trained, drawScaled(recipe.heldOut, seeds.heldOut));
const file = new URL('digits.onnx', import.meta.url);
await writeFile(file, encodeOnnx(trained.network, [1, digitSize, digitSize]));
console.log(`wrote ${file.pathname} after ${((performance.now() - started) / 1000).toFixed(0)} s`);
