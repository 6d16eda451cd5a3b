/** The report of an import, for a person: what was refused and left out first, remarks that many jobs share only once. */
import { findingKinds, type Finding, type FindingKind } from './findings.ts';
import type { ImportResult } from './importPeriodics.ts';

const titles: Readonly<Record<FindingKind, string>> = { refused: 'refused', leftOut: 'left out', warning: 'warning', note: 'note' };

/** One line for each finding, then the counts. Ends with a line break. */
export function reportText({ findings, periodics, counts }: ImportResult): string {
  const lines = findingKinds.flatMap((kind) => linesOf(findings.filter((finding) => finding.kind === kind)));
  const total = (kind: FindingKind): number => findings.filter((finding) => finding.kind === kind).length;
  const refused = counts.periodics - periodics.length;
  const summary = [
    `${counts.periodics} periodics read: ${periodics.length} converted, ${refused} refused`,
    `${total('leftOut')} left out, ${total('warning')} warnings, ${total('note')} notes`,
    ...(counts.presubmits + counts.postsubmits === 0
      ? []
      : [`${counts.presubmits} presubmits and ${counts.postsubmits} postsubmits are not periodics`]),
  ];
  return `${[...lines, summary.join('; ')].join('\n')}\n`;
}

/** Findings that say the same of the same field become one line, at the first of them. */
function linesOf(findings: readonly Finding[]): readonly string[] {
  const same = new Map<string, { readonly first: Finding; count: number }>();
  for (const finding of findings) {
    const key =
      finding.job === '' ? `${finding.file}:${finding.line}:${finding.column} ${finding.reason}` : `${finding.field} ${finding.reason}`;
    const known = same.get(key);
    if (known === undefined) same.set(key, { first: finding, count: 1 });
    else known.count++;
  }
  return [...same.values()].map(({ first, count }) => lineOf(first, count));
}

function lineOf({ file, line, column, kind, job, field, reason }: Finding, count: number): string {
  const others = count === 1 ? '' : ` (and ${count - 1} more ${count === 2 ? 'job' : 'jobs'})`;
  const subject = [job === '' ? '' : `job ${job}`, field].filter((text) => text !== '').join(': ');
  return `${file}:${line}:${column}: ${titles[kind]}: ${subject === '' ? '' : `${subject}: `}${reason}${others}`;
}
