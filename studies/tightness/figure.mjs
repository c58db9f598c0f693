/** The figure of one network: mean margins on the left, mean offsets on the right, over the radius. */
import { draw } from '../draw.mjs';
import { curves } from './measure.mjs';

/** Told apart in print and by the colour-blind: colours of Okabe and Ito, and the shape of the point. */
const styles = {
  attack: { color: '#000000', shape: 'cross', dash: [4, 3] },
  complete: { color: '#D55E00', shape: 'diamond' },
  weighted: { color: '#56B4E9', shape: 'triangle-right' },
  joint: { color: '#0072B2', shape: 'circle' },
  'sdp-crown': { color: '#009E73', shape: 'square' },
  'alpha-crown': { color: '#CC79A7', shape: 'triangle-up' },
  lip: { color: '#888888', shape: 'triangle-down' },
};

/** @returns the figure as SVG text and as the bytes of a PNG. */
export async function drawFigure({ title, eps }, points) {
  const rows = points.reduce((most, point) => Math.max(most, point.rows), 0);
  const margin = points.filter(({ quantity }) => quantity === 'margin');
  const limit = points.reduce((most, point) => Math.max(most, point.limit), 0);
  const offset = points.filter(({ quantity }) => quantity === 'offset');
  return draw({
    title: {
      text: title,
      subtitle: `mean over ${rows} margins, usual radius ${eps.toPrecision(3)}`,
      anchor: 'start',
    },
    hconcat: [
      panel(margin, limit, 'mean bound of the margin', floorOf(margin)),
      panel(offset, limit, 'mean offset of the affine lower bound'),
    ],
    spacing: 30,
  });
}

function panel(points, limit, title, floor) {
  const greatest = (key, least) => points.reduce((most, point) => Math.max(most, point[key]), least);
  const encoded = (scale, legend = {}) => ({ field: 'curve', type: 'nominal', scale, ...legend });
  const legend = { orient: 'bottom', columns: 3, labelLimit: 0, columnPadding: 24, offset: 16 };
  return {
    width: 380,
    height: 300,
    data: {
      values: points.map(({ method, radius, mean }) => ({ curve: labelOf(method, limit), radius, mean })),
    },
    mark: { type: 'line', clip: true, strokeWidth: 1.8, point: { filled: true, size: 45 } },
    encoding: {
      x: {
        field: 'radius',
        type: 'quantitative',
        title: 'l2 radius',
        scale: { domain: [0, 1.05 * greatest('radius', 0)], nice: false },
      },
      y: {
        field: 'mean',
        type: 'quantitative',
        title,
        scale: floor === undefined ? { zero: true } : { domain: [floor, 1.05 * greatest('mean', 0)] },
      },
      color: encoded(scaleOf('color', limit), { legend }),
      shape: encoded(scaleOf('shape', limit)),
      strokeDash: encoded(scaleOf('dash', limit)),
    },
  };
}

/** The same for both panels, whatever curves they have. */
function scaleOf(key, limit) {
  const methods = Object.keys(curves);
  return {
    domain: methods.map((method) => labelOf(method, limit)),
    range: methods.map((method) => styles[method][key] ?? [1, 0]),
  };
}

/** @param limit of method complete, in seconds per image. */
function labelOf(method, limit) {
  const { label, assurance } = curves[method];
  const named = method === 'complete' ? `${label}, ${limit} s an image` : label;
  return method === 'attack' || assurance !== 'none' ? named : `${named} (assurance none)`;
}

/** alpha-CROWN falls so fast that the others would be one line: the panel ends a little below those. */
function floorOf(points) {
  const others = points.filter(({ method }) => method !== 'alpha-crown').map(({ mean }) => mean);
  const least = Math.min(0, ...others);
  return least - 0.1 * (Math.max(0, ...others) - least);
}
