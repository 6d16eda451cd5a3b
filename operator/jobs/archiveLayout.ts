/**
 * The names of a run's objects in a bucket, as upstream's viewers look for them. A prefix of the job applies to the job directory and not to
 * alias and latest build: that is upstream's way too.
 */
import { bucketUrl } from '../../crds/storageLocation.ts';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { ArchiveDestination } from './archiveDestination.ts';

export interface ArchiveLayout {
  /** Ends with "/". */
  readonly directory: string;
  /** Objects that hold the newest build id of the job. */
  readonly latestBuilds: readonly string[];
  /** Holds the address of the directory, for runs that lie below a pull request. */
  readonly alias?: { readonly key: string; readonly content: string };
}

/** @throws LayoutError when the spec cannot have a place, as a presubmit without a pull request. */
export function layoutOf(spec: ProwJobSpec, buildId: string, destination: ArchiveDestination): ArchiveLayout {
  const job = pathSegment(spec.job);
  const { pathPrefix } = destination;
  const root = (path: string): string => `${destination.location.prefix}${path}`;
  if (spec.type === 'periodic' || spec.type === 'postsubmit') {
    return { directory: root(`${pathPrefix}logs/${job}/${pathSegment(buildId)}/`), latestBuilds: [root(`logs/${job}/latest-build.txt`)] };
  }
  const pulls = spec.type === 'batch' ? 'pr-logs/pull/batch' : pullDirectory(spec, destination);
  const directory = root(`${pathPrefix}${pulls}/${job}/${pathSegment(buildId)}/`);
  const shared = root(`pr-logs/directory/${job}/latest-build.txt`);
  return {
    directory,
    latestBuilds: spec.type === 'batch' ? [shared] : [shared, root(`${pulls}/${job}/latest-build.txt`)],
    alias: {
      key: root(`pr-logs/directory/${job}/${pathSegment(buildId)}.txt`),
      content: `${bucketUrl(destination.location)}/${directory.slice(0, -1)}`,
    },
  };
}

/** A run has no place in the layout. */
export class LayoutError extends Error {
  readonly code = 'ArchiveLayout';
  override readonly name = 'LayoutError';
}

function pullDirectory({ refs, job }: ProwJobSpec, destination: ArchiveDestination): string {
  const pull = refs?.pulls?.[0];
  if (refs === undefined || pull === undefined) {
    throw new LayoutError(`the presubmit ${job} names no pull request (spec.refs.pulls), so its results have no place`);
  }
  const repo = repoSegment(refs, destination);
  return `pr-logs/pull/${repo === '' ? '' : `${repo}/`}${pull.number}`;
}

/** Empty where the strategy leaves the default repository out. */
function repoSegment(refs: { readonly org: string; readonly repo: string }, destination: ArchiveDestination): string {
  const { strategy, defaultOrg, defaultRepo } = destination;
  const [org, repo] = [flat(refs.org), flat(refs.repo)];
  const full = pathSegment(`${org}_${repo}`);
  if (strategy === 'explicit' || refs.org !== defaultOrg) return full;
  if (refs.repo === defaultRepo) return '';
  return strategy === 'legacy' ? pathSegment(repo) : full;
}

/** Gerrit's org is a URL. */
const flat = (text: string): string => text.replace(/^https?:\/\//, '').replaceAll('/', '_');

/** Any text as one segment that leads nowhere else. "#" is written as upstream's uploader writes it. */
function pathSegment(text: string): string {
  const safe = text.replaceAll(/[/\\\p{Cc}]/gu, '_').replaceAll('#', '%23');
  return safe === '' || safe === '.' || safe === '..' ? `_${safe}` : safe;
}

/**
 * The name of a container's log: build-log.txt for the only test container, <container>-build-log.txt where there are several, and always so
 * for init containers.
 */
export function logNames(pod: {
  readonly containers: readonly { readonly name: string }[];
  readonly initContainers?: readonly { readonly name: string }[];
}): ReadonlyMap<string, string> {
  const own = (name: string): readonly [string, string] => [name, `${pathSegment(name)}-build-log.txt`];
  const [only, ...others] = pod.containers;
  const tests =
    only !== undefined && others.length === 0 ? [[only.name, 'build-log.txt'] as const] : pod.containers.map(({ name }) => own(name));
  return new Map([...(pod.initContainers ?? []).map(({ name }) => own(name)), ...tests]);
}

/** Whether `next` is a later build than `current`. Build ids are numbers too long for a double. */
export function isLaterBuild(next: string, current: string | undefined): boolean {
  const before = current?.trim() ?? '';
  if (!/^\d{1,40}$/.test(before)) return true;
  if (!/^\d{1,40}$/.test(next)) return false;
  return BigInt(next) > BigInt(before);
}
