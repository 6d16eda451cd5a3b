/**
 * Where the results of one run go: the installation's place, or what the run's decoration says where the installation allows that bucket.
 */
import { bucketUrl, isSafeSegment, parseBucket, type StorageLocation } from '../../crds/storageLocation.ts';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { ArchivePolicy, PathStrategy } from './archivePolicy.ts';

export interface ArchiveDestination {
  /** The bucket, with the prefix that every object of the installation has. */
  readonly location: StorageLocation;
  /** Before job directories only, as upstream has it: empty, or segments that end with "/". */
  readonly pathPrefix: string;
  readonly strategy: PathStrategy;
  readonly defaultOrg: string;
  readonly defaultRepo: string;
  /** The bucket that the run asked for and does not get. */
  readonly refusedBucket?: string;
}

export function destinationOf(spec: ProwJobSpec, policy: ArchivePolicy): ArchiveDestination {
  const wish = spec.decoration_config?.gcs_configuration;
  const asked = wish?.bucket ?? '';
  const location = asked === '' ? policy.location : allowedLocation(asked, policy);
  const usual = { strategy: policy.pathStrategy, defaultOrg: policy.defaultOrg, defaultRepo: policy.defaultRepo };
  if (location === undefined) return { location: policy.location, pathPrefix: '', ...usual, refusedBucket: asked };
  return {
    location,
    pathPrefix: safePrefix(wish?.path_prefix ?? ''),
    strategy: wish?.path_strategy ?? usual.strategy,
    defaultOrg: wish?.default_org ?? usual.defaultOrg,
    defaultRepo: wish?.default_repo ?? usual.defaultRepo,
  };
}

function allowedLocation(asked: string, policy: ArchivePolicy): StorageLocation | undefined {
  const wanted = urlOf(asked);
  return [policy.location, ...policy.allowedBuckets].find((location) => bucketUrl(location) === wanted);
}

function urlOf(asked: string): string | undefined {
  try {
    return bucketUrl(parseBucket(asked));
  } catch {
    // What is no bucket is on nobody's list.
    return undefined;
  }
}

/** What could lead out of the bucket is left out. */
const safePrefix = (text: string): string =>
  text
    .split('/')
    .filter(isSafeSegment)
    .map((segment) => `${segment}/`)
    .join('');
