/** The fields of one job, under the names that Prow knows them by. */
import type { JobFindings } from './findings.ts';
import { child, itemsOf, textOf, type Entry, type Place } from './tree.ts';

export interface Given {
  readonly place: Place;
  readonly fields: ReadonlyMap<string, Entry>;
  readonly job: JobFindings;
}

/** The fields that are not there, or are null or an empty text, are the same to Prow. */
export const givenField = ({ fields }: Given, name: string): Entry | undefined => {
  const entry = fields.get(name);
  return entry === undefined || textOf(entry.value) === '' ? undefined : entry;
};

/** What defaults are looked up by: the first of the extra_refs stands in for the repository that a periodic has not. */
export function subjectOf(given: Given): { readonly repo: string; readonly cluster: string } {
  const [first] = itemsOf(givenField(given, 'extra_refs')?.value);
  const repo = first === undefined ? '' : `${textOf(child(first, 'org')) ?? ''}/${textOf(child(first, 'repo')) ?? ''}`;
  return { repo, cluster: textOf(givenField(given, 'cluster')?.value) ?? 'default' };
}
