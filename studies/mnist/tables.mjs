/** The study's results beside Table 1 of the closed-form paper, as Markdown, CSV and LaTeX. */

/** Shares in percent as the paper prints them: clean, certified at 0.02 and 0.03, median radius. */
export const paper = {
  standard: [97.52, 55.5, 13.3, 0.0211],
  pgd: [97.58, 89.8, 61.7, 0.0331],
  smoothing: [97.62, 87.5, 53.1, 0.0312],
  hybrid: [98.33, 94.5, 71.1, 0.0343],
};

const percent = (share) => (100 * share).toFixed(2);
const radius = (value) => value.toFixed(4);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Of a sample: square root of the sum of squares over one less than their number. */
function deviation(values) {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** The columns with numbers: head, where a result has the number, how it is written. */
function columns(radii) {
  const at = (what, of) =>
    radii.map((eps, i) => ({ head: `${what} @${eps}`, of: (r) => of(r)[i], text: percent }));
  return [
    { head: 'clean', of: ({ clean }) => clean, text: percent },
    ...at('logits', ({ fractions }) => fractions.logits),
    { head: 'median (logits)', of: ({ median }) => median.logits, text: radius },
    ...at('margins', ({ fractions }) => fractions.margins),
    { head: 'median (margins)', of: ({ median }) => median.margins, text: radius },
    ...at('PGD', ({ pgd }) => pgd),
  ];
}

/**
 * One row per recipe: the mean over its seeds, and behind it the standard deviation where there are several.
 *
 * @param entries `[{ recipe, results }]`, results of `measure` by seed.
 */
export function tableRows(entries, radii) {
  const all = columns(radii);
  const rows = entries.map(({ recipe, results }) => [
    recipe,
    String(results.length),
    ...all.map(({ of, text }) => {
      const values = results.map(of);
      return values.length > 1 ? `${text(mean(values))} ± ${text(deviation(values))}` : text(values[0]);
    }),
  ]);
  return { head: ['recipe', 'seeds', ...all.map(({ head }) => head)], rows };
}

/** The paper's row in our columns, empty where it has no figure. */
function paperRow(recipe, radii) {
  const figures = paper[recipe];
  if (figures === undefined) return undefined;
  const [clean, at2, at3, median] = figures;
  const known = new Map([
    [0.02, at2],
    [0.03, at3],
  ]);
  const logits = radii.map((eps) => (known.has(eps) ? String(known.get(eps)) : ''));
  const rest = [...radii, 0, ...radii].map(() => '');
  return [`${recipe} (paper)`, '', clean.toFixed(2), ...logits, median.toFixed(4), ...rest];
}

export function markdown(entries, radii) {
  const { head, rows } = tableRows(entries, radii);
  const all = rows.flatMap((row, i) => [row, paperRow(entries[i].recipe, radii)].filter(Boolean));
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...all.map(line)].join('\n')}\n`;
}

/** One line per network, and the seconds it took to train and to measure. */
export function csv(entries, radii) {
  const seconds = [
    { head: 'training s', of: ({ trainingSeconds }) => trainingSeconds },
    { head: 'measuring s', of: ({ measuringSeconds }) => measuringSeconds },
  ].map((column) => ({ ...column, text: (value) => (value === undefined ? '' : value.toFixed(0)) }));
  const all = [...columns(radii), ...seconds];
  const lines = entries.flatMap(({ recipe, results }) =>
    results.map((result) => [recipe, result.seed, ...all.map(({ of, text }) => text(of(result)))]),
  );
  const head = ['recipe', 'seed', ...all.map((column) => column.head)];
  return `${[head, ...lines].map((cells) => cells.join(',')).join('\n')}\n`;
}

export function latex(entries, radii) {
  const { head, rows } = tableRows(entries, radii);
  const all = rows.flatMap((row, i) => [row, paperRow(entries[i].recipe, radii)].filter(Boolean));
  const line = (cells) =>
    `${cells.map((cell) => cell.replaceAll('_', '\\_').replace('±', '$\\pm$')).join(' & ')} \\\\`;
  return [
    `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`,
    '\\hline',
    line(head),
    '\\hline',
    ...all.map(line),
    '\\hline',
    '\\end{tabular}',
    '',
  ].join('\n');
}
