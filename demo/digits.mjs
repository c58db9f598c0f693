/**
 * Synthetic handwritten-looking digits: 16 x 16 grey images, drawn from the strokes of `glyphs.mjs` with a random shift, rotation, slant, size, pen width, wobble, blur and noise.
 *
 * Only + - * / and square roots are used, which IEEE 754 fixes to the last bit, so a seed gives the
 * same bytes on every machine.
 */
import { glyphs } from './glyphs.mjs';
import { Random } from './random.mjs';

/** Width and height of a digit, in pixels. */
export const digitSize = 16;

const pixelCount = digitSize * digitSize;
const piecesPerCurve = 8;

/** The seeds of the three data sets of the demo; no image is in two of them. */
export const seeds = { training: 1, heldOut: 2, demo: 3 };

/**
 * Draws `count` digits. Every run of ten holds each label once, in random order.
 *
 * @param {number} count number of images
 * @param {number} seed 32-bit integer; equal seeds give equal images
 * @returns {{ images: Uint8Array, labels: Uint8Array }} images `[count, 16, 16]`, row-major, 0 (paper)
 *   to 255 (full ink), which stand for pixels of 0 to 1; labels `[count]`, 0 to 9
 */
export function drawDigits(count, seed) {
  const random = new Random(seed);
  const images = new Uint8Array(count * pixelCount);
  const labels = new Uint8Array(count);
  let order = [];
  for (let i = 0; i < count; i++) {
    if (i % 10 === 0) order = random.permutation(10);
    labels[i] = order[i % 10];
    drawInto(images.subarray(i * pixelCount, (i + 1) * pixelCount), labels[i], random);
  }
  return { images, labels };
}

function drawInto(image, label, random) {
  const ways = glyphs[label];
  const segments = placeStrokes(ways[random.below(ways.length)], random);
  const radius = random.uniform(0.45, 1.0);
  const blur = random.uniform(0.5, 0.9);
  const ink = random.uniform(0.75, 1.0);
  const noise = random.uniform(0.0, 0.06);
  for (let y = 0; y < digitSize; y++) {
    for (let x = 0; x < digitSize; x++) {
      const distance = distanceToStrokes(segments, x + 0.5, y + 0.5);
      const edge = Math.min(1, Math.max(0, (radius + blur - distance) / (2 * blur)));
      const shade = ink * edge * edge * (3 - 2 * edge) + noise * random.bell();
      image[y * digitSize + x] = Math.round(255 * Math.min(1, Math.max(0, shade)));
    }
  }
}

/** Moves the strokes of one glyph into the image; returns line segments `x0, y0, x1, y1` in pixels, flat. */
function placeStrokes(strokes, random) {
  const height = random.uniform(10, 13);
  const width = height * random.uniform(0.7, 1.0);
  const slant = random.uniform(-0.25, 0.25);
  const centreX = digitSize / 2 + random.uniform(-1.2, 1.2);
  const centreY = digitSize / 2 + random.uniform(-1.2, 1.2);
  // The tangent of half the angle gives an exact rotation without sine and cosine: up to 12 degrees.
  const t = random.uniform(-0.105, 0.105);
  const cosine = (1 - t * t) / (1 + t * t);
  const sine = (2 * t) / (1 + t * t);
  const wobble = 0.025;

  const place = (px, py) => {
    const y = (py - 0.5 + wobble * random.bell()) * height;
    const x = (px - 0.5 + wobble * random.bell()) * width - slant * y;
    return [centreX + cosine * x - sine * y, centreY + sine * x + cosine * y];
  };

  const segments = [];
  for (const [start, ...rest] of strokes) {
    let [x0, y0] = place(start[0], start[1]);
    for (const segment of rest) {
      const points = [];
      for (let i = 0; i < segment.length; i += 2) points.push(place(segment[i], segment[i + 1]));
      const end = points[points.length - 1];
      if (points.length === 1) segments.push(x0, y0, end[0], end[1]);
      else addCurve(segments, [[x0, y0], ...points]);
      [x0, y0] = end;
    }
  }
  return segments;
}

function addCurve(segments, [p0, p1, p2, p3]) {
  let [x0, y0] = p0;
  for (let i = 1; i <= piecesPerCurve; i++) {
    const t = i / piecesPerCurve;
    const s = 1 - t;
    const [w0, w1, w2, w3] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
    const x1 = w0 * p0[0] + w1 * p1[0] + w2 * p2[0] + w3 * p3[0];
    const y1 = w0 * p0[1] + w1 * p1[1] + w2 * p2[1] + w3 * p3[1];
    segments.push(x0, y0, x1, y1);
    [x0, y0] = [x1, y1];
  }
}

function distanceToStrokes(segments, x, y) {
  let smallest = Infinity;
  for (let i = 0; i < segments.length; i += 4) {
    const dx = segments[i + 2] - segments[i];
    const dy = segments[i + 3] - segments[i + 1];
    const px = x - segments[i];
    const py = y - segments[i + 1];
    const length2 = dx * dx + dy * dy;
    const t = length2 > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
    const ex = px - t * dx;
    const ey = py - t * dy;
    smallest = Math.min(smallest, ex * ex + ey * ey);
  }
  return Math.sqrt(smallest);
}
