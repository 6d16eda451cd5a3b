/**
 * Where the next attempt should rather not run: the nodes on which earlier attempts were lost. A wish and not a demand, so that a cluster
 * with one node still runs it; and none for a pod that names its node. Pure.
 */
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { Attempt, RunReason } from '../../crds/v1/prowJob.ts';

type Fields = Readonly<Record<string, unknown>>;

const nodeFaults: ReadonlySet<RunReason> = new Set<RunReason>(['Evicted', 'Preempted', 'NodeLost', 'NodeRejected', 'ImagePullFailed']);
const mostNodes = 10;

/** The nodes on which attempts before `number` were lost, the latest ones when there are many. */
export function lostNodes(attempts: readonly Attempt[] | undefined, number: number): readonly string[] {
  const nodes = (attempts ?? [])
    .filter((attempt) => attempt.number < number && attempt.cause !== undefined && nodeFaults.has(attempt.cause))
    .flatMap(({ node }) => (node === undefined || node === '' ? [] : [node]));
  return [...new Set(nodes.toReversed())].slice(0, mostNodes).toReversed();
}

/** `podSpec` with the wish to stay away from these nodes, after the wishes that it has itself. */
export function avoidNodes(podSpec: JobPodSpec, nodes: readonly string[]): JobPodSpec {
  const affinity = podSpec.affinity ?? {};
  if (nodes.length === 0 || !isObject(affinity) || isPinned(podSpec, affinity)) return podSpec;
  const nodeAffinity = affinity.nodeAffinity ?? {};
  if (!isObject(nodeAffinity)) return podSpec;
  const own = nodeAffinity[preferred] ?? [];
  if (!Array.isArray(own)) return podSpec;
  // By the name of the node: its label for the host name may say something else.
  const matchFields = nodes.map((node) => ({ key: 'metadata.name', operator: 'NotIn', values: [node] }));
  const wish = { weight: 100, preference: { matchFields } };
  return { ...podSpec, affinity: { ...affinity, nodeAffinity: { ...nodeAffinity, [preferred]: [...(own as unknown[]), wish] } } };
}

const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const hostname = 'kubernetes.io/hostname';

/** It can run on one node only. What is in pod_spec has been checked by nobody, so it is only searched. */
function isPinned(podSpec: JobPodSpec, affinity: Fields): boolean {
  if (podSpec.nodeName !== undefined && podSpec.nodeName !== '') return true;
  if (isObject(podSpec.nodeSelector) && podSpec.nodeSelector[hostname] !== undefined) return true;
  const { nodeAffinity } = affinity;
  const terms = isObject(nodeAffinity) && isObject(nodeAffinity[required]) ? nodeAffinity[required].nodeSelectorTerms : undefined;
  const requirements = listOf(terms).flatMap((term) => [...listOf(term.matchExpressions), ...listOf(term.matchFields)]);
  return requirements.some(({ key, operator }) => (key === hostname || key === 'metadata.name') && operator === 'In');
}

const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.filter(isObject) : []);

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
