/**
 * Reads what `why` explains from: the object, and whatever of pods, nodes, Events, quotas, clusters and other runs the user may see. What may not
 * be read, or cannot be, is named and left out; only the object itself must be there.
 */
import { buildClusters, prowJobs } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Node, PeriodicEvidence, ResourceQuota, RunEvidence, SeenEvent } from '../explain/evidence.ts';
import { attemptsToArchive } from '../jobs/archiveHold.ts';
import { periodicUidOf } from '../jobs/periodicRun.ts';
import { ownerOf } from '../jobs/podOwner.ts';
import { clusterOf, isComplete, statusOf } from '../jobs/runState.ts';
import { timeMs } from '../jobs/times.ts';
import { events, pods, type Event, type Pod } from '../kube/builtin.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError, isNotFound } from '../kube/errors.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { isDenied } from './userCluster.ts';

const nodes: ResourceType<Node> = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };
const resourceQuotas: ResourceType<ResourceQuota> = {
  group: '',
  version: 'v1',
  plural: 'resourcequotas',
  kind: 'ResourceQuota',
  namespaced: true,
};

/** Collects what could not be read, each thing once. */
class Reader {
  readonly unread: string[] = [];

  /** The fallback where the user may not read it, or nobody answers. `what` completes "… could not be read". */
  async read<T>(what: string, fallback: T, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof TransportError)) throw error;
      this.note(`${what} could not be read: ${isDenied(error) ? 'your account may not' : error.message}.`);
      return fallback;
    }
  }

  note(line: string): void {
    if (!this.unread.includes(line)) this.unread.push(line);
  }
}

/** `podClient` reaches the pods of the run; undefined: they are out of reach. */
export async function gatherRun(client: KubeClient, podClient: KubeClient | undefined, run: ProwJob, nowMs: number): Promise<RunEvidence> {
  const reader = new Reader();
  const { namespace = '' } = run.metadata;
  const place = await readPlace(reader, podClient, run);
  const rivals = isComplete(run) ? { runs: [], seesAllNamespaces: true } : await readRuns(client, namespace);
  const [runEvents, podEvents, buildCluster, quotas, successor] = await Promise.all([
    readEvents(reader, client, run, 'ProwJob'),
    podClient === undefined ? [] : Promise.all([...place.pods.values()].map((pod) => readEvents(reader, podClient, pod, 'Pod'))),
    readCluster(reader, client, run),
    readQuotas(reader, podClient, run),
    readSuccessor(reader, client, run),
  ]);
  return {
    nowMs,
    run,
    ...place,
    ...rivals,
    events: [...runEvents, ...podEvents.flat()].sort((a, b) => a.lastMs - b.lastMs),
    ...(buildCluster === undefined ? {} : { buildCluster }),
    quotas,
    ...(successor === undefined ? {} : { successor }),
    unread: reader.unread,
  };
}

type Place = Pick<RunEvidence, 'pods' | 'podsWereRead' | 'nodes'>;

async function readPlace(reader: Reader, client: KubeClient | undefined, run: ProwJob): Promise<Place> {
  const attempts = attemptsToArchive(run);
  if (client === undefined) {
    if (attempts.length > 0)
      reader.note(
        `Its pods are on build cluster "${clusterOf(run)}", which this kubeconfig does not reach: give --pod-kubeconfig FILE to see them.`,
      );
    return { pods: new Map(), podsWereRead: false, nodes: new Map() };
  }
  const found = new Map<string, Pod>();
  let podsWereRead = true;
  for (const { pod_name: name, pod_namespace: namespace = run.metadata.namespace ?? '' } of attempts) {
    const pod = await reader.read<Pod | null | undefined>(`Pod ${namespace}/${name}`, undefined, () =>
      orNull(client.get(pods, { namespace, name })),
    );
    if (pod === undefined) podsWereRead = false;
    else if (pod !== null && ownerOf(pod, run) === 'own') found.set(name, pod);
  }
  const names = new Set(
    attempts.map(({ node, pod_name: name }) => node ?? found.get(name)?.spec.nodeName).filter((name) => name !== undefined),
  );
  return { pods: found, podsWereRead, nodes: await readNodes(reader, client, names) };
}

async function readNodes(reader: Reader, client: KubeClient, names: Iterable<string>): Promise<ReadonlyMap<string, Node | null>> {
  const found = new Map<string, Node | null>();
  for (const name of names) {
    const node = await reader.read('Nodes', undefined, () => orNull(client.get(nodes, { namespace: '', name })));
    if (node === undefined) break;
    found.set(name, node);
  }
  return found;
}

const orNull = async <T>(read: Promise<T>): Promise<T | null> => {
  try {
    return await read;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
};

const pageSize = 500;

/** Runs that have not ended: of all namespaces where that is allowed, because limits count them together. */
async function readRuns(client: KubeClient, namespace: string): Promise<Pick<RunEvidence, 'runs' | 'seesAllNamespaces'>> {
  try {
    return { runs: await unfinished(client), seesAllNamespaces: true };
  } catch (error) {
    if (!isDenied(error)) throw error;
    return { runs: await unfinished(client, namespace), seesAllNamespaces: false };
  }
}

async function unfinished(client: KubeClient, namespace?: string): Promise<readonly ProwJob[]> {
  const found: ProwJob[] = [];
  let next: string | undefined;
  do {
    const page = await client.list<ProwJob>(prowJobs, {
      limit: pageSize,
      ...(namespace === undefined ? {} : { namespace }),
      ...(next === undefined ? {} : { continue: next }),
    });
    found.push(...page.items.filter((run) => !isComplete(run)));
    next = page.metadata.continue === '' ? undefined : page.metadata.continue;
  } while (next !== undefined);
  return found;
}

/** Older servers of Events, and kubelets, fill the fields that the newer form calls deprecated. */
interface ReadEvent extends Event {
  readonly deprecatedLastTimestamp?: string;
  readonly deprecatedCount?: number;
}

async function readEvents(reader: Reader, client: KubeClient, object: KubeObject, kind: string): Promise<readonly SeenEvent[]> {
  const { namespace = '', name, uid = '' } = object.metadata;
  const query = { namespace, fieldSelector: `regarding.uid=${uid}` };
  const items = await reader.read<readonly ReadEvent[]>('Events', [], async () => (await client.list(events, query)).items);
  return items.map(({ reason = '', note = '', type = '', series, eventTime, deprecatedLastTimestamp, deprecatedCount, metadata }) => ({
    reason,
    note,
    type,
    count: series?.count ?? deprecatedCount ?? 1,
    lastMs: timeMs(series?.lastObservedTime ?? deprecatedLastTimestamp ?? eventTime ?? metadata.creationTimestamp) ?? 0,
    about: `${kind} ${name}`,
  }));
}

async function readCluster(reader: Reader, client: KubeClient, run: ProwJob): Promise<BuildCluster | null | undefined> {
  const alias = clusterOf(run);
  if (alias === 'default') return undefined;
  const { namespace = '' } = run.metadata;
  return reader.read('BuildClusters', undefined, async () => {
    const { items } = await client.list<BuildCluster>(buildClusters, { namespace });
    const sameAlias = items.filter(({ spec }) => spec.alias === alias);
    // The older one has the alias.
    return sameAlias.sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))[0] ?? null;
  });
}

async function readQuotas(reader: Reader, client: KubeClient | undefined, run: ProwJob): Promise<readonly ResourceQuota[]> {
  if (client === undefined || statusOf(run).waiting?.reason !== 'QuotaExceeded') return [];
  const namespace = attemptsToArchive(run).at(-1)?.pod_namespace ?? run.metadata.namespace ?? '';
  return reader.read('ResourceQuotas', [], async () => (await client.list(resourceQuotas, { namespace })).items);
}

async function readSuccessor(reader: Reader, client: KubeClient, run: ProwJob): Promise<ProwJob | undefined> {
  const { superseded_by: name } = statusOf(run);
  if (name === undefined) return undefined;
  const key = { namespace: run.metadata.namespace ?? '', name };
  return (await reader.read(`ProwJob ${name}`, null, () => orNull(client.get<ProwJob>(prowJobs, key)))) ?? undefined;
}

export async function gatherPeriodic(client: KubeClient, periodic: Periodic, nowMs: number): Promise<PeriodicEvidence> {
  const reader = new Reader();
  const { namespace = '', uid } = periodic.metadata;
  const [runs, seen] = await Promise.all([
    reader.read('ProwJobs', [] as readonly ProwJob[], async () => (await client.list<ProwJob>(prowJobs, { namespace })).items),
    readEvents(reader, client, periodic, 'Periodic'),
  ]);
  const own = runs.filter((run) => periodicUidOf(run) === uid);
  return { nowMs, periodic, runs: own, events: seen.toSorted((a, b) => a.lastMs - b.lastMs), unread: reader.unread };
}
