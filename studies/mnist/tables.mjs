/** The study's results beside Table 1 of the closed-form paper, as Markdown, CSV and LaTeX. */

/** Shares in percent as the paper prints them: clean, certified at 0.02 and 0.03, median radius. */
export const paper = {
  standard: [97.52, 55.5, 13.3, 0.0211],
  pgd: [97.58, 89.8, 61.7, 0.0331],
  smoothing: [97.62, 87.5, 53.1, 0.0312],
  hybrid: [98.33, 94.5, 71.1, 0.0343],
};

const percent = (share) => (100 * share).toFixed(2);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Column heads for the radii that were measured. */
function heads(radii) {
  const at = (what) => radii.map((eps) => `${what} @${eps}`);
  return [
    'recipe',
    'seeds',
    'clean',
    ...at('logits'),
    'median (logits)',
    ...at('margins'),
    'median (margins)',
    ...at('PGD'),
  ];
}

/** One row per recipe: the mean over its seeds. */
function rowOf(recipe, results) {
  const over = (of) => mean(results.map(of));
  const list = (of) => of(results[0]).map((_, i) => percent(over((result) => of(result)[i])));
  return [
    recipe,
    String(results.length),
    percent(over(({ clean }) => clean)),
    ...list(({ fractions }) => fractions.logits),
    over(({ median }) => median.logits).toFixed(4),
    ...list(({ fractions }) => fractions.margins),
    over(({ median }) => median.margins).toFixed(4),
    ...list(({ pgd }) => pgd),
  ];
}

/** @param entries `[{ recipe, results }]`, results of `measure` by seed. */
export function tableRows(entries, radii) {
  return { head: heads(radii), rows: entries.map(({ recipe, results }) => rowOf(recipe, results)) };
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

export function csv(entries, radii) {
  const { head, rows } = tableRows(entries, radii);
  return `${[head, ...rows].map((row) => row.join(',')).join('\n')}\n`;
}

export function latex(entries, radii) {
  const { head, rows } = tableRows(entries, radii);
  const all = rows.flatMap((row, i) => [row, paperRow(entries[i].recipe, radii)].filter(Boolean));
  const line = (cells) => `${cells.map((cell) => cell.replaceAll('_', '\\_')).join(' & ')} \\\\`;
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
