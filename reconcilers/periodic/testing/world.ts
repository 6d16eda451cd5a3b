/**
 * A tiny API server for one Periodic and its runs, with a plug that can be pulled at any write: before it arrives, or after it was
 * carried out and before the answer. Each "process" has caches of its own, filled from the server when it starts.
 */
import type { Periodic, PeriodicStatus } from '../../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobState } from '../../../crds/v1/prowJob.ts';
import { ApiError, TransportError } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import { formatTime } from '../../../operator/runtime/clock.ts';
import { Metrics } from '../../../operator/runtime/metrics.ts';
import type { ReconcileContext, Result } from '../../../operator/runtime/reconciler.ts';
import { Store } from '../../../operator/runtime/store.ts';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../../../operator/runtime/testing/recordingLogger.ts';
import { PeriodicReconciler } from '../reconciler.ts';
import { StartBudget, type StartRates } from '../startBudget.ts';
import { slotOfRun } from '../../../operator/jobs/periodicRun.ts';
import { runIndexers } from '../../../operator/jobs/runIndex.ts';

interface AbortBody {
  readonly metadata: { readonly uid?: string };
  readonly spec: Pick<ProwJob['spec'], 'abort'>;
}

export type Plug = { readonly atWrite: number; readonly when: 'before' | 'after' };

interface Process {
  readonly reconciler: PeriodicReconciler;
  readonly periodics: Store<Periodic>;
  readonly runs: Store<ProwJob>;
}

export class World {
  readonly clock: FakeClock;
  /** Every creation that the server carried out. */
  readonly created: string[] = [];
  /** What status said of slots that started no run, one entry for each time it said so. */
  readonly idle: { readonly slotMs: number; readonly reason: string }[] = [];
  /** The same, as it was created. */
  readonly createdRuns: ProwJob[] = [];
  /** How many more there were than status shows. */
  idleUnshown = 0;
  /** Every run that was asked to end. */
  readonly aborted: string[] = [];
  rates: StartRates = { onTime: 0, catchUp: 0 };
  /** That of the process that works now. */
  budget: StartBudget;
  /** Every status write that the server carried out. */
  readonly patches: Partial<PeriodicStatus>[] = [];
  readonly events: string[] = [];
  readonly logger = new RecordingLogger();
  readonly runs = new Map<string, ProwJob>();
  periodic: Periodic;
  /** Answers the next creations instead of the server. */
  refuse: ApiError | TransportError | undefined;
  /** Answers reads instead of the server. */
  refuseReads: ApiError | undefined;
  reads = 0;
  metrics = new Metrics();
  #version = 1;
  #uid = 0;
  #plug: Plug | undefined;
  #writes = 0;
  #process: Process;

  constructor(periodic: Periodic, now: string) {
    this.periodic = periodic;
    this.clock = new FakeClock(Date.parse(now));
    this.budget = new StartBudget(() => this.rates, this.clock);
    this.#process = this.#boot();
  }

  /** A new process: nothing is remembered but what the server holds. */
  restart(): void {
    this.budget = new StartBudget(() => this.rates, this.clock);
    this.#process = this.#boot();
  }

  pull(plug: Plug): void {
    this.#plug = plug;
    this.#writes = 0;
  }

  /** Another process that works at the same time, with caches of its own; the answer makes one pass. */
  secondProcess(): () => Promise<Result> {
    const { reconciler } = this.#boot();
    return () => reconciler.reconcile(keyOf(this.periodic), this.#context());
  }

  /** One pass; as many as a requeue at once asks for. */
  async reconcile(): Promise<Result> {
    for (;;) {
      const result = await this.#process.reconciler.reconcile(keyOf(this.periodic), this.#context());
      if (result.requeueAfterMs !== 0) return result;
    }
  }

  #context(): ReconcileContext {
    return { signal: new AbortController().signal, logger: this.logger, clock: this.clock };
  }

  get status(): PeriodicStatus {
    return this.periodic.status ?? {};
  }

  /** What a user changes. */
  edit(change: (periodic: Periodic) => Periodic): void {
    const changed = change(this.periodic);
    const generation = (changed.metadata.generation ?? 1) + Number(changed.spec !== this.periodic.spec);
    this.#store({ ...changed, metadata: { ...changed.metadata, generation } });
  }

  finish(name: string, state: ProwJobState = 'success'): void {
    const run = this.runs.get(name);
    if (run === undefined) throw new Error(`there is no run ${name}`);
    const ended = { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() }, status: { state, completionTime: this.#now() } };
    this.runs.set(name, ended);
    this.#process.runs.apply({ type: 'MODIFIED', object: ended });
  }

  remove(name: string): void {
    const run = this.runs.get(name);
    if (run === undefined) throw new Error(`there is no run ${name}`);
    this.runs.delete(name);
    this.#process.runs.apply({ type: 'DELETED', object: { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() } } });
  }

  /** A run that is there although this Periodic has not created it. */
  add(run: ProwJob, visible: boolean): void {
    const stored = { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() } };
    this.runs.set(run.metadata.name, stored);
    if (visible) this.#process.runs.apply({ type: 'ADDED', object: stored });
  }

  condition(type: string): string | undefined {
    const found = this.status.conditions?.find((condition) => condition.type === type);
    return found === undefined ? undefined : `${found.status} ${found.reason}`;
  }

  #boot(): Process {
    const periodics = new Store<Periodic>();
    const runs = new Store<ProwJob>({ indexers: runIndexers });
    periodics.replace([this.periodic], String(this.#version));
    runs.replace([...this.runs.values()], String(this.#version));
    const reconciler = new PeriodicReconciler({
      periodics,
      runs,
      metrics: this.metrics,
      events: { event: (_object, type, reason, note) => void this.events.push(`${type} ${reason} ${note}`) },
      runWriter: {
        create: async (run) => {
          const stored = await this.#write(() => this.#create(run));
          runs.record(stored);
          return stored;
        },
        noticed: (run) => runs.record(run),
        patch: async (key, patch) => {
          const stored = await this.#write(() => this.#abort(key.name, patch.body as AbortBody));
          runs.record(stored);
          return stored;
        },
      },
      budget: this.budget,
      periodicWriter: {
        patchStatus: async (_key: ObjectKey, body) => {
          await this.#write(() => this.#patch(body));
          periodics.record(this.periodic);
        },
      },
      reread: () => {
        this.reads += 1;
        if (this.refuseReads !== undefined) return Promise.reject(this.refuseReads);
        periodics.record(this.periodic);
        return Promise.resolve();
      },
      api: {
        get: (_type, key) => {
          this.reads += 1;
          if (this.refuseReads !== undefined) return Promise.reject(this.refuseReads);
          const run = this.runs.get(key.name);
          return run === undefined ? Promise.reject(failure(404, 'NotFound')) : Promise.resolve(run);
        },
      },
    });
    return { reconciler, periodics, runs };
  }

  async #write<T>(carryOut: () => T): Promise<T> {
    await Promise.resolve();
    this.#writes += 1;
    const pulled = this.#plug?.atWrite === this.#writes ? this.#plug.when : undefined;
    if (pulled === 'before') throw new TransportError('reset', 'the plug was pulled before the write');
    const result = carryOut();
    if (pulled === 'after') throw new TransportError('reset', 'the plug was pulled after the write');
    return result;
  }

  #create(run: ProwJob): ProwJob {
    if (this.refuse !== undefined) throw this.refuse;
    const { name } = run.metadata;
    if (this.runs.has(name)) throw failure(409, 'AlreadyExists');
    const metadata = { ...run.metadata, uid: `run-${++this.#uid}`, creationTimestamp: this.#now(), resourceVersion: this.#next() };
    const stored: ProwJob = { ...run, metadata, status: { state: 'triggered' } };
    this.created.push(name);
    this.createdRuns.push(stored);
    const slotMs = slotOfRun(stored);
    if (slotMs !== undefined && slotMs > this.clock.now()) throw new Error(`the run of ${name} was created before its slot`);
    this.runs.set(name, stored);
    return stored;
  }

  #abort(name: string, { metadata, spec }: AbortBody): ProwJob {
    const run = this.runs.get(name);
    if (run === undefined || run.metadata.uid !== metadata.uid) throw failure(404, 'NotFound');
    if (run.spec.abort !== undefined) throw failure(422, 'Invalid', 'spec.abort: an abort cannot be changed or taken back');
    this.aborted.push(name);
    const stored = { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() }, spec: { ...run.spec, ...spec } };
    this.runs.set(name, stored);
    return stored;
  }

  #patch(body: { readonly status: object; readonly metadata?: object }): void {
    const { resourceVersion } = (body.metadata ?? {}) as { readonly resourceVersion?: string };
    if (resourceVersion !== undefined && resourceVersion !== this.periodic.metadata.resourceVersion) throw failure(409, 'Conflict');
    this.patches.push(body.status);
    this.#note('skipped', body.status);
    this.#note('missed', body.status);
    const fields: Record<string, unknown> = { ...this.status, ...body.status };
    const merged = Object.entries(fields).filter(([, value]) => value !== null);
    this.periodic = {
      ...this.periodic,
      metadata: { ...this.periodic.metadata, resourceVersion: this.#next() },
      status: Object.fromEntries(merged),
    };
  }

  /** The slots that this write adds to a list. Status shows ten of them. */
  #note(list: 'skipped' | 'missed', status: Partial<PeriodicStatus>): void {
    const added = (status[list]?.count ?? this.status[list]?.count ?? 0) - (this.status[list]?.count ?? 0);
    const shown = added === 0 ? [] : (status[list]?.last ?? []).slice(-added);
    this.idleUnshown += added - shown.length;
    for (const { slot, reason } of shown) this.idle.push({ slotMs: Date.parse(slot), reason });
  }

  #store(periodic: Periodic): void {
    this.periodic = { ...periodic, metadata: { ...periodic.metadata, resourceVersion: this.#next() } };
    this.#process.periodics.apply({ type: 'MODIFIED', object: this.periodic });
  }

  #now(): string {
    return formatTime(this.clock.now());
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

export const failure = (code: number, reason: string, message = reason): ApiError =>
  new ApiError('the test asked', { code, reason, message }, code);
