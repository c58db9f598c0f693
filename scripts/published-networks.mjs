/**
 * The published networks and test images that lie beside the project in `../shared`, in the settings of their
 * paper. Nothing of them is part of the project: where `../shared` is absent, `publishedNetworks` is empty.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadImages, loadLabels, loadModel } from '../dist/index.js';

/** Where they would be. */
export const publishedFolder = fileURLToPath(new URL('../../shared/data/sdp-crown', import.meta.url));

const normalization = { mean: [0.4913725, 0.4823529, 0.4466667], std: 0.225 };
/** Title, folder of the images, usual l2 radius in the units of the pixels, clip range and normalisation. */
export const publishedSettings = {
  mnist_mlp: { title: 'MLP (MNIST)', data: 'mnist', eps: 1, clip: [0, 1] },
  mnist_convsmall: { title: 'ConvSmall (MNIST)', data: 'mnist', eps: 0.3, clip: [0, 1] },
  cifar10_cnn_c: { title: 'CNN-C (CIFAR-10)', data: 'cifar', eps: 24 / 255, normalization },
  cifar10_convsmall: { title: 'ConvSmall (CIFAR-10)', data: 'cifar', eps: 24 / 255, normalization },
};

export const publishedNetworks = existsSync(publishedFolder) ? Object.keys(publishedSettings) : [];

/** Where the model, images and labels of a network lie. */
export function publishedFiles(name) {
  const images = `${publishedFolder}/${publishedSettings[name].data}`;
  return {
    model: `${publishedFolder}/models/${name}.onnx`,
    images: `${images}/X_sdp.npy`,
    labels: `${images}/y_sdp.npy`,
  };
}

/**
 * One of them with images of its test set.
 *
 * @param selection `start` and `limit` as in `loadImages`.
 * @returns the model in the units of the pixels, one centre per image, labels, usual l2 radius and clip range.
 */
export async function openPublished(name, selection = {}) {
  const { title, eps, clip, normalization: normal } = publishedSettings[name];
  const files = publishedFiles(name);
  const raw = await loadModel(files.model);
  const model = normal ? raw.withNormalization(normal) : raw;
  const from = { inputShape: model.inputShape, layout: 'nhwc', ...selection };
  const x = await loadImages(files.images, from);
  const { labels } = await loadLabels(files.labels, { classes: 10, ...selection });
  const centers = Array.from({ length: x.count }, (_, i) => x.data.subarray(i * x.size, (i + 1) * x.size));
  return { name, title, model, centers, labels, eps, clip };
}
