/**
 * Every kind in every state that the operator's own functions can give it, with what the tools that watch Git-managed objects are to make
 * of it. The objects come out of the status functions and the schema's defaults, so a change of either shows here.
 */
import { customResourceDefinitions } from '../../crds/definitions.ts';
import { StructuralSchema } from '../../crds/structural.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import type { ProwJob, ProwJobState, RunReason } from '../../crds/v1/prowJob.ts';
import { resolvePlugins } from '../../operator/jobs/pluginResolution.ts';
import { planAttempt } from '../../operator/jobs/podBuilder.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import { statusOf } from '../../operator/jobs/runState.ts';
import { newPeriodic, type PeriodicInput } from '../../operator/jobs/testing/periodics.ts';
import type { Health } from '../../operator/clusters/clusterConnection.ts';
import type { MemberReport } from '../../operator/clusters/clusterMember.ts';
import { buildClusterStatus } from '../../reconcilers/buildcluster/status.ts';
import { World, failure } from '../../reconcilers/periodic/testing/world.ts';
import { decide as decideSet } from '../../reconcilers/periodicset/decide.ts';
import { readScope as readSetScope } from '../../reconcilers/periodicset/scope.ts';
import { periodicSetStatus } from '../../reconcilers/periodicset/status.ts';
import { pluginConfigStatus } from '../../reconcilers/pluginconfig/status.ts';
import { statusAfter, type News } from '../../reconcilers/prowjob/status.ts';
import { aRun } from '../../reconcilers/prowjob/testing/builders.ts';
import { backfillStates } from './backfillStates.ts';
import type { Judged, KstatusResult } from './kstatus.ts';

export type ArgoHealth = 'Healthy' | 'Progressing' | 'Degraded' | 'Suspended';

export interface State {
  readonly kind: 'ProwJob' | 'Periodic' | 'PeriodicSet' | 'PeriodicBackfill' | 'PluginConfig' | 'BuildCluster';
  readonly name: string;
  readonly object: Judged;
  /** What Flux makes of it. */
  readonly kstatus: KstatusResult;
  readonly argo: ArgoHealth;
}

type Expected = Pick<State, 'kstatus' | 'argo'>;

const settled: Expected = { kstatus: 'Current', argo: 'Healthy' };
const inProgress: Expected = { kstatus: 'InProgress', argo: 'Progressing' };
const stalled: Expected = { kstatus: 'Failed', argo: 'Degraded' };
const leaving: Expected = { kstatus: 'Terminating', argo: 'Progressing' };
const suspended: Expected = { kstatus: 'Current', argo: 'Suspended' };

const nowMs = Date.parse('2026-01-01T00:05:00Z');
const head = {
  apiVersion: 'prow.k8s.io/v1',
  metadata: { name: 'one', namespace: 'team', generation: 1, uid: 'u', resourceVersion: '7' },
} as const;

/** As the API server serves an object that nobody has written a status for. */
function unseen<T extends Judged>(kind: State['kind'], object: T): T {
  const crd = customResourceDefinitions().find(({ spec }) => spec.names.kind === kind);
  const schema = crd?.spec.versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error(`there is no schema of ${kind}`);
  const { status: _dropped, ...written } = object;
  return new StructuralSchema(schema).applyDefaults<object>(written) as T;
}

const deleted = <T extends Judged>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:05:00Z' },
});

/** Spec has changed and the operator has not looked yet. */
const edited = <T extends Judged>(object: T): T => ({ ...object, metadata: { ...object.metadata, generation: 2 } });

const fresh = unseen('ProwJob', aRun());

function after(news: News, run: ProwJob = fresh): ProwJob {
  const status = statusOf(run);
  const scope = { run, status, cluster: { state: 'unknown', message: '' }, attempts: status.attempts ?? [] } as const;
  return {
    ...run,
    status: statusAfter({ ...scope, pod: undefined, lastPod: undefined, livePods: [] }, news, { policy: defaultPolicy, nowMs }),
  };
}

const running = after({ kind: 'started', plan: planAttempt(fresh, 1, defaultPolicy) });
const waiting = (reason: Extract<News, { kind: 'waiting' }>['waiting']): ProwJob =>
  after(reason === undefined ? { kind: 'waiting' } : { kind: 'waiting', waiting: reason });
const finished = (state: ProwJobState, reason: RunReason): ProwJob =>
  after({ kind: 'finished', state, reason, description: 'It ended.' }, running);

const lostEnd = { kind: 'over', cause: 'NodeLost', state: 'error', message: 'Its node cannot be reached.' } as const;

function runStates(): readonly State[] {
  const queued = waiting({ reason: 'QueueUnknown', message: 'no such queue' });
  const rows: readonly (readonly [string, ProwJob, Expected])[] = [
    ['not seen yet', fresh, inProgress],
    ['waiting for its turn', waiting({ reason: 'MaxConcurrency', message: 'one is running' }), inProgress],
    ['waiting for a queue that does not exist', queued, stalled],
    ['waiting for a cluster that cannot be reached', waiting({ reason: 'ClusterUnavailable', message: 'down' }), stalled],
    ['waiting for quota', waiting({ reason: 'QuotaExceeded', message: 'exceeded quota' }), inProgress],
    ['waiting for the right to create pods', waiting({ reason: 'PodRefused', message: 'forbidden' }), stalled],
    ['waiting no more', after({ kind: 'waiting' }, queued), inProgress],
    ['running', running, inProgress],
    ['running again', after({ kind: 'started', plan: planAttempt(fresh, 2, defaultPolicy) }, running), inProgress],
    ['between two attempts', after({ kind: 'lost', end: lostEnd, delayMs: 10_000 }, running), inProgress],
    ['succeeded', finished('success', 'Succeeded'), settled],
    ['aborted after its end', after({ kind: 'observed' }, edited(finished('success', 'Succeeded'))), settled],
    ['failed', finished('failure', 'TestFailed'), settled],
    ['ended by the infrastructure', finished('error', 'NodeLost'), settled],
    ['ended without ever starting', after({ kind: 'finished', state: 'error', reason: 'QueueTimeout', description: 'x' }, queued), settled],
    ['aborted', finished('aborted', 'Aborted'), settled],
    ['asked to end, not seen yet', edited(running), inProgress],
    ['being deleted', deleted(finished('success', 'Succeeded')), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'ProwJob', name, object, ...expected }));
}

async function periodicStates(): Promise<readonly State[]> {
  const at = async (input: PeriodicInput, prepare?: (world: World) => Promise<void>): Promise<Judged> => {
    const world = new World(unseen('Periodic', newPeriodic(input)), '2026-01-01T00:05:00Z');
    await world.reconcile();
    await prepare?.(world);
    return world.periodic;
  };
  const nextSlot = (refuse?: World['refuse']) => async (world: World) => {
    world.refuse = refuse;
    await world.clock.advance(300_000);
    await world.reconcile().catch((error: unknown) => {
      if (error !== refuse) throw error;
    });
  };
  const redRun = async (world: World): Promise<void> => {
    await nextSlot()(world);
    world.finish(world.created[0] ?? '', 'failure');
    await world.reconcile();
  };
  const template = { spec: { pod_spec: { containers: [] } } };
  const rows: readonly (readonly [string, Judged, Expected])[] = [
    ['not seen yet', unseen('Periodic', newPeriodic()), inProgress],
    ['waiting for its first slot', await at({}), settled],
    ['with a run', await at({}, nextSlot()), settled],
    ['after a red run', await at({}, redRun), settled],
    ['suspended', await at({ spec: { suspend: true } }), suspended],
    ['suspended until later', await at({ spec: { suspendUntil: '2026-02-01T00:00:00Z' } }), suspended],
    ['suspended until just now', await at({ spec: { suspendUntil: '2026-01-01T00:05:00Z' } }), settled],
    ['stopped after failures', await at({ spec: { stopAfter: { consecutiveFailures: 1 } } }, redRun), suspended],
    ['with a schedule that cannot be read', await at({ spec: { cron: '61 * * * *' } }), stalled],
    ['suspended, with a schedule that cannot be read', await at({ spec: { cron: '61 * * * *', suspend: true } }), stalled],
    ['with a template that is refused', await at({ spec: { jobTemplate: template } }, nextSlot(failure(422, 'Invalid'))), stalled],
    ['while a run cannot be created', await at({}, nextSlot(failure(503, 'ServiceUnavailable'))), inProgress],
    ['with a field that is not acted on', await at({ spec: { history: { successful: 3 } } }), settled],
    ['edited', edited(await at({})), inProgress],
    ['being deleted', deleted(await at({})), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'Periodic', name, object, ...expected }));
}

function periodicSetStates(): readonly State[] {
  const set = (cron: string): PeriodicSet =>
    unseen('PeriodicSet', {
      ...head,
      kind: 'PeriodicSet',
      spec: {
        matrix: { region: ['eu'] },
        template: {
          metadata: { name: 'e2e-${region}' },
          spec: { cron, jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox' }] } } } },
        },
      },
    });
  /** `children` are there when the pass has ended. */
  const seen = (object: PeriodicSet, children: readonly Periodic[], error?: Error): PeriodicSet => {
    const sources = { sets: { get: () => object }, periodics: { get: () => undefined, byIndex: () => children } };
    const scope = readSetScope(sources, { namespace: 'team', name: 'one' }, new WeakMap());
    if (scope === undefined) throw new Error('a set that is there is looked at');
    const outcome = { created: 0, updated: 0, deleted: 0, refusals: [], ...(error === undefined ? {} : { error }) };
    return { ...object, status: periodicSetStatus(scope, decideSet(scope), outcome, nowMs) };
  };
  const [sound, wrong] = [set('@hourly'), set('${cron}')];
  const childOf = (object: PeriodicSet): readonly Periodic[] => {
    const sources = { sets: { get: () => object }, periodics: { get: () => undefined, byIndex: () => [] } };
    const scope = readSetScope(sources, { namespace: 'team', name: 'one' }, new WeakMap());
    return scope === undefined ? [] : decideSet(scope).create;
  };
  const made = seen(sound, childOf(sound));
  const asleep = childOf(sound).map((periodic) => ({
    ...periodic,
    status: { conditions: [{ type: 'Suspended', status: 'True' as const, reason: 'Suspended', message: '', lastTransitionTime: '' }] },
  }));
  const rows: readonly (readonly [string, PeriodicSet, Expected])[] = [
    ['not seen yet', sound, inProgress],
    ['applied', made, settled],
    ['with a template that is wrong', seen(wrong, []), stalled],
    ['corrected', seen({ ...seen(wrong, []), spec: sound.spec }, childOf(sound)), settled],
    ['while a Periodic cannot be created', seen(sound, [], new Error('no answer')), inProgress],
    ['with all Periodics suspended', seen(sound, asleep), suspended],
    ['edited', edited(made), inProgress],
    ['being deleted', deleted(made), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'PeriodicSet', name, object, ...expected }));
}

async function periodicBackfillStates(): Promise<readonly State[]> {
  const states = await backfillStates((backfill) => unseen('PeriodicBackfill', backfill));
  const rows: readonly (readonly [string, Judged, Expected])[] = [
    ['not seen yet', states.unseen, inProgress],
    ['with an active run', states.running, settled],
    ['waiting for a slot of the future', states.waiting, settled],
    ['suspended', states.suspended, suspended],
    ['stopped by a run that failed', states.stopped, stalled],
    ['resumed after that', states.resumed, settled],
    ['without its Periodic', states.withoutPeriodic, stalled],
    ['with another schedule than at the start', states.scheduleChanged, stalled],
    ['while a run cannot be created', states.createFailed, inProgress],
    ['complete', states.complete, settled],
    ['complete, with red runs', states.completeWithFailures, settled],
    ['edited', edited(states.running), inProgress],
    ['being deleted', deleted(states.complete), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'PeriodicBackfill', name, object, ...expected }));
}

function pluginConfigStates(): readonly State[] {
  const config = (spec: Partial<PluginConfig['spec']>, name = 'one'): PluginConfig =>
    unseen('PluginConfig', { ...head, kind: 'PluginConfig', metadata: { ...head.metadata, name }, spec: { repos: ['acme'], ...spec } });
  const resolved = (object: PluginConfig, others: readonly PluginConfig[] = []): PluginConfig => ({
    ...object,
    status: pluginConfigStatus(object, resolvePlugins(object, others), nowMs),
  });
  const [small, large] = [config({ config: { size: { s: 1 } } }), config({ config: { size: { s: 2 } } }, 'two')];
  const wrong = resolved(config({ plugins: ['lgmt'] }));
  const rows: readonly (readonly [string, PluginConfig, Expected])[] = [
    ['not seen yet', small, inProgress],
    ['without fault', resolved(small), settled],
    ['against another', resolved(small, [large]), stalled],
    ['with a plugin that does not exist', wrong, stalled],
    ['corrected', resolved({ ...wrong, spec: { repos: ['acme'], plugins: ['lgtm'] } }), settled],
    ['edited', edited(resolved(small)), inProgress],
    ['being deleted', deleted(resolved(small)), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'PluginConfig', name, object, ...expected }));
}

function buildClusterStates(): readonly State[] {
  const spec = { alias: 'gpu', kubeconfigSecretRef: { name: 'gpu', key: 'kubeconfig' } };
  const cluster: BuildCluster = unseen('BuildCluster', { ...head, kind: 'BuildCluster', spec });
  const told = (report: Pick<MemberReport, 'state' | 'reason' | 'message'>, health?: Partial<Health>): BuildCluster => {
    const full: Health = {
      ...report,
      reason: 'Connected',
      server,
      breaker: 'closed',
      failures: 0,
      callsUnderWay: 0,
      limited: [],
      ...health,
    };
    const withHealth = health === undefined ? report : { ...report, health: full };
    return { ...cluster, status: buildClusterStatus(cluster, withHealth, { running: 0, waiting: 0 }, nowMs) };
  };
  const server = 'https://gpu.example.com:6443';
  const ready = told(
    { state: 'ready', reason: 'Connected', message: `Runs can go to ${server}.` },
    { lastContactMs: nowMs, version: 'v1.36.3' },
  );
  const down = { state: 'unavailable', reason: 'Unreachable', message: `${server} cannot be reached: connect ECONNREFUSED.` } as const;
  const noSecret = {
    state: 'unavailable',
    reason: 'SecretMissing',
    message: 'There is no Secret gpu in the namespace of this BuildCluster.',
  } as const;
  const rows: readonly (readonly [string, BuildCluster, Expected])[] = [
    ['not seen yet', cluster, inProgress],
    ['connected', ready, settled],
    ['away', told(down, { failures: 3, breaker: 'open' }), inProgress],
    ['without its secret', told(noSecret), stalled],
    ['edited', edited(ready), inProgress],
    ['being deleted', deleted(ready), leaving],
  ];
  return rows.map(([name, object, expected]) => ({ kind: 'BuildCluster', name, object, ...expected }));
}

export const everyState = async (): Promise<readonly State[]> => [
  ...runStates(),
  ...(await periodicStates()),
  ...periodicSetStates(),
  ...(await periodicBackfillStates()),
  ...pluginConfigStates(),
  ...buildClusterStates(),
];
