/** The status of a BuildCluster: what the connection found out, in words and conditions. Pure. */
import type { BuildCluster, BuildClusterStatus } from '../../crds/v1/buildCluster.ts';
import type { MemberReport } from '../../operator/clusters/clusterMember.ts';
import { sameJson } from '../../operator/jobs/statusPatch.ts';
import { stamp, timeMs } from '../../operator/jobs/times.ts';
import type { Condition } from '../../operator/kube/objects.ts';
import { removeCondition, setCondition } from '../../operator/runtime/conditions.ts';

export interface Counts {
  /** Runs that have a pod there. */
  readonly running: number;
  /** Runs that wait for the cluster. */
  readonly waiting: number;
}

/** How old what is only informative may be: counts, and the time of the last contact. */
const countsMs = 60_000;
const contactMs = 300_000;

/** Reasons that no waiting cures: somebody has to change something. */
const stalling: ReadonlySet<string> = new Set([
  'AliasTaken',
  'SecretForbidden',
  'SecretMissing',
  'SecretKeyMissing',
  'KubeconfigInvalid',
  'Unauthorized',
  'Forbidden',
]);

interface Said {
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** What else status holds stays as it is. */
export function buildClusterStatus(cluster: BuildCluster, report: MemberReport, counts: Counts, nowMs: number): BuildClusterStatus {
  const { metadata, status } = cluster;
  const { server: _server, ...kept } = status ?? {};
  const after: BuildClusterStatus = {
    ...kept,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    ...knownOf(report),
    ...counts,
    conditions: conditionsOf(cluster, report, nowMs),
  };
  return status === undefined || isWorthWriting(status, after, nowMs) ? after : status;
}

/** What a cluster said of itself holds until it says otherwise. */
function knownOf({ health }: MemberReport): Partial<BuildClusterStatus> {
  if (health === undefined) return {};
  const { server, version, clusterUID, lastContactMs, failures } = health;
  return {
    server,
    failures,
    ...(version === undefined ? {} : { version }),
    ...(clusterUID === undefined ? {} : { clusterUID }),
    ...(lastContactMs === undefined ? {} : { lastContact: stamp(lastContactMs) }),
  };
}

/** Counts and the last contact change all the time. They come along with other news, else only when the old ones are old. */
function isWorthWriting(before: BuildClusterStatus, after: BuildClusterStatus, nowMs: number): boolean {
  if (!sameJson({ ...before, ...uninformative }, { ...after, ...uninformative })) return true;
  const ageMs = nowMs - (timeMs(before.lastContact) ?? -Infinity);
  const isRecount = before.running !== after.running || before.waiting !== after.waiting;
  return (isRecount && ageMs >= countsMs) || (before.lastContact !== after.lastContact && ageMs >= contactMs);
}

const uninformative = { running: 0, waiting: 0, failures: 0, lastContact: '' };

/** When the status should be looked at again although nothing tells. Undefined when everything that changes will tell. */
export const nextLookMs = (report: MemberReport): number | undefined => (report.health === undefined ? undefined : countsMs);

function conditionsOf({ metadata, spec, status }: BuildCluster, report: MemberReport, nowMs: number): readonly Condition[] {
  const seen = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  const ready = readyOf(spec, report);
  const isStalled = ready.status === 'False' && stalling.has(ready.reason);
  const states: Readonly<Record<string, Said | undefined>> = {
    Reachable: reachableOf(report),
    Ready: ready,
    Reconciling: ready.status === 'False' && !isStalled && report.state === 'connecting' ? { ...ready, status: 'True' } : undefined,
    Stalled: isStalled ? { ...ready, status: 'True' } : undefined,
    Duplicate: report.twins === undefined ? undefined : duplicate(report.twins),
  };
  let conditions = status?.conditions ?? [];
  for (const [type, state] of Object.entries(states)) {
    conditions = state === undefined ? removeCondition(conditions, type) : setCondition(conditions, { type, ...state, ...seen }, nowMs);
  }
  return conditions;
}

function readyOf(spec: BuildCluster['spec'], report: MemberReport): Said {
  if (report.aliasOf !== undefined) {
    const message = `BuildCluster ${report.aliasOf} is older and has the alias "${spec.alias}" already: choose another (spec.alias).`;
    return { status: 'False', reason: 'AliasTaken', message };
  }
  if (report.state !== 'ready') return { status: 'False', reason: report.reason, message: report.message };
  const limited = report.health?.limited ?? [];
  if (limited.length > 0)
    return {
      status: 'True',
      reason: 'Limited',
      message: `${report.message} The credentials of the kubeconfig may not: ${limited.join(', ')}.`,
    };
  return { status: 'True', reason: report.reason, message: report.message };
}

/** A server that says no is there. */
const answers: ReadonlySet<string> = new Set(['Connected', 'Unauthorized', 'Forbidden', 'ServerError', 'Malformed']);

function reachableOf({ state, reason, message, health }: MemberReport): Said {
  if (health === undefined || state === 'connecting') return { status: 'Unknown', reason, message };
  if (!answers.has(reason)) return { status: 'False', reason, message };
  return { status: 'True', reason: 'Answers', message: `${health.server} answers.` };
}

const duplicate = (twins: readonly string[]): Said => ({
  status: 'True',
  reason: 'SameCluster',
  message: `It is the same cluster as ${twins.map((twin) => (twin.startsWith('(') ? `another ${twin}` : `"${twin}"`)).join(', ')}: limits of each count only their own runs.`,
});
