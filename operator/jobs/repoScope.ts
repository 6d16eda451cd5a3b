/**
 * Which repositories an entry of a PluginConfig means: "*" for all, "acme" for an organisation, "acme/widget" for one repository.
 * Case does not count, as on the hosts of repositories.
 */

/** A repository entry. Both parts undefined: everything. */
export interface RepoEntry {
  /** As it was written. */
  readonly text: string;
  readonly org?: string;
  readonly repo?: string;
}

const orgName = /^[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9_])?$/i;
const repoName = /^[a-z0-9_.-]{1,100}$/i;

/** Undefined when the text is none of "*", org and org/repo. */
export function parseRepoEntry(text: string): RepoEntry | undefined {
  if (text === '*') return { text };
  const [org = '', repo, ...rest] = text.split('/');
  if (!orgName.test(org) || rest.length > 0) return undefined;
  if (repo === undefined) return { text, org: org.toLowerCase() };
  return repoName.test(repo) && repo !== '.' && repo !== '..' ? { text, org: org.toLowerCase(), repo: repo.toLowerCase() } : undefined;
}

/** Whether every repository of `narrow` is one of `wide`. */
export function covers(wide: RepoEntry, narrow: RepoEntry): boolean {
  if (wide.org === undefined) return true;
  return wide.org === narrow.org && (wide.repo === undefined || wide.repo === narrow.repo);
}

/** What both entries mean: the narrower one. Undefined when they have nothing in common. */
export function common(a: RepoEntry, b: RepoEntry): RepoEntry | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** Where some plugins act: entries less exclusions. */
export interface RepoScope {
  readonly entries: readonly RepoEntry[];
  readonly excluded: readonly RepoEntry[];
}

/** Whether the scope holds all of this entry. An exclusion of a part of it does not count. */
export const includes = (scope: RepoScope, entry: RepoEntry): boolean =>
  scope.entries.some((own) => covers(own, entry)) && !scope.excluded.some((own) => covers(own, entry));

/** An entry that both scopes hold; undefined when there is none. */
export function overlap(a: RepoScope, b: RepoScope): RepoEntry | undefined {
  for (const left of a.entries) {
    for (const right of b.entries) {
      const both = common(left, right);
      if (both !== undefined && includes(a, both) && includes(b, both)) return both;
    }
  }
  return undefined;
}
