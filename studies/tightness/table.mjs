/** The table of results: a CSV file that grows point by point, so that a broken study goes on where it was. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

/** `images` and `limit` are settings: a point that was measured under others is measured again. */
const columns = [
  'network',
  'quantity',
  'method',
  'assurance',
  'radius',
  'images',
  'limit',
  'rows',
  'mean',
  'positive',
  'seconds',
];
const numbers = new Set(['radius', 'images', 'limit', 'rows', 'mean', 'positive', 'seconds']);

/** Points are the same if these are. */
const keyOf = ({ network, quantity, method, radius, images, limit }) =>
  [network, quantity, method, radius, images, limit].join();

export class Table {
  #path;
  #points = new Map();

  /** @throws Error if the file there is of another study. */
  constructor(path) {
    this.#path = path;
    if (!existsSync(path)) {
      writeFileSync(path, `${columns.join()}\n`);
      return;
    }
    const [header, ...lines] = readFileSync(path, 'utf8').split('\n');
    if (header !== columns.join())
      throw new Error(`${path} begins with '${header}', expected '${columns.join()}'`);
    // What follows the last line break is a line that was cut short: empty, or to be measured again.
    if (lines.pop() !== '') writeFileSync(path, `${[header, ...lines].join('\n')}\n`);
    for (const line of lines) {
      const point = Object.fromEntries(
        line.split(',').map((cell, i) => [columns[i], numbers.has(columns[i]) ? Number(cell) : cell]),
      );
      this.#points.set(keyOf(point), point);
    }
  }

  /** The point with these settings: the one in the file, or what `measure` returns, which is then written. */
  async point(settings, measure) {
    const known = this.#points.get(keyOf(settings));
    if (known) return { ...known, known: true };
    const begin = performance.now();
    const values = await measure();
    const point = {
      ...settings,
      rows: values.length,
      mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      positive: values.filter((value) => value > 0).length,
      seconds: Number(((performance.now() - begin) / 1000).toFixed(3)),
    };
    appendFileSync(this.#path, `${columns.map((column) => point[column]).join()}\n`);
    this.#points.set(keyOf(point), point);
    return { ...point, known: false };
  }
}
