/**
 * Wires the archive: one controller that begins to follow logs, one that writes results, and what wakes them. Without an archive in the settings
 * nothing is queued, read or written.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { LogKeeper } from '../../operator/archive/logKeeper.ts';
import { Spool } from '../../operator/archive/spool.ts';
import { Stores, type StoreAccess, type StoreFactory } from '../../operator/archive/stores.ts';
import { RunUploader } from '../../operator/archive/uploader.ts';
import type { ClusterPods, Clusters } from '../../operator/clusters/clusters.ts';
import { heldUntilMs } from '../../operator/jobs/archiveHold.ts';
import type { ArchivePolicy } from '../../operator/jobs/archivePolicy.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { keyOf, parseKey, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Store } from '../../operator/runtime/store.ts';
import { showArchiveGauges } from './gauges.ts';
import { archiveMetrics } from './metrics.ts';
import { LogFollowing } from './observe.ts';
import { ArchiveReconciler, type ArchiveDeps } from './reconciler.ts';

/** What the settings say beyond what decisions need. */
export interface ArchiveMeans extends ArchivePolicy, StoreAccess {
  /** Read with the first log. */
  readonly spoolDir: string;
  readonly longestLogBytes: number;
  readonly spoolBytes: number;
  readonly mostFollows: number;
}

export interface ArchiveControllersOptions {
  readonly jobs: Store<ProwJob>;
  readonly writer: ArchiveDeps['writer'];
  readonly client: ArchiveDeps['client'];
  readonly clusters: Clusters;
  readonly policy: () => JobPolicy & { readonly archive?: ArchiveMeans };
  /** Runs whose results are written at once. Default 4. */
  readonly workers?: number;
  readonly isLeading: () => boolean;
  /** Default: by the scheme of the location. */
  readonly openStore?: StoreFactory | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ArchiveControllers {
  readonly controllers: readonly Controller[];
  /** To be called after a change of the settings: what waits is looked at again. */
  readonly settingsChanged: () => void;
  /** A service: until the signal aborts, which must be after the controllers have ended. Removes the logs from the disk then. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

const hourMs = 3_600_000;
/** A store that is away is asked again after at most so long. */
const longestBackoffMs = 5 * 60_000;

export function archiveControllers(options: ArchiveControllersOptions): ArchiveControllers {
  const { jobs, clusters, policy, clock, logger, metrics } = options;
  const means = (): ArchiveMeans | undefined => policy().archive;
  const counters = archiveMetrics(metrics);
  const spool = new Spool(
    () => means()?.spoolDir ?? '/tmp',
    () => ({
      logBytes: means()?.longestLogBytes ?? 0,
      totalBytes: means()?.spoolBytes ?? 0,
    }),
  );
  const keeper = new LogKeeper({
    spool,
    clock,
    mostFollows: () => means()?.mostFollows ?? 0,
    onEnd: (pod) => uploading.enqueue(parseKey(runKeyOfPod(pod)), { priority: 'fresh' }),
  });
  const stores = new Stores(() => means() ?? { forcePathStyle: false }, options.openStore);
  const deps = { jobs, clusters, keeper, policy };
  const reconciler = new ArchiveReconciler({
    ...deps,
    uploader: new RunUploader(stores, (bytes) => counters.bytes(bytes)),
    client: options.client,
    writer: options.writer,
    metrics: counters,
  });
  const common = { clock, logger, metrics };
  const following = new Controller({ ...common, name: 'archive-logs', reconciler: new LogFollowing(deps), workers: 4 });
  const uploading = new Controller({
    ...common,
    name: 'archive',
    reconciler,
    workers: options.workers ?? 4,
    // Gigabytes over a slow line.
    reconcileTimeoutMs: hourMs,
    queue: { baseDelayMs: 1_000, maxDelayMs: longestBackoffMs },
  });
  const concerns = (run: ProwJob): readonly ObjectKey[] => (means() !== undefined && isConcerned(run, policy()) ? [keyOf(run)] : []);
  for (const controller of [following, uploading]) {
    controller.watch({ store: jobs }, ({ type, object, previous }) => {
      // How it went with the archive is our own news.
      const isOld = type === 'updated' && previous !== undefined && isComplete(previous) && isComplete(object);
      return type === 'deleted' || isOld ? [] : concerns(object);
    });
    watchPods(controller, clusters, (key) => {
      const run = means() === undefined ? undefined : jobs.get(key);
      return run === undefined ? [] : concerns(run);
    });
  }
  jobs.subscribe(({ type, object }) => {
    if (type === 'deleted')
      void reconciler
        .forget(object.metadata.uid ?? '')
        .catch((error: unknown) => logger.debug('A spooled log could not be removed', { error }));
  });
  clusters.subscribe((change) => {
    if (change.type === 'changed') keeper.wakeAll();
  });
  showArchiveGauges({ metrics, jobs, policy, keeper, spool, clock, isLeading: options.isLeading });
  return {
    controllers: [following, uploading],
    settingsChanged: () => {
      for (const run of jobs.list())
        for (const key of concerns(run)) for (const each of [following, uploading]) each.enqueue(key, { priority: 'resync' });
    },
    run: async (signal) => {
      await aborted(signal);
      await keeper.close();
      await stores.close();
    },
  };
}

/** Unfinished, or finished and not safe. */
const isConcerned = (run: ProwJob, policy: JobPolicy): boolean => !isComplete(run) || heldUntilMs(run, policy) !== undefined;

function watchPods(controller: Controller, clusters: Clusters, keysOf: (run: ObjectKey) => readonly ObjectKey[]): void {
  const ends = new Map<ClusterPods, () => void>();
  const begin = (cluster: ClusterPods): void => {
    ends.set(
      cluster,
      controller.watch({ store: cluster.store }, ({ object }) => keysOf(parseKey(runKeyOfPod(object)))),
    );
  };
  for (const cluster of clusters.caches()) begin(cluster);
  clusters.subscribe((change) => {
    if (change.type === 'added') begin(change.pods);
    if (change.type !== 'removed') return;
    ends.get(change.pods)?.();
    ends.delete(change.pods);
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
