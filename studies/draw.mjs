/** Figures of the studies: a Vega-Lite specification as SVG and as PNG at twice its size. */
import { Resvg } from '@resvg/resvg-js';
import { View, parse } from 'vega';
import { compile } from 'vega-lite';

const config = {
  font: 'Helvetica, Arial, DejaVu Sans, sans-serif',
  title: { fontSize: 15, subtitleFontSize: 12, offset: 8 },
  axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e4e4e4' },
  legend: { labelFontSize: 11, title: null, symbolSize: 60, symbolStrokeWidth: 2 },
  view: { stroke: '#bbbbbb' },
};

/** @returns the figure as SVG text and as the bytes of a PNG. */
export async function draw(spec) {
  const whole = { background: 'white', padding: 12, config, ...spec };
  const view = new View(parse(compile(whole).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return { svg: `${svg}\n`, png: new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 } }).render().asPng() };
}
