/**
 * Decides which waiting run starts next. One ledger of who holds a slot, fed by the caches (own writes included), and one queue per
 * job. A slot is granted in the same synchronous step in which it becomes free, so limits are exact in one process, whoever reconciles
 * first; only the leader runs it. After each change no run waits that could start, and nothing is polled.
 *
 * A run holds its slot from the grant until it is complete and none of its pods can still run. A pod that somebody else holds back in
 * deletion therefore keeps its slot: a limit counts what runs, not what we have finished with.
 */
import type { Pod } from '../../operator/kube/builtin.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { parseKey } from '../../operator/kube/objects.ts';
import type { ProwJob, WaitReason } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { ProwJobPolicy } from '../../operator/jobs/policy.ts';
import { createdMsOf, isAbortRequested, isComplete, isOurs, statusOf } from '../../operator/jobs/runState.ts';
import type { StartRank } from '../../operator/jobs/startOrder.ts';
import { RankHeap } from './rankHeap.ts';

export type Limits = Pick<ProwJobPolicy, 'maxConcurrency' | 'queueCapacities'>;

export type AdmissionVerdict =
  { readonly admitted: true } | { readonly admitted: false; readonly reason: WaitReason; readonly message: string };

/** A change of a cache, as Store reports it. */
export interface Seen<T> {
  readonly type: 'added' | 'updated' | 'deleted';
  readonly object: T;
}

interface Entry extends StartRank {
  readonly key: ObjectKey;
  readonly lane: Lane;
  /** spec.max_concurrency; 0 = no limit. */
  readonly limit: number;
  readonly livePods: Set<string>;
  /** Known from a pod only: what the run wants is a guess. */
  readonly provisional: boolean;
  /** May be granted a slot. */
  waiting: boolean;
  /** Is in the heap of its lane; it may have stopped waiting since. */
  queued: boolean;
  /** It has told us that it cannot start now for a reason of its own. */
  standsBack: boolean;
  granted: boolean;
  pending: boolean;
  holding: boolean;
}

/** Runs that compete for the same slots: one job of one namespace in one queue. Only its best run needs to be looked at. */
interface Lane extends Group {
  readonly job: Pool;
  readonly queue: Pool | undefined;
  readonly waiting: RankHeap<Entry>;
}

interface Group {
  readonly name: string;
  /** Entries; without any the group is forgotten. */
  size: number;
}

/** Slots that are counted together, and the lanes that want them. */
interface Pool extends Group {
  holders: number;
  readonly lanes: Set<Lane>;
}

export interface AdmissionOptions {
  /** Read at each decision, so that changed settings hold at once; call refresh() to wake who may start now. */
  readonly limits: () => Limits;
  /** Called for a run that was refused and may start now. */
  readonly wake: (key: ObjectKey) => void;
}

export class Admission {
  readonly #limits: () => Limits;
  readonly #wake: (key: ObjectKey) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #jobs = new Map<string, Pool>();
  readonly #queues = new Map<string, Pool>();
  readonly #lanes = new Map<string, Lane>();
  #holders = 0;
  #waiting = 0;
  #isOpen = false;

  constructor(options: AdmissionOptions) {
    this.#limits = options.limits;
    this.#wake = options.wake;
  }

  /** Runs that would start if the limits let them. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs that hold a slot. */
  get holding(): number {
    return this.#holders;
  }

  /**
   * Begins to grant slots. Until then the ledger only learns: a follower must not hand out what the leader gives to others, and the
   * order in which a first list arrives must not matter. Called again, it does nothing.
   */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.refresh();
  }

  onJob({ type, object }: Seen<ProwJob>): void {
    const uid = object.metadata.uid ?? '';
    const gone = type === 'deleted' || !isOurs(object) || isComplete(object);
    const known = this.#entries.get(uid);
    if (gone && known === undefined) return;
    const entry = known === undefined || (known.provisional && !gone) ? this.#adopt(object, known) : known;
    entry.pending = !gone && statusOf(object).state === 'pending';
    const starts = !gone && statusOf(object).state === 'triggered' && !isAbortRequested(object);
    if (!starts) {
      entry.granted = false;
      entry.standsBack = false;
    }
    this.#setWaiting(entry, starts && !entry.standsBack && !entry.granted);
    this.#settle(entry);
  }

  onPod({ type, object }: Seen<Pod>): void {
    const uid = object.metadata.labels?.[label.runUid];
    if (uid === undefined) return;
    const live = type !== 'deleted' && !isPodFinished(object);
    const known = this.#entries.get(uid);
    if (!live && known === undefined) return;
    const entry = known ?? this.#add(podEntry(object, uid), true);
    const podId = object.metadata.uid ?? object.metadata.name;
    if (live) entry.livePods.add(podId);
    else entry.livePods.delete(podId);
    this.#settle(entry);
  }

  /** Asks for a slot. Once admitted, a run stays admitted until it is complete, deleted, aborted or stands back. */
  request(run: ProwJob): AdmissionVerdict {
    const uid = run.metadata.uid ?? '';
    const entry = this.#entries.get(uid) ?? this.#adopt(run);
    entry.standsBack = false;
    if (!isAdmitted(entry)) {
      this.#setWaiting(entry, true);
      this.#dispatch([entry.lane], entry);
    }
    return isAdmitted(entry) ? { admitted: true } : this.#refusal(entry);
  }

  /** The run cannot start for a reason of its own: whoever is next may. */
  standBack(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    entry.standsBack = true;
    entry.granted = false;
    this.#setWaiting(entry, false);
    this.#settle(entry);
  }

  /** Grants what the limits allow now. For changed settings. */
  refresh(): void {
    this.#dispatch(this.#lanes.values());
  }

  /** An entry for this run, with the pods that were known before it. */
  #adopt(run: ProwJob, provisional?: Entry): Entry {
    const livePods = provisional?.livePods ?? new Set<string>();
    if (provisional !== undefined) this.#forget(provisional);
    const entry = this.#add({ ...rankOf(run), key: keyOf(run), ...wantsOf(run) }, false, livePods);
    this.#setHolding(entry, livePods.size > 0);
    return entry;
  }

  #add({ job, queue, ...wants }: Wants, provisional: boolean, livePods = new Set<string>()): Entry {
    const lane = this.#lane(`${wants.key.namespace}/${job}`, queue);
    const flags = { waiting: false, queued: false, standsBack: false, granted: false, pending: false, holding: false };
    const entry: Entry = { ...wants, provisional, lane, livePods, ...flags };
    for (const group of groupsOf(lane)) group.size += 1;
    this.#entries.set(wants.uid, entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#setHolding(entry, false);
    this.#entries.delete(entry.uid);
    const { lane } = entry;
    for (const group of groupsOf(lane)) group.size -= 1;
    if (lane.size > 0) return;
    this.#lanes.delete(lane.name);
    for (const [pool, pools] of [[lane.job, this.#jobs] as const, [lane.queue, this.#queues] as const]) {
      pool?.lanes.delete(lane);
      if (pool?.size === 0) pools.delete(pool.name);
    }
  }

  #lane(job: string, queue: string): Lane {
    const name = JSON.stringify([job, queue]);
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane: Lane = {
      name,
      size: 0,
      job: poolOf(this.#jobs, job),
      queue: queue === '' ? undefined : poolOf(this.#queues, queue),
      waiting: new RankHeap<Entry>(),
    };
    lane.job.lanes.add(lane);
    lane.queue?.lanes.add(lane);
    this.#lanes.set(name, lane);
    return lane;
  }

  #setWaiting(entry: Entry, waiting: boolean): void {
    if (entry.waiting === waiting) return;
    entry.waiting = waiting;
    this.#waiting += waiting ? 1 : -1;
    if (!waiting || entry.queued) return;
    entry.queued = true;
    entry.lane.waiting.push(entry);
  }

  /** Brings the counts in line with the entry, and hands on what it gave up. */
  #settle(entry: Entry): void {
    const holding = entry.granted || entry.pending || entry.livePods.size > 0;
    const freed = entry.holding && !holding;
    this.#setHolding(entry, holding);
    if (!holding && !entry.waiting && !entry.standsBack) this.#forget(entry);
    if (freed) this.#dispatch(this.#competitors(entry.lane));
    else if (entry.waiting) this.#dispatch([entry.lane]);
  }

  #setHolding(entry: Entry, holding: boolean): void {
    if (entry.holding === holding) return;
    entry.holding = holding;
    const step = holding ? 1 : -1;
    this.#holders += step;
    entry.lane.job.holders += step;
    if (entry.lane.queue !== undefined) entry.lane.queue.holders += step;
  }

  /** Who might want a slot that this lane gave up. */
  #competitors(lane: Lane): Iterable<Lane> {
    if (this.#limits().maxConcurrency > 0) return this.#lanes.values();
    return lane.queue === undefined ? lane.job.lanes : new Set([...lane.job.lanes, ...lane.queue.lanes]);
  }

  /**
   * Grants slots, best run first, until none of these lanes has a run that fits. A lane whose best run is blocked is out: slots only
   * become fewer meanwhile. `asking` is told by the return of request, all others are woken.
   */
  #dispatch(lanes: Iterable<Lane>, asking?: Entry): void {
    if (!this.#isOpen) return;
    const heads = new RankHeap<Entry>();
    for (const lane of lanes) pushHead(heads, lane);
    for (let best = heads.pop(); best !== undefined; best = heads.pop()) {
      if (this.#obstacle(best) !== undefined) continue;
      best.granted = true;
      this.#setWaiting(best, false);
      this.#setHolding(best, true);
      if (best !== asking) this.#wake(best.key);
      pushHead(heads, best.lane);
    }
  }

  #refusal(entry: Entry): AdmissionVerdict {
    const obstacle = this.#obstacle(entry) ?? {
      reason: 'MaxConcurrency' as const,
      message: 'An older or more urgent run of this job starts first.',
    };
    return { admitted: false, ...obstacle };
  }

  /** The first limit that leaves this run no slot. */
  #obstacle({ lane, limit }: Entry): { readonly reason: WaitReason; readonly message: string } | undefined {
    const { maxConcurrency, queueCapacities } = this.#limits();
    if (maxConcurrency > 0 && this.#holders >= maxConcurrency) {
      return { reason: 'GlobalLimit', message: `All ${maxConcurrency} runs that the operator may have at once are taken.` };
    }
    if (limit > 0 && lane.job.holders >= limit) {
      return { reason: 'MaxConcurrency', message: `The job has all ${limit} of its concurrent runs (spec.max_concurrency).` };
    }
    if (lane.queue === undefined) return undefined;
    const capacity = queueCapacities.get(lane.queue.name);
    if (capacity === undefined) {
      return { reason: 'QueueUnknown', message: `The operator's settings know no queue "${lane.queue.name}" (prowJobs.queueCapacities).` };
    }
    if (capacity < 0 || lane.queue.holders < capacity) return undefined;
    return { reason: 'QueueFull', message: `Queue "${lane.queue.name}" has all ${capacity} of its runs.` };
  }
}

interface Wants extends StartRank {
  readonly key: ObjectKey;
  readonly job: string;
  readonly queue: string;
  readonly limit: number;
}

const rankOf = (run: ProwJob): StartRank => ({
  priority: run.spec.priority ?? 0,
  createdMs: createdMsOf(run),
  uid: run.metadata.uid ?? '',
});

const wantsOf = ({ spec }: ProwJob) => ({ job: spec.job, queue: spec.job_queue_name ?? '', limit: spec.max_concurrency ?? 0 });

const isAdmitted = (entry: Entry): boolean => entry.granted || entry.pending;

const groupsOf = (lane: Lane): readonly Group[] => (lane.queue === undefined ? [lane, lane.job] : [lane, lane.job, lane.queue]);

/** The best run of the lane that still waits. */
function pushHead(heads: RankHeap<Entry>, lane: Lane): void {
  for (let top = lane.waiting.top; top !== undefined; top = lane.waiting.top) {
    if (top.waiting) {
      heads.push(top);
      return;
    }
    lane.waiting.pop();
    top.queued = false;
  }
}

const keyOf = ({ metadata }: ProwJob): ObjectKey => ({ namespace: metadata.namespace ?? '', name: metadata.name });

/** A pod whose run is not known (yet, or any more) still takes a slot. */
function podEntry(pod: Pod, uid: string): Wants {
  const annotations = pod.metadata.annotations ?? {};
  const key = parseKey(annotations[annotation.run] ?? `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`);
  return {
    priority: 0,
    createdMs: 0,
    uid,
    key,
    job: annotations[annotation.job] ?? '',
    queue: annotations[annotation.queue] ?? '',
    limit: 0,
  };
}

function poolOf(pools: Map<string, Pool>, name: string): Pool {
  const known = pools.get(name);
  if (known !== undefined) return known;
  const pool: Pool = { name, size: 0, holders: 0, lanes: new Set() };
  pools.set(name, pool);
  return pool;
}
