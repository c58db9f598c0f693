/** Tables of results as aligned text, which is also Markdown. */

export function table(head, rows) {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, k) => Math.max(3, ...all.map((row) => row[k].length)));
  const line = (row) =>
    `| ${row.map((cell, k) => (k === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, k) => (k === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(all[0]), rule, ...all.slice(1).map(line)].join('\n');
}

function time(seconds) {
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} us`;
  return seconds < 1 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

/** Time of each case beside the time that its operations take at the core's peak. */
export function caseTable(cases) {
  return table(
    ['case', 'processor', 'median', 'wall', 'floor', 'floor / processor'],
    cases.map(({ name, secondsPerImage, floor, peak }) => {
      const least = floor && floor / (peak * 1e9);
      return [
        name,
        time(secondsPerImage.processor),
        time(secondsPerImage.processorMedian),
        time(secondsPerImage.wall),
        least ? time(least) : '',
        least ? `${Math.round((100 * least) / secondsPerImage.processor)} %` : '',
      ];
    }),
  );
}

export function targetTable(rows) {
  return table(
    ['target', 'wanted', 'measured', 'met'],
    rows.map(({ what, target, measured, met }) => [what, target, measured, met ? 'yes' : 'no']),
  );
}
