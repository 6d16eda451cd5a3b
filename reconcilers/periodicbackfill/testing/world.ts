/**
 * A tiny API server for one PeriodicBackfill, its Periodic and its runs, with a plug that can be pulled at any write: before it arrives, or
 * after it was carried out and before the answer. Each "process" has caches of its own; what a cache shows of the runs can lag behind.
 */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { PeriodicBackfill, PeriodicBackfillStatus } from '../../../crds/v1/periodicBackfill.ts';
import type { ProwJob, ProwJobState } from '../../../crds/v1/prowJob.ts';
import { runIndexers } from '../../../operator/jobs/runIndex.ts';
import { isComplete } from '../../../operator/jobs/runState.ts';
import { ApiError, TransportError } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import { formatTime } from '../../../operator/runtime/clock.ts';
import { silentLogger } from '../../../operator/runtime/logger.ts';
import { Metrics } from '../../../operator/runtime/metrics.ts';
import type { Result } from '../../../operator/runtime/reconciler.ts';
import { Store } from '../../../operator/runtime/store.ts';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { BackfillReconciler } from '../reconciler.ts';

export interface Plug {
  readonly atWrite: number;
  readonly when: 'before' | 'after';
}

interface Process {
  readonly reconciler: BackfillReconciler;
  readonly backfills: Store<PeriodicBackfill>;
  readonly periodics: Store<Periodic>;
  readonly runs: Store<ProwJob>;
}

export class World {
  readonly clock: FakeClock;
  /** Every creation that the server carried out. */
  readonly created: string[] = [];
  readonly patches: Partial<PeriodicBackfillStatus>[] = [];
  readonly events: string[] = [];
  readonly runs = new Map<string, ProwJob>();
  /** The greatest number of runs that had not ended at once. */
  busiest = 0;
  backfill: PeriodicBackfill;
  periodic: Periodic | undefined;
  /** How long the next start has to wait for its turn. */
  turnInMs = 0;
  /** Answers the next creations instead of the server. */
  refuse: ApiError | TransportError | undefined;
  readonly metrics = new Metrics();
  #process: Process;
  #version = 1;
  #uid = 0;
  #plug: Plug | undefined;
  #writes = 0;

  constructor(backfill: PeriodicBackfill, periodic: Periodic | undefined, now: string) {
    this.backfill = backfill;
    this.periodic = periodic;
    this.clock = new FakeClock(Date.parse(now));
    this.#process = this.#boot(this.metrics);
  }

  /** A new process: nothing is remembered but what the server holds. `blind`: its cache does not show any run yet. */
  restart(blind = false): void {
    this.#process = this.#boot(new Metrics(), blind);
  }

  pull(plug: Plug): void {
    this.#plug = plug;
    this.#writes = 0;
  }

  /** One pass; as many as a requeue at once asks for. */
  async reconcile(): Promise<Result> {
    const ctx = { signal: new AbortController().signal, logger: silentLogger, clock: this.clock };
    for (;;) {
      const result = await this.#process.reconciler.reconcile(keyOf(this.backfill), ctx);
      if (result.requeueAfterMs !== 0) return result;
    }
  }

  get status(): PeriodicBackfillStatus {
    return this.backfill.status ?? {};
  }

  condition(type: string): string | undefined {
    const found = this.status.conditions?.find((condition) => condition.type === type);
    return found === undefined ? undefined : `${found.status} ${found.reason}`;
  }

  get active(): readonly string[] {
    return [...this.runs.values()].filter((run) => !isComplete(run)).map(({ metadata }) => metadata.name);
  }

  edit(spec: Partial<PeriodicBackfill['spec']>): void {
    const { metadata } = this.backfill;
    this.backfill = {
      ...this.backfill,
      metadata: { ...metadata, generation: (metadata.generation ?? 1) + 1, resourceVersion: this.#next() },
      spec: { ...this.backfill.spec, ...spec },
    };
    this.#process.backfills.apply({ type: 'MODIFIED', object: this.backfill });
  }

  setPeriodic(periodic: Periodic | undefined): void {
    const before = this.periodic;
    this.periodic = periodic === undefined ? undefined : { ...periodic, metadata: { ...periodic.metadata, resourceVersion: this.#next() } };
    const { periodics } = this.#process;
    if (this.periodic !== undefined) periodics.apply({ type: 'MODIFIED', object: this.periodic });
    else if (before !== undefined) {
      periodics.apply({ type: 'DELETED', object: { ...before, metadata: { ...before.metadata, resourceVersion: this.#next() } } });
    }
  }

  finish(name: string, state: ProwJobState = 'success'): void {
    const run = this.#run(name);
    const status = { state, completionTime: formatTime(this.clock.now()) };
    this.#show('MODIFIED', { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() }, status });
  }

  remove(name: string): void {
    const run = this.#run(name);
    this.#show('DELETED', { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() } });
  }

  /** A run that is there although this backfill has not created it. */
  add(run: ProwJob): void {
    this.#show('ADDED', { ...run, metadata: { ...run.metadata, resourceVersion: this.#next() } });
  }

  #run(name: string): ProwJob {
    const run = this.runs.get(name);
    if (run === undefined) throw new Error(`there is no run ${name}`);
    return run;
  }

  #show(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: ProwJob): void {
    if (type === 'DELETED') this.runs.delete(object.metadata.name);
    else this.runs.set(object.metadata.name, object);
    this.#process.runs.apply({ type, object });
  }

  #boot(metrics: Metrics, blind = false): Process {
    const backfills = new Store<PeriodicBackfill>();
    const periodics = new Store<Periodic>();
    const runs = new Store<ProwJob>({ indexers: runIndexers });
    const version = String(this.#version);
    backfills.replace([this.backfill], version);
    periodics.replace(this.periodic === undefined ? [] : [this.periodic], version);
    runs.replace(blind ? [] : [...this.runs.values()], blind ? '0' : version);
    const reconciler = new BackfillReconciler({
      backfills,
      periodics,
      runs,
      metrics,
      budget: { take: () => this.turnInMs },
      events: { event: (_object, type, reason) => void this.events.push(`${type} ${reason}`) },
      runWriter: {
        create: async (run) => {
          const stored = await this.#write(() => this.#create(run));
          runs.record(stored);
          return stored;
        },
        noticed: (run) => runs.record(run),
      },
      backfillWriter: {
        patchStatus: async (_key: ObjectKey, body) => {
          await this.#write(() => this.#patch(body));
          backfills.record(this.backfill);
        },
      },
      api: {
        get: (_type, key) => {
          const run = this.runs.get(key.name);
          return run === undefined ? Promise.reject(failure(404, 'NotFound')) : Promise.resolve(run);
        },
      },
    });
    return { reconciler, backfills, periodics, runs };
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
    const creationTimestamp = formatTime(this.clock.now());
    const metadata = { ...run.metadata, uid: `run-${++this.#uid}`, creationTimestamp, resourceVersion: this.#next() };
    const stored: ProwJob = { ...run, metadata, status: { state: 'triggered' } };
    this.created.push(name);
    this.runs.set(name, stored);
    this.busiest = Math.max(this.busiest, this.active.length);
    return stored;
  }

  #patch(body: { readonly status: object; readonly metadata?: object }): void {
    const { resourceVersion } = (body.metadata ?? {}) as { readonly resourceVersion?: string };
    if (resourceVersion !== undefined && resourceVersion !== this.backfill.metadata.resourceVersion) throw failure(409, 'Conflict');
    this.patches.push(body.status);
    const fields: Record<string, unknown> = { ...this.status, ...body.status };
    this.backfill = {
      ...this.backfill,
      metadata: { ...this.backfill.metadata, resourceVersion: this.#next() },
      status: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)),
    };
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

export const failure = (code: number, reason: string, message = reason): ApiError =>
  new ApiError('the test asked', { code, reason, message }, code);
