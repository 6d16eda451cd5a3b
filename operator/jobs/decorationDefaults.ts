/**
 * How the decoration of a job and the installation's defaults become one, by upstream's rule: field by field, what the job leaves empty
 * comes from the defaults. Lists are never concatenated. Objects of helper settings are merged one level down. Pure.
 */
import type { DecorationConfig } from '../../crds/v1/decoration.ts';

/** Defaults for some jobs: those of a repository and of a build cluster. */
export interface DecorationDefault {
  /** "org/repo", or "org" for all its repositories. Absent, empty or "*": every job. */
  readonly repo?: string;
  /** Alias of a build cluster. Absent, empty or "*": every cluster. */
  readonly cluster?: string;
  readonly config: DecorationConfig;
}

/** Which job the defaults are looked up for. */
export interface DecorationSubject {
  /** "org/repo" of the repository under test, else of the first further one; empty when there is none. */
  readonly repo: string;
  /** Alias of the build cluster: never empty. */
  readonly cluster: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Objects whose fields are merged one by one. All others are taken whole. */
const merged: ReadonlySet<string> = new Set([
  'utility_images',
  'resources',
  'gcs_configuration',
  'censoring_options',
  'scheduling_options',
]);

/** Upstream knows whether these texts were written at all: an empty one switches the default off. */
const emptyCounts: ReadonlySet<string> = new Set([
  'gcs_credentials_secret',
  's3_credentials_secret',
  'default_service_account_name',
  'cookiefile_secret',
]);

/**
 * `base` with what it leaves empty taken from `defaults`. As upstream does it, the entries of gcs_configuration.mediaTypes are the one
 * exception: there an entry of the defaults replaces that of the job.
 */
export function mergeDecoration(base: DecorationConfig | undefined, defaults: DecorationConfig | undefined): DecorationConfig | undefined {
  if (base === undefined || defaults === undefined) return base ?? defaults;
  return mergeFields(base, defaults, (field, own, fallback) => {
    if (!merged.has(field) || !isObject(own) || !isObject(fallback)) return own;
    return mergeFields(own, fallback, (inner, ownInner, fallbackInner) =>
      inner === 'mediaTypes' && isObject(ownInner) && isObject(fallbackInner) ? { ...ownInner, ...fallbackInner } : ownInner,
    );
  });
}

/** All defaults that are meant for the job, merged: later entries come before earlier ones. Undefined when there are none. */
export function decorationDefaultsFor(
  { repo, cluster }: DecorationSubject,
  defaults: readonly DecorationDefault[],
): DecorationConfig | undefined {
  const [org = ''] = repo.split('/');
  return defaults
    .filter((entry) => isMeant(entry.repo, [repo, org]) && isMeant(entry.cluster, [cluster]))
    .reduce<DecorationConfig | undefined>((before, entry) => mergeDecoration(entry.config, before), undefined);
}

const isMeant = (filter: string | undefined, values: readonly string[]): boolean =>
  filter === undefined || filter === '' || filter === '*' || values.includes(filter);

/** `both` decides where both sides have something to say. */
function mergeFields(own: Fields, fallback: Fields, both: (field: string, own: unknown, fallback: unknown) => unknown): Fields {
  const values = new Map(Object.entries(own).filter(([field, value]) => !isEmpty(field, value)));
  for (const [field, value] of Object.entries(fallback)) {
    if (isEmpty(field, value)) continue;
    values.set(field, values.has(field) ? both(field, values.get(field), value) : value);
  }
  return Object.fromEntries(values);
}

const isEmpty = (field: string, value: unknown): boolean =>
  value === undefined || value === null || (value === '' && !emptyCounts.has(field)) || (Array.isArray(value) && value.length === 0);

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
