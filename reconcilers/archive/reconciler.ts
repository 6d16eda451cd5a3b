/**
 * Keeps the results of a run: tells viewers when it begins, and writes log and records when it has ended. The condition Archived says how that went;
 * it is written after the objects, so a crash anywhere leads to the same objects written again. A run costs one more read and one more status
 * patch; a failure costs one patch for as long as it fails in the same way, and a store that fails one line of the log (StoreNews).
 */
import { prowJobs } from '../../crds/resources.ts';
import { bucketUrl } from '../../crds/storageLocation.ts';
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import type { LogKeeper } from '../../operator/archive/logKeeper.ts';
import type { RunUploader, Uploaded } from '../../operator/archive/uploader.ts';
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import { destinationOf } from '../../operator/jobs/archiveDestination.ts';
import { archivedCondition, isArchiveSettled, type ArchivedReason } from '../../operator/jobs/archiveHold.ts';
import { LayoutError } from '../../operator/jobs/archiveLayout.ts';
import type { ArchivePolicy } from '../../operator/jobs/archivePolicy.ts';
import type { Event, Pod } from '../../operator/kube/builtin.ts';
import type { CallOptions } from '../../operator/kube/client.ts';
import { isConflict, isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { findCondition, setCondition } from '../../operator/runtime/conditions.ts';
import { ReconcileError, messageOf } from '../../operator/runtime/errors.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import { decide } from './decide.ts';
import type { ArchiveMetrics } from './metrics.ts';
import { observe, type ObserveDeps } from './observe.ts';
import { StoreNews } from './storeNews.ts';

export interface ConditionWriter {
  patchStatus(key: ObjectKey, body: { readonly status: object; readonly metadata?: object }, options?: CallOptions): Promise<ProwJob>;
}

export interface ArchiveDeps extends ObserveDeps {
  readonly keeper: LogKeeper;
  readonly uploader: RunUploader;
  /** Reads runs as they are: the cache has summaries. */
  readonly client: { get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T> };
  readonly writer: ConditionWriter;
  readonly metrics: ArchiveMetrics;
}

/** The older form of Events, which can be asked for by the uid of a pod. */
const coreEvents: ResourceType<Event> = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
const mostEvents = 500;
/** A status write may meet others' writes so often. */
const mostWrites = 3;
/** What takes a while to upload is announced. */
const longUploadBytes = 64 * 1024 * 1024;

interface Pass {
  readonly run: ProwJob;
  readonly policy: ArchivePolicy;
  readonly access: PodAccess | undefined;
  readonly ctx: ReconcileContext;
}

export class ArchiveReconciler implements Reconciler {
  readonly #deps: ArchiveDeps;
  /** Run → the build that viewers were told of. Spares the store; telling again would do no harm. */
  readonly #announced = new Map<string, string>();
  readonly #news = new StoreNews();

  constructor(deps: ArchiveDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const { jobs, keeper, policy } = this.#deps;
    const run = jobs.get(key);
    if (run === undefined) return {};
    const { access, hasLivePod } = observe(run, this.#deps);
    const uid = run.metadata.uid ?? '';
    const { archive } = policy();
    const decision = decide({
      run,
      policy: archive,
      hasStarted: keeper.podsOf(uid).some(({ logs }) => logs.length > 0),
      logsAreDone: keeper.isDone(uid) && !hasLivePod,
      isConnected: access !== undefined,
      nowMs: ctx.clock.now(),
    });
    if (archive === undefined || decision.do === 'forget') {
      await this.forget(uid);
      return {};
    }
    const pass: Pass = { run, policy: archive, access, ctx };
    switch (decision.do) {
      case 'nothing':
        return {};
      case 'announce':
        await this.#announce(pass, decision.attempt);
        return {};
      case 'wait':
        return { requeueAfterMs: decision.afterMs };
      case 'upload':
        await this.#upload(pass);
        return {};
      case 'giveUp':
        await this.#giveUp(pass);
        return {};
    }
  }

  /** Nothing of this run is needed any more. */
  async forget(runUid: string): Promise<void> {
    this.#announced.delete(runUid);
    this.#news.forget(runUid);
    await this.#deps.keeper.release(runUid);
  }

  async #announce(pass: Pass, attempt: Attempt): Promise<void> {
    const { run, policy, ctx } = pass;
    const uid = run.metadata.uid ?? '';
    if (this.#announced.get(uid) === attempt.build_id) return;
    try {
      await this.#deps.uploader.started(run, attempt, policy, ctx.signal);
    } catch (error) {
      ctx.signal.throwIfAborted();
      // A run without a place is told so at its end.
      if (!(error instanceof LayoutError)) throw this.#failure(pass, error);
    }
    this.#announced.set(uid, attempt.build_id);
  }

  async #upload(pass: Pass): Promise<void> {
    const { run, ctx } = pass;
    const uid = run.metadata.uid ?? '';
    const live = await this.#liveRun(run, ctx.signal);
    if (live === undefined || isArchiveSettled(live)) return this.forget(uid);
    await this.#deps.keeper.stop(uid);
    let told = live;
    if (this.#bytesOf(uid) > longUploadBytes) {
      told = await this.#write(live, 'Uploading', `${this.#bytesOf(uid)} bytes of log are being written.`, pass);
    }
    let uploaded: Uploaded;
    try {
      const evidence = { pods: this.#deps.keeper.podsOf(uid), eventsOf: (pod: Pod) => this.#eventsOf(pod, pass) };
      uploaded = await this.#deps.uploader.finished(live, evidence, pass.policy, ctx.signal);
    } catch (error) {
      await this.#failed(pass, error);
      return;
    }
    this.#news.worked(storeOf(pass), ctx.logger);
    const remarks = uploaded.remarks.map((remark) => ` ${remark}`).join('');
    await this.#write(told, 'Uploaded', `Log and results are in ${uploaded.address}.${remarks}`, pass);
    this.#deps.metrics.ended('uploaded');
    if (uploaded.isIncomplete) this.#deps.metrics.incomplete();
    await this.forget(uid);
  }

  async #failed(pass: Pass, error: unknown): Promise<void> {
    pass.ctx.signal.throwIfAborted();
    const live = await this.#liveRun(pass.run, pass.ctx.signal);
    if (live === undefined) return;
    if (error instanceof LayoutError) {
      await this.#write(live, 'GivenUp', `The results cannot be kept: ${error.message}.`, pass);
      pass.ctx.logger.warn('The results of a run cannot be kept', { error: error.message });
      this.#deps.metrics.ended('given_up');
      return this.forget(pass.run.metadata.uid ?? '');
    }
    this.#deps.metrics.ended('failed');
    const failure = this.#failure(pass, error);
    await this.#write(live, 'Failed', `The results could not be written and will be tried again: ${messageOf(error)}`, pass);
    throw failure;
  }

  /** Tells of a try that failed, where that is news. The answer makes the controller try again, and need not be told, too. */
  #failure(pass: Pass, error: unknown): ReconcileError {
    const { metadata } = pass.run;
    this.#news.failed({ store: storeOf(pass), runUid: metadata.uid ?? '', error, logger: pass.ctx.logger });
    const message = `The results of ProwJob ${metadata.name} could not be written: ${messageOf(error)}`;
    return new ReconcileError(message, { code: 'ArchiveFailed', cause: error, isTold: true });
  }

  async #giveUp(pass: Pass): Promise<void> {
    const live = await this.#liveRun(pass.run, pass.ctx.signal);
    if (live !== undefined && !isArchiveSettled(live)) {
      const last = findCondition(live.status?.conditions, archivedCondition)?.message ?? '';
      await this.#write(live, 'GivenUp', `The time to write the results is over. ${last}`.trim(), pass);
      this.#deps.metrics.ended('given_up');
    }
    await this.forget(pass.run.metadata.uid ?? '');
  }

  /** The one place that writes. Returns the run as it is then. Nothing is sent when the condition says so already. */
  async #write(live: ProwJob, reason: ArchivedReason, message: string, { ctx }: Pass): Promise<ProwJob> {
    const input = { type: archivedCondition, status: reason === 'Uploaded' ? 'True' : 'False', reason, message } as const;
    let current: ProwJob | undefined = live;
    for (let left = mostWrites; current !== undefined; left--) {
      const before: NonNullable<ProwJob['status']>['conditions'] = current.status?.conditions;
      const conditions = setCondition(before, input, ctx.clock.now());
      if (conditions === before) return current;
      try {
        const body = { metadata: { resourceVersion: current.metadata.resourceVersion }, status: { conditions } };
        return await this.#deps.writer.patchStatus(keyOf(current), body, { signal: ctx.signal });
      } catch (error) {
        if (isNotFound(error)) return current;
        if (!isConflict(error) || left <= 1) throw error;
      }
      current = await this.#liveRun(live, ctx.signal);
    }
    return live;
  }

  /** Undefined when this very run does not exist any more. */
  async #liveRun(run: ProwJob, signal: AbortSignal): Promise<ProwJob | undefined> {
    try {
      const live = await this.#deps.client.get(prowJobs, keyOf(run), { signal });
      return live.metadata.uid === run.metadata.uid ? live : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #eventsOf({ metadata }: Pod, { access, ctx }: Pass): Promise<readonly object[]> {
    const query = { namespace: metadata.namespace ?? '', fieldSelector: `involvedObject.uid=${metadata.uid ?? ''}`, limit: mostEvents };
    try {
      return (await access?.evidence?.list(coreEvents, { ...query, signal: ctx.signal }))?.items ?? [];
    } catch (error) {
      ctx.signal.throwIfAborted();
      ctx.logger.debug('The Events of a pod cannot be read; podinfo.json goes without them', { error: messageOf(error) });
      return [];
    }
  }

  #bytesOf(runUid: string): number {
    return this.#deps.keeper.podsOf(runUid).reduce((sum, { logs }) => logs.reduce((part, { log }) => part + log.keptBytes, sum), 0);
  }
}

const storeOf = ({ run, policy }: Pass): string => bucketUrl(destinationOf(run.spec, policy).location);
