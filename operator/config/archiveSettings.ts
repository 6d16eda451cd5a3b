/** The section `archive` of the settings: where logs and results are kept. Nothing is kept where it names no location. */
import { Type } from 'typebox';
import { parseDuration } from '../../crds/duration.ts';
import { StorageLocationError, parseBucket, parseStorageLocation, type StorageLocation } from '../../crds/storageLocation.ts';
import type { SettingsPath } from './checkSettings.ts';

const strategies = ['legacy', 'single', 'explicit'] as const;
type PathStrategy = (typeof strategies)[number];

export interface ArchiveSettings {
  /** Uploads at once. */
  readonly workers: number;
  readonly location: StorageLocation;
  readonly allowedBuckets: readonly StorageLocation[];
  readonly pathStrategy: PathStrategy;
  /** Empty: none. */
  readonly defaultOrg: string;
  readonly defaultRepo: string;
  readonly holdCleanupMs: number;
  /** Of an S3-compatible server, or an emulator of GCS. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle: boolean;
  /** Where logs wait on disk. */
  readonly spoolDir: string;
  readonly longestLogBytes: number;
  readonly spoolBytes: number;
  /** Containers whose log is followed while they run. */
  readonly mostFollows: number;
}

const text = (description: string, fallback?: string) =>
  Type.Optional(Type.String({ description, minLength: 1, maxLength: 2048, ...(fallback === undefined ? {} : { default: fallback }) }));
const count = (description: string, fallback: number) =>
  Type.Optional(Type.Integer({ description, default: fallback, minimum: 1, maximum: 1_000_000 }));

export const archiveSection = Type.Optional(
  Type.Object(
    {
      workers: count('Runs whose results are written concurrently.', 4),
      location: text('`file:///DIRECTORY`, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. Without it nothing is kept.'),
      allowedBuckets: Type.Optional(
        Type.Array(Type.String({ description: 'A location.', minLength: 1, maxLength: 2048 }), {
          description:
            'Further locations that a job may name in `decoration_config.gcs_configuration.bucket`. The results of a job that names another bucket go to `location`.',
          default: [],
        }),
      ),
      endpoint: text('The address of an S3-compatible server: `https://minio.example.com`. Without it that of the cloud.'),
      region: text('The region of the bucket. Without it, what the environment says.'),
      forcePathStyle: Type.Optional(
        Type.Boolean({
          description: 'The bucket stands in the path and not in the host name; most S3-compatible servers need it.',
          default: false,
        }),
      ),
      pathStrategy: Type.Optional(
        Type.Unsafe<PathStrategy>({
          type: 'string',
          enum: [...strategies],
          description: 'How org and repo become a part of the path, for jobs that do not say.',
          default: 'explicit',
        }),
      ),
      defaultOrg: text('The org that `legacy` and `single` leave out of paths.'),
      defaultRepo: text('The repository that `legacy` and `single` leave out of paths.'),
      holdCleanup: Type.Optional(
        Type.String({
          description: 'For so long after its end a run and its pods are kept until their results are written; then it is given up.',
          default: '24h',
          format: 'go-duration',
        }),
      ),
      spoolDir: text('Where logs wait on disk while they are followed.', '/tmp'),
      maxLogMegabytes: count('The longest log. A longer one keeps its beginning and its end.', 2048),
      maxSpoolMegabytes: count('Disk for all logs on their way. When it is full, logs keep the beginning they have, and their end.', 8192),
      maxFollows: count('Containers whose logs are followed while they run. Those of others are read when one ends.', 500),
    },
    { description: 'Where logs and results are kept.', additionalProperties: false, default: {} },
  ),
);

/** The section as the file has it, with the defaults filled in. */
export interface ArchiveFile {
  readonly workers: number;
  readonly location?: string;
  readonly allowedBuckets: readonly string[];
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle: boolean;
  readonly pathStrategy: PathStrategy;
  readonly defaultOrg?: string;
  readonly defaultRepo?: string;
  readonly holdCleanup: string;
  readonly spoolDir: string;
  readonly maxLogMegabytes: number;
  readonly maxSpoolMegabytes: number;
  readonly maxFollows: number;
}

const megabyte = 1024 * 1024;

/** Undefined when nothing is kept, or when the section has a fault. */
export function toArchive(file: ArchiveFile): ArchiveSettings | undefined {
  if (file.location === undefined || archiveFaults(file).length > 0) return undefined;
  return {
    workers: file.workers,
    location: parseStorageLocation(file.location),
    allowedBuckets: file.allowedBuckets.map(parseBucket),
    ...(file.endpoint === undefined ? {} : { endpoint: file.endpoint }),
    ...(file.region === undefined ? {} : { region: file.region }),
    forcePathStyle: file.forcePathStyle,
    pathStrategy: file.pathStrategy,
    defaultOrg: file.defaultOrg ?? '',
    defaultRepo: file.defaultRepo ?? '',
    holdCleanupMs: parseDuration(file.holdCleanup),
    spoolDir: file.spoolDir,
    longestLogBytes: file.maxLogMegabytes * megabyte,
    spoolBytes: file.maxSpoolMegabytes * megabyte,
    mostFollows: file.maxFollows,
  };
}

/** What the schema cannot say: places that are none. */
export function archiveFaults(file: ArchiveFile): readonly Fault[] {
  const faults: Fault[] = [];
  const check = (path: SettingsPath, read: (text: string) => StorageLocation, written: string | undefined): void => {
    const message = written === undefined ? undefined : faultOf(read, written);
    if (message !== undefined) faults.push({ path, message });
  };
  check(['archive', 'location'], parseStorageLocation, file.location);
  for (const [index, bucket] of file.allowedBuckets.entries()) check(['archive', 'allowedBuckets', index], parseBucket, bucket);
  if (file.endpoint !== undefined && !/^https?:\/\/[^/]/.test(file.endpoint))
    faults.push({ path: ['archive', 'endpoint'], message: `must begin with https:// or http://, found ${JSON.stringify(file.endpoint)}` });
  if (!file.spoolDir.startsWith('/'))
    faults.push({ path: ['archive', 'spoolDir'], message: `must be an absolute path, found ${JSON.stringify(file.spoolDir)}` });
  return faults;
}

interface Fault {
  readonly path: SettingsPath;
  readonly message: string;
}

function faultOf(read: (text: string) => StorageLocation, written: string): string | undefined {
  try {
    read(written);
    return undefined;
  } catch (error) {
    if (error instanceof StorageLocationError) return error.message;
    throw error;
  }
}
