/**
 * Builds the pod of one attempt. Pure: the run is not changed, and the same run, attempt and policy give the same pod. A run that
 * cannot become a pod is refused with the field at fault, never with a crash and never by guessing.
 */
import type { JobContainer, JobPodSpec } from '../../crds/v1/podSpec.ts';
import { prowJobTypes, type ProwJob } from '../../crds/v1/prowJob.ts';
import { buildIdOf } from './buildId.ts';
import { timeoutsProblem } from './deadlines.ts';
import { podAnnotations, podLabels } from './labels.ts';
import { podNameOf } from './names.ts';
import { decoratePod, needsCloning } from './podDecoration.ts';
import { podEnvironment } from './podEnvironment.ts';
import { avoidNodes, lostNodes } from './podPlacement.ts';
import type { JobPolicy } from './policy.ts';
import { timeMs } from './times.ts';

type NamedContainer = JobContainer & { readonly name: string };

export interface BuiltPod {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: Omit<JobPodSpec, 'containers' | 'initContainers'> & {
    readonly containers: readonly NamedContainer[];
    readonly initContainers?: readonly NamedContainer[];
  };
}

/** What the settings say about the place of pods. */
export type PlacePolicy = Pick<JobPolicy, 'podNamespace' | 'tenants'>;

/** The spec asks for something that cannot be done. Final: a spec never changes. */
export class InvalidSpecError extends Error {
  readonly code = 'InvalidSpec';
  readonly field: string;

  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.name = 'InvalidSpecError';
    this.field = field;
  }
}

/** An attempt as it is written down before its pod is made. Changed settings change nothing about it any more. */
export interface AttemptPlan {
  readonly number: number;
  readonly podName: string;
  readonly podNamespace: string;
  readonly buildId: string;
}

export function planAttempt(run: ProwJob, number: number, policy: PlacePolicy): AttemptPlan {
  const createdMs = timeMs(run.metadata.creationTimestamp) ?? 0;
  const uid = run.metadata.uid ?? `${run.metadata.namespace ?? ''}/${run.metadata.name}`;
  const podNamespace = podNamespaceOf(run, policy);
  return { number, podName: podNameOf(run.metadata.name, number), podNamespace, buildId: buildIdOf({ createdMs, uid, attempt: number }) };
}

/**
 * Where the pod runs: the namespace the run names, if the settings list it for this tenant; else the settings' pod namespace; else the
 * run's own.
 */
export function podNamespaceOf(run: ProwJob, policy: PlacePolicy): string {
  const own = run.metadata.namespace ?? '';
  const wanted = run.spec.namespace;
  if (wanted !== undefined && wanted !== '' && (policy.tenants.get(own)?.includes(wanted) ?? false)) return wanted;
  return policy.podNamespace ?? own;
}

/** The problem that keeps a (resolved) run from becoming a pod, or undefined. */
export function specProblem(run: ProwJob): InvalidSpecError | undefined {
  const { spec } = run;
  if (!prowJobTypes.includes(spec.type))
    return new InvalidSpecError('spec.type', `unknown type "${spec.type as string}"; use one of ${prowJobTypes.join(', ')}`);
  if (needsCloning(spec)) {
    const advice = 'set decoration_config.skip_cloning to true and clone in the test, or remove decoration_config';
    return new InvalidSpecError('spec.decoration_config', `cloning of refs and extra_refs is not supported yet; ${advice}`);
  }
  const timeouts = timeoutsProblem(spec);
  if (timeouts !== undefined) return new InvalidSpecError(timeouts.field, timeouts.message);
  if (spec.type !== 'periodic' && spec.refs === undefined)
    return new InvalidSpecError('spec.refs', `a ${spec.type} run needs the repository it tests`);
  if (spec.type === 'presubmit' && (spec.refs?.pulls?.length ?? 0) === 0) {
    return new InvalidSpecError('spec.refs.pulls', 'a presubmit run needs the pull request it tests');
  }
  return podSpecProblem(spec.pod_spec);
}

/**
 * `run` is resolved (resolveRun), and its status has the attempts before this one.
 * @throws InvalidSpecError
 */
export function buildPod(run: ProwJob, plan: AttemptPlan): BuiltPod {
  const problem = specProblem(run);
  const podSpec = run.spec.pod_spec;
  if (problem !== undefined || podSpec === undefined) throw problem ?? new InvalidSpecError('spec.pod_spec', 'there is no pod to run');
  const placed = avoidNodes(decoratePod(podSpec, run.spec.decoration_config), lostNodes(run.status?.attempts, plan.number));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: plan.podName,
      namespace: plan.podNamespace,
      labels: podLabels(run, plan.number, plan.buildId),
      annotations: podAnnotations(run),
    },
    spec: completePod(run, placed, plan.buildId),
  };
}

/** pod_spec is kept as it was written, so its shape is not known to be right. */
function podSpecProblem(podSpec: JobPodSpec | undefined): InvalidSpecError | undefined {
  if (podSpec === undefined) return new InvalidSpecError('spec.pod_spec', 'there is no pod to run');
  for (const field of ['containers', 'initContainers'] as const) {
    const list: unknown = podSpec[field];
    if (list === undefined && field === 'initContainers') continue;
    if (!Array.isArray(list) || !list.every(isPlainObject))
      return new InvalidSpecError(`spec.pod_spec.${field}`, 'must be a list of containers');
    const bad = list.findIndex((container) => container.env !== undefined && !Array.isArray(container.env));
    if (bad >= 0) return new InvalidSpecError(`spec.pod_spec.${field}[${bad}].env`, 'must be a list of variables');
  }
  return podSpec.containers.length === 0 ? new InvalidSpecError('spec.pod_spec.containers', 'there is no container to run') : undefined;
}

const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function completePod(run: ProwJob, podSpec: JobPodSpec, buildId: string): BuiltPod['spec'] {
  const env = podEnvironment(run, buildId);
  const single = podSpec.containers.length === 1;
  const containers = podSpec.containers.map((container) => ({
    ...completed(container),
    ...(single ? { name: 'test' } : {}),
    env: [...(container.env ?? []), ...env],
  }));
  // As upstream: an account that comes from the decoration does not bring its token along.
  const mountsToken = podSpec.automountServiceAccountToken !== undefined || hasText(run.spec.pod_spec?.serviceAccountName);
  const { containers: _replaced, initContainers, ...rest } = podSpec;
  return {
    ...rest,
    restartPolicy: 'Never',
    ...(mountsToken ? {} : { automountServiceAccountToken: false }),
    containers,
    ...(initContainers === undefined ? {} : { initContainers: initContainers.map(completed) }),
  };
}

/** A container without a name is refused by the API server, with a message of its own. */
const completed = (container: JobContainer): NamedContainer => ({
  ...container,
  name: container.name ?? '',
  terminationMessagePolicy: hasText(container.terminationMessagePolicy) ? container.terminationMessagePolicy : 'FallbackToLogsOnError',
});

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';
