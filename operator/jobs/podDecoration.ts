/**
 * What decoration_config means for a pod that has no helper containers: memory, account, user, grace and place are carried out, and what
 * only helper containers could do is named, so that the run can say so. Cloning is the one thing a job cannot do without. Pure.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import type { JobContainer, JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Fields that ask for helper containers. Where there is no cloning, its own fields ask for nothing. */
const unsupported: readonly (keyof DecorationConfig)[] = [
  'utility_images',
  'resources',
  'gcs_configuration',
  'gcs_credentials_secret',
  's3_credentials_secret',
  'censor_secrets',
  'censoring_options',
  'upload_ignores_interrupts',
];

/** The fields of decoration_config that are set and not carried out, in a fixed order. `isArchived`: results are kept by the operator itself. */
export const unsupportedDecoration = (decoration: DecorationConfig | undefined, isArchived: boolean): readonly string[] =>
  decoration === undefined
    ? []
    : unsupported
        .filter((field) => isSet(decoration[field]) && !(isArchived && field === 'gcs_configuration'))
        .map((field) => `decoration_config.${field}`);

const isSet = (value: unknown): boolean => value !== undefined && value !== '' && value !== false;

/** The job wants its repositories cloned before it starts. */
export const needsCloning = ({ decoration_config: decoration, refs, extra_refs: extraRefs }: ProwJobSpec): boolean =>
  decoration !== undefined && decoration.skip_cloning !== true && (refs !== undefined || (extraRefs?.length ?? 0) > 0);

/** `podSpec` with what the decoration says about pods. What the pod says itself comes first, except for memory limits. */
export function decoratePod(podSpec: JobPodSpec, decoration: DecorationConfig | undefined): JobPodSpec {
  if (decoration === undefined) return podSpec;
  const { affinity, tolerations } = decoration.scheduling_options ?? {};
  const graceSeconds = podGraceSeconds(decoration.grace_period);
  return {
    ...podSpec,
    containers: podSpec.containers.map((container) => withMemory(container, decoration)),
    ...absent(podSpec, 'serviceAccountName', decoration.default_service_account_name),
    ...absent(podSpec, 'terminationGracePeriodSeconds', graceSeconds),
    ...absent(podSpec, 'affinity', affinity),
    ...absent(podSpec, 'tolerations', tolerations),
    ...securityContext(podSpec, decoration),
  };
}

/** Upstream's sum: whole seconds, and a quarter more for the helper containers to finish. */
function podGraceSeconds(gracePeriod: string | undefined): number | undefined {
  if (gracePeriod === undefined) return undefined;
  try {
    const seconds = Math.floor(parseDuration(gracePeriod) / 1000);
    return seconds > 0 ? Math.trunc((seconds * 5) / 4) : undefined;
  } catch (error) {
    if (error instanceof DurationError) return undefined;
    throw error;
  }
}

function absent(podSpec: JobPodSpec, field: string, value: unknown): object {
  const own = podSpec[field];
  const isAbsent = own === undefined || own === '' || (Array.isArray(own) && own.length === 0);
  return isAbsent && value !== undefined && value !== '' ? { [field]: value } : {};
}

function securityContext(podSpec: JobPodSpec, decoration: DecorationConfig): object {
  const own = isObject(podSpec.securityContext) ? podSpec.securityContext : {};
  const wanted = [
    ['runAsUser', decoration.run_as_user],
    ['runAsGroup', decoration.run_as_group],
    ['fsGroup', decoration.fs_group],
  ] as const;
  const added = wanted.filter(([field, value]) => value !== undefined && own[field] === undefined);
  return added.length === 0 ? {} : { securityContext: { ...own, ...Object.fromEntries(added) } };
}

function withMemory(container: JobContainer, decoration: DecorationConfig): JobContainer {
  const resources = isObject(container.resources) ? container.resources : {};
  const requests = isObject(resources.requests) ? resources.requests : {};
  const memory = requests.memory ?? decoration.default_memory_request;
  if (memory === undefined) return container;
  const limits = isObject(resources.limits) ? resources.limits : {};
  const isBound = decoration.set_limit_equals_memory_request === true;
  return {
    ...container,
    resources: { ...resources, requests: { ...requests, memory }, ...(isBound ? { limits: { ...limits, memory } } : {}) },
  };
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
