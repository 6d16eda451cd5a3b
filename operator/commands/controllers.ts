/**
 * Everything the operator runs, wired to one kit: caches with their indexes, the clusters where pods go, and a controller for each concern.
 * The command line and the tests use the same wiring.
 */
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { shapeCheckOf } from '../../crds/shape.ts';
import { archiveControllers } from '../../reconcilers/archive/controller.ts';
import { createBuildClusterController } from '../../reconcilers/buildcluster/controller.ts';
import { cleanupControllers } from '../../reconcilers/cleanup/controller.ts';
import { createPeriodicController } from '../../reconcilers/periodic/controller.ts';
import { StartBudget } from '../../reconcilers/periodic/startBudget.ts';
import { backfillIndexers, createPeriodicBackfillController } from '../../reconcilers/periodicbackfill/controller.ts';
import { createPeriodicSetController } from '../../reconcilers/periodicset/controller.ts';
import { periodicSetIndexers } from '../../reconcilers/periodicset/owned.ts';
import { createPluginConfigController } from '../../reconcilers/pluginconfig/controller.ts';
import { pluginConfigIndexers } from '../../reconcilers/pluginconfig/overlap.ts';
import { prowJobController } from '../../reconcilers/prowjob/controller.ts';
import { runSummary } from '../../reconcilers/prowjob/summary.ts';
import type { StoreFactory } from '../archive/stores.ts';
import { ConnectedClusters, type ConnectedClustersOptions } from '../clusters/connectedClusters.ts';
import type { Settings } from '../config/settings.ts';
import { podSelector } from '../jobs/labels.ts';
import { podIndexers, runKeyOfPod } from '../jobs/podOwner.ts';
import { runIndexers } from '../jobs/runIndex.ts';
import { pods, type Pod } from '../kube/builtin.ts';
import { parseKey, type KubeObject } from '../kube/objects.ts';
import type { OperatorKit } from '../runtime/operatorKit.ts';
import { showGauges } from './gauges.ts';

export interface ControllerSettings {
  /** Read anew at each pass, so that a changed file takes effect without a restart. */
  readonly settings: () => Settings;
  /** Watch only this namespace. Absent: all. */
  readonly namespace?: string;
  /** Look after the namespaces of one shard only: those for which this is true. */
  readonly owns?: (namespace: string) => boolean;
  /** How stores of results are opened. Default: by the scheme of their location. */
  readonly openStore?: StoreFactory;
}

export interface Wired {
  /** To be called when the settings have changed: what is under way is looked at again. */
  readonly settingsChanged: () => void;
}

export function setUpControllers(kit: OperatorKit, options: ControllerSettings): Wired {
  const settings = reachableSettings(options);
  const { client, events, clock, logger, metrics, manager } = kit;
  const { owns } = options;
  const scope = {
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(owns === undefined ? {} : { keep: ({ metadata }: KubeObject) => owns(metadata.namespace ?? '') }),
  };
  // A pod belongs where its run does, wherever it lies.
  const keepPod = owns === undefined ? {} : { keep: (pod: Pod) => owns(parseKey(runKeyOfPod(pod)).namespace) };
  const jobs = kit.informer(prowJobs, {
    ...scope,
    problemOf: shapeCheckOf(prowJobs.kind),
    indexers: runIndexers,
    transform: runSummary(),
    // A deleted run holds its slot for as long as its schedule cannot write that it has had it; a finished one is small.
    tombstones: { keepMs: Infinity },
  });
  const schedules = kit.informer(periodics, { ...scope, problemOf: shapeCheckOf(periodics.kind), indexers: periodicSetIndexers });
  const sets = kit.informer(periodicSets, { ...scope, problemOf: shapeCheckOf(periodicSets.kind) });
  const backfills = kit.informer(periodicBackfills, {
    ...scope,
    problemOf: shapeCheckOf(periodicBackfills.kind),
    indexers: backfillIndexers,
  });
  const plugins = kit.informer(pluginConfigs, { ...scope, problemOf: shapeCheckOf(pluginConfigs.kind), indexers: pluginConfigIndexers });
  const declared = kit.informer(buildClusters, { ...scope, problemOf: shapeCheckOf(buildClusters.kind) });
  const podCache = kit.informer(pods, { ...podScope(options), ...keepPod, labelSelector: podSelector, indexers: podIndexers });

  const access = { pods: podCache.store, writer: kit.writer(podCache), client, evidence: client };
  const common = { clock, logger, metrics, policy: settings };
  const start = settings();
  const clusters = connectClusters(kit, {
    local: access,
    declared,
    settings,
    ...(keepPod.keep === undefined ? {} : { keepPod: keepPod.keep }),
  });
  manager.addInformer(clusters);
  const runs = prowJobController({
    ...common,
    jobs: jobs.store,
    writer: kit.writer(jobs),
    clusters,
    events,
    workers: start.prowJobs.workers,
  });
  manager.addController(runs.controller);
  // What is made up for, by schedules and by backfills, shares one pace in each namespace.
  const pace = (): Settings['periodics'] => settings().periodics;
  const budget = new StartBudget(() => ({ onTime: pace().startsPerSecond, catchUp: pace().catchUpStartsPerSecond }), clock);
  manager.addController(
    createPeriodicController({
      client,
      periodics: schedules,
      prowJobs: jobs,
      events,
      workers: start.periodics.workers,
      budget,
      clock,
      logger,
      metrics,
    }),
  );
  manager.addController(
    createPeriodicBackfillController({
      client,
      periodicBackfills: backfills,
      periodics: schedules,
      prowJobs: jobs,
      events,
      workers: start.periodicBackfills.workers,
      budget,
      clock,
      logger,
      metrics,
    }),
  );
  manager.addController(
    createPeriodicSetController({
      client,
      periodicSets: sets,
      periodics: schedules,
      events,
      workers: start.periodicSets.workers,
      clock,
      logger,
      metrics,
    }),
  );
  manager.addController(
    createPluginConfigController({ client, pluginConfigs: plugins, events, workers: start.pluginConfigs.workers, clock, logger, metrics }),
  );
  manager.addController(
    createBuildClusterController({ client, buildClusters: declared, clusters, jobs: jobs.store, clock, logger, metrics }),
  );
  const cleanup = cleanupControllers({
    ...common,
    jobs: jobs.store,
    writer: kit.writer(jobs),
    client,
    periodics: schedules.store,
    backfills: backfills.store,
    clusters,
    events,
    workers: start.cleanup.workers,
    isLeading: () => manager.phase === 'leading',
    isDivided: owns !== undefined,
  });
  for (const each of cleanup.controllers) manager.addController(each);
  manager.addService({ name: 'cleanup of build clusters', leaderOnly: true, run: cleanup.cleanElsewhere });
  const archive = archiveControllers({
    ...common,
    jobs: jobs.store,
    writer: kit.writer(jobs),
    client,
    clusters,
    workers: start.archive?.workers ?? 4,
    isLeading: () => manager.phase === 'leading',
    openStore: options.openStore,
  });
  for (const each of archive.controllers) manager.addController(each);
  manager.addService({ name: 'archive', run: archive.run });
  const caches = {
    jobs: jobs.store,
    periodics: schedules.store,
    periodicSets: sets.store,
    periodicBackfills: backfills.store,
    pluginConfigs: plugins.store,
    buildClusters: declared.store,
  };
  showGauges(kit, { ...caches, clusters, admission: runs.admission }, settings);
  return {
    settingsChanged: () => {
      if (settings() !== options.settings()) {
        logger.warn('podNamespace or tenants name namespaces that this process does not watch; they take effect at the next start');
      }
      clusters.settingsChanged();
      runs.settingsChanged();
      cleanup.settingsChanged();
      archive.settingsChanged();
    },
  };
}

interface ClusterParts extends Pick<ConnectedClustersOptions, 'local' | 'declared' | 'keepPod'> {
  readonly settings: () => Settings;
}

function connectClusters(kit: OperatorKit, { settings, ...parts }: ClusterParts): ConnectedClusters {
  const { client, connect, elector, manager, clock, logger, metrics } = kit;
  return new ConnectedClusters({
    ...parts,
    client,
    connect,
    clock,
    logger,
    metrics,
    podSelector,
    podIndexers,
    workers: settings().prowJobs.workers,
    isLeading: () => manager.phase === 'leading',
    podNamespaceOf: (tenant) => {
      const { podNamespace, tenants } = settings();
      return (tenants.get(tenant)?.length ?? 0) > 0 ? undefined : (podNamespace ?? tenant);
    },
    ...(elector === undefined ? {} : { beforeWrite: elector.guard }),
  });
}

/** Pods may run outside the watched namespace when the settings say so; then they are watched wherever they are. */
function podScope({ settings, namespace }: ControllerSettings): { readonly namespace?: string } {
  return namespace === undefined || isElsewhere(settings(), namespace) ? {} : { namespace };
}

function isElsewhere({ podNamespace, tenants }: Settings, namespace: string): boolean {
  return (
    (podNamespace !== undefined && podNamespace !== namespace) || (tenants.get(namespace)?.some((other) => other !== namespace) ?? false)
  );
}

/**
 * The settings, but for a change that would send pods where this process does not look: those fields keep the values of the start,
 * because a pod that nobody watches would never end its run.
 */
function reachableSettings(options: ControllerSettings): () => Settings {
  const { namespace } = podScope(options);
  if (namespace === undefined) return options.settings;
  const { podNamespace, tenants } = options.settings();
  return () => {
    const now = options.settings();
    if (!isElsewhere(now, namespace)) return now;
    const { podNamespace: _unwatched, ...rest } = now;
    return { ...rest, tenants, ...(podNamespace === undefined ? {} : { podNamespace }) };
  };
}
