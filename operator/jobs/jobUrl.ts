/**
 * The link of a run. Where its results go to a bucket and the installation (or the job) names a viewer: the viewer's address, the storage
 * provider, the bucket and the run's directory in it. Otherwise the installation's template. Pure.
 */
import { StorageLocationError, parseBucket } from '../../crds/storageLocation.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { destinationOf } from './archiveDestination.ts';
import { LayoutError, layoutOf } from './archiveLayout.ts';
import type { ArchivePolicy } from './archivePolicy.ts';
import type { JobPolicy } from './policy.ts';

export type LinkPolicy = Pick<JobPolicy, 'archive'> & {
  readonly prowJobs: Pick<JobPolicy['prowJobs'], 'jobUrlTemplate' | 'jobUrlPrefixes' | 'jobUrlOmitProvider'>;
};

/** `run` is resolved (resolveRun). Undefined when the installation has nothing that makes a link. */
export function jobUrlOf(run: ProwJob, buildId: string, policy: LinkPolicy): string | undefined {
  return viewerUrl(run.spec, buildId, policy) ?? fromTemplate(run, buildId, policy.prowJobs.jobUrlTemplate);
}

function viewerUrl(spec: ProwJobSpec, buildId: string, { archive, prowJobs }: LinkPolicy): string | undefined {
  const prefix = viewerOf(spec, prowJobs.jobUrlPrefixes);
  const storage = archive ?? storageOfJob(spec);
  if (prefix === undefined || storage === undefined) return undefined;
  const destination = destinationOf(spec, storage);
  const { scheme, bucket } = destination.location;
  try {
    const { directory } = layoutOf(spec, buildId, destination);
    const parts = [prowJobs.jobUrlOmitProvider ? '' : scheme, bucket, directory]
      .flatMap((part) => part.split('/'))
      .filter((part) => part !== '');
    const url = new URL(prefix);
    // Names of files may hold "%23": it is part of the name.
    url.pathname = [...url.pathname.split('/').filter((part) => part !== ''), ...parts.map(encodeURIComponent)].join('/');
    return url.href;
  } catch (error) {
    if (error instanceof LayoutError) return undefined;
    throw error;
  }
}

/** The job's own, else by org/repo, org, "*". Only what a browser opens as a page: the job's is a user's text that others will click. */
function viewerOf(spec: ProwJobSpec, prefixes: ReadonlyMap<string, string>): string | undefined {
  const refs = spec.refs ?? spec.extra_refs?.[0];
  const keys = refs === undefined ? ['*'] : [`${refs.org}/${refs.repo}`, refs.org, '*'];
  const own = spec.decoration_config?.gcs_configuration?.job_url_prefix;
  return [own, ...keys.map((key) => prefixes.get(key))].find((prefix) => prefix !== undefined && isPage(prefix));
}

const isPage = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
};

/** Where a decorated job says that its results go, when the installation keeps none itself. */
function storageOfJob({ decoration_config: decoration }: ProwJobSpec): ArchivePolicy | undefined {
  const bucket = decoration?.gcs_configuration?.bucket ?? '';
  if (bucket === '') return undefined;
  try {
    const location = parseBucket(bucket);
    return { location, allowedBuckets: [], pathStrategy: 'explicit', defaultOrg: '', defaultRepo: '', holdCleanupMs: 0 };
  } catch (error) {
    if (error instanceof StorageLocationError) return undefined;
    throw error;
  }
}

/** An unknown name is left as it is, where a person sees it. */
function fromTemplate({ metadata, spec }: ProwJob, buildId: string, template: string | undefined): string | undefined {
  const values = new Map(
    [
      { names: ['namespace', '.Namespace', '.ObjectMeta.Namespace'], value: metadata.namespace ?? '' },
      { names: ['name', '.Name', '.ObjectMeta.Name'], value: metadata.name },
      { names: ['job', '.Spec.Job'], value: spec.job },
      { names: ['type', '.Spec.Type'], value: spec.type },
      { names: ['build_id', '.Status.BuildID'], value: buildId },
      { names: ['org', '.Spec.Refs.Org'], value: spec.refs?.org ?? '' },
      { names: ['repo', '.Spec.Refs.Repo'], value: spec.refs?.repo ?? '' },
    ].flatMap(({ names, value }) => names.map((name) => [name, value] as const)),
  );
  return template?.replace(/\{\{\s{0,8}([.A-Za-z_]{1,64})\s{0,8}\}\}/g, (whole, name: string) => {
    const value = values.get(name);
    return value === undefined ? whole : encodeURIComponent(value);
  });
}
