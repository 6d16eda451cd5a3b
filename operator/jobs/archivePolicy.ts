/** What the installation decides about keeping results. Part of the settings; absent there when nothing is kept. */
import type { StorageLocation } from '../../crds/storageLocation.ts';

export type PathStrategy = 'legacy' | 'single' | 'explicit';

export interface ArchivePolicy {
  readonly location: StorageLocation;
  /** Further buckets that runs may name in decoration_config.gcs_configuration.bucket, without a prefix. */
  readonly allowedBuckets: readonly StorageLocation[];
  readonly pathStrategy: PathStrategy;
  /** What the strategies legacy and single leave out of paths. */
  readonly defaultOrg: string;
  readonly defaultRepo: string;
  /** For so long after its end a run and its pods are kept, whatever their time, until the results are safe. */
  readonly holdCleanupMs: number;
}
