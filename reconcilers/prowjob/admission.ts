/**
 * Decides which waiting run starts next. One ledger of who holds a slot, fed by the caches (own writes included). A slot is granted in the
 * same synchronous step in which it becomes free, so limits are exact in one process, whoever reconciles first; only the leader runs it.
 * After each change no run waits that could start, the best of those that can start is granted first, and nothing is polled.
 *
 * A run holds its slot from the grant until it is complete and none of its pods can still run. A pod that somebody else holds back in
 * deletion therefore keeps its slot: a limit counts what runs, not what we have finished with.
 */
import type { Pod } from '../../operator/kube/builtin.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { parseKey } from '../../operator/kube/objects.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import { clusterOf, createdMsOf, isAbortRequested, isComplete, isOurs, statusOf } from '../../operator/jobs/runState.ts';
import { compareRank } from '../../operator/jobs/startOrder.ts';
import { Book, type ClusterName, type Entry, type Group, type Lane, type Pool, type Wants } from './admissionBook.ts';
import { obstacleAt, roomOf, type Limits, type Obstacle, type Place } from './admissionLimits.ts';
import { RankedList } from './rankedList.ts';

export interface Refused extends Obstacle {
  readonly admitted: false;
  /** From 1, among those that want a slot of the limit that refused. Absent where no slot will come free by itself. */
  readonly position?: number;
}

export type AdmissionVerdict = { readonly admitted: true } | Refused;

/** A change of a cache, as Store reports it. */
export interface Seen<T> {
  readonly type: 'added' | 'updated' | 'deleted';
  readonly object: T;
}

/** How full a limit is. */
export interface Usage {
  readonly place: Place;
  /** Runs that hold a slot there. */
  readonly used: number;
  /** Runs that want a slot there and have none. */
  readonly waiting: number;
  /** Infinity without a limit, 0 while nothing may start there. */
  readonly room: number;
}

export interface AdmissionOptions {
  /** Read at each decision, so that what has changed holds at once; call refresh() to wake who may start now. */
  readonly limits: Limits;
  /** Called for a run that was refused and may start now. */
  readonly wake: (key: ObjectKey) => void;
  /** The run that a pod names, from the cache: what it wants need not be guessed then. */
  readonly find?: (key: ObjectKey) => ProwJob | undefined;
}

const ownCluster: ClusterName = { alias: 'default', namespace: '' };

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #entries = new Map<string, Entry>();
  /** Groups that have not been looked at since they got something to start. */
  readonly #ready = new RankedList<Entry>();
  readonly #book = new Book(this.#ready);
  #holders = 0;
  #waiting = 0;
  #isOpen = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Runs that would start if they might. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs that hold a slot. */
  get holding(): number {
    return this.#holders;
  }

  /** Every limit that counts a run now. */
  usage(): readonly Usage[] {
    const { limits } = this.#options;
    return [...this.#book.pools].map(({ place, holders, waiting }) => ({
      place,
      used: holders,
      waiting: waiting.size,
      room: roomOf(place, limits),
    }));
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
    const entry = known === undefined || known.provisional ? this.#adopt(object, known) : known;
    const { state } = statusOf(object);
    entry.pending = !gone && state === 'pending';
    // One that is being deleted is not looked at any more: it would keep a slot for as long as somebody's finalizer holds it.
    entry.wants = !gone && state === 'triggered' && !isAbortRequested(object) && object.metadata.deletionTimestamp === undefined;
    if (!entry.wants) entry.granted = false;
    this.#settle(entry);
    // What was guessed from its pod may have been counted elsewhere.
    if (known?.provisional === true) this.#dispatch(known.lane.group.pools);
  }

  /** `cluster` is the one whose cache showed the pod. */
  onPod({ type, object }: Seen<Pod>, cluster: ClusterName = ownCluster): void {
    const uid = object.metadata.labels?.[label.runUid];
    if (uid === undefined) return;
    const live = type !== 'deleted' && !isPodFinished(object);
    const known = this.#entries.get(uid);
    if (!live && known === undefined) return;
    const entry = known ?? this.#meet(object, uid, cluster);
    // Two aliases of one cluster show the same pods, and each loses them on its own.
    const pod = JSON.stringify([cluster.namespace, cluster.alias, object.metadata.uid ?? object.metadata.name]);
    if (live) entry.livePods.add(pod);
    else entry.livePods.delete(pod);
    this.#settle(entry);
  }

  /** Asks for a slot. Once admitted, a run stays admitted until it is complete, deleted, aborted or gives its slot back. */
  request(run: ProwJob): AdmissionVerdict {
    const entry = this.#entries.get(run.metadata.uid ?? '') ?? this.#adopt(run);
    entry.wants = true;
    if (entry.holding) {
      entry.granted = true;
      return { admitted: true };
    }
    this.#setWaiting(entry, true);
    this.#dispatch([], entry);
    return isAdmitted(entry) ? { admitted: true } : this.#refusal(entry);
  }

  /** The run was granted a slot and cannot use it now: whoever is next may. It waits on, in its old place. */
  giveBack(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.granted !== true) return;
    entry.granted = false;
    this.#settle(entry);
  }

  /**
   * Whether a changed place may be told now, and when to look again. Places change all the time: each run tells its own every half to
   * whole minute, and less often where many wait, so that all together write ten times a second at most.
   */
  tellPlace(uid: string, nowMs: number): { readonly isDue: boolean; readonly againMs: number } {
    const entry = this.#entries.get(uid);
    const pauseMs = Math.max(pauseOf(uid), this.#waiting * shareMs);
    const sinceMs = nowMs - (entry?.toldMs ?? nowMs);
    const isDue = sinceMs >= pauseMs;
    if (entry !== undefined && (isDue || entry.toldMs === undefined)) entry.toldMs = nowMs;
    return { isDue, againMs: isDue ? pauseMs : pauseMs - sinceMs };
  }

  /** Grants what the limits allow now. For changed settings and clusters. */
  refresh(): void {
    for (const pool of this.#book.pools) {
      if (!this.#hasRoom(pool)) continue;
      for (let { first } = pool.parked; first !== undefined; { first } = pool.parked) move(first.lane.group, this.#ready);
    }
    this.#dispatch([]);
  }

  /** An entry for a pod whose run is not known yet, or any more: it still takes a slot. */
  #meet(pod: Pod, uid: string, cluster: ClusterName): Entry {
    const key = parseKey(runKeyOfPod(pod));
    const run = this.#options.find?.(key);
    return run?.metadata.uid === uid ? this.#adopt(run) : this.#add(wantsOfPod(pod, uid, key, cluster), true);
  }

  /** An entry for this run, with the pods that were known before it. */
  #adopt(run: ProwJob, provisional?: Entry): Entry {
    const livePods = provisional?.livePods ?? new Set<string>();
    if (provisional !== undefined) this.#forget(provisional);
    const entry = this.#add(wantsOf(run), false, livePods);
    this.#setHolding(entry, livePods.size > 0);
    return entry;
  }

  #add(wants: Wants, provisional: boolean, livePods = new Set<string>()): Entry {
    const lane = this.#book.enter(wants);
    const flags = { wants: false, waiting: false, granted: false, pending: false, holding: false, toldMs: undefined };
    const { key, uid, priority, createdMs } = wants;
    const entry: Entry = { key, uid, priority, createdMs, provisional, lane, livePods, ...flags };
    this.#entries.set(uid, entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#setWaiting(entry, false);
    this.#setHolding(entry, false);
    this.#entries.delete(entry.uid);
    this.#book.leave(entry.lane);
  }

  /** Brings the counts in line with the entry, and hands on what it gave up. */
  #settle(entry: Entry): void {
    const holding = entry.granted || entry.pending || entry.livePods.size > 0;
    const freed = entry.holding && !holding ? entry.lane.group.pools : [];
    this.#setHolding(entry, holding);
    // One whose pod is there already is adopted, without asking.
    this.#setWaiting(entry, entry.wants && !holding);
    if (!holding && !entry.waiting) this.#forget(entry);
    this.#dispatch(freed);
  }

  #setWaiting(entry: Entry, waiting: boolean): void {
    if (entry.waiting === waiting) return;
    entry.waiting = waiting;
    this.#waiting += waiting ? 1 : -1;
    const { lane } = entry;
    for (const { waiting: list } of [lane, lane.job, ...lane.group.pools]) {
      if (waiting) list.add(entry);
      else list.delete(entry);
    }
    showHead(lane);
  }

  #setHolding(entry: Entry, holding: boolean): void {
    if (entry.holding === holding) return;
    entry.holding = holding;
    const step = holding ? 1 : -1;
    this.#holders += step;
    const { job, group } = entry.lane;
    for (const pool of group.pools) pool.holders += step;
    job.holders += step;
    // Only for lanes with this limit has anything changed.
    const limit = holding ? job.holders : job.holders + 1;
    for (const lane of job.lanesByLimit.get(limit) ?? []) showHead(lane);
  }

  /**
   * Grants slots, best run first, until nobody is left who fits. Looked at are the groups that are new and those that wait for one of the
   * pools where a slot came free; all others wait where there still is no room. `asking` is told by the return of request, all others
   * are woken.
   */
  #dispatch(freed: readonly Pool[], asking?: Entry): void {
    if (!this.#isOpen) return;
    for (let best = this.#best(freed); best !== undefined; best = this.#best(freed)) {
      const { group } = best.lane;
      const full = group.pools.find((pool) => !this.#hasRoom(pool));
      if (full !== undefined) {
        move(group, full.parked);
        continue;
      }
      best.granted = true;
      this.#setWaiting(best, false);
      this.#setHolding(best, true);
      if (best !== asking) this.#options.wake(best.key);
    }
  }

  #best(freed: readonly Pool[]): Entry | undefined {
    let best = this.#ready.first;
    for (const pool of freed) {
      const { first } = pool.parked;
      if (first === undefined || (best !== undefined && compareRank(best, first) < 0)) continue;
      if (this.#hasRoom(pool)) best = first;
    }
    return best;
  }

  #hasRoom({ place, holders }: Pool): boolean {
    return holders < roomOf(place, this.#options.limits);
  }

  /** Why the run waits: its own job is what its owner can do most about, the whole installation the least. */
  #refusal(entry: Entry): Refused {
    const { lane } = entry;
    const full = lane.group.pools.find((pool) => !this.#hasRoom(pool));
    const obstacle = full === undefined ? undefined : obstacleAt(full.place, this.#options.limits);
    if (obstacle?.reason === 'QueueUnknown' || obstacle?.reason === 'ClusterUnavailable') return { admitted: false, ...obstacle };
    if (full === undefined || obstacle === undefined || isBlocked(lane)) {
      const message = isBlocked(lane)
        ? `The job has all ${lane.limit} of its concurrent runs (spec.max_concurrency).`
        : 'An older or more urgent run of this job starts first.';
      return { admitted: false, reason: 'MaxConcurrency', message, position: lane.job.waiting.before(entry) + 1 };
    }
    return { admitted: false, ...obstacle, position: full.waiting.before(entry) + 1 };
  }
}

/** Each run's part of the writes about places. */
const shareMs = 100;

/** 30 to 60 s, so that runs that came together do not write together. */
function pauseOf(uid: string): number {
  let mixed = 0;
  for (let at = 0; at < uid.length; at += 1) mixed = (mixed * 31 + uid.charCodeAt(at)) % 30_011;
  return 30_000 + mixed;
}

/** A function, because what was asked before the dispatch says nothing about after it. */
const isAdmitted = (entry: Entry): boolean => entry.holding;

/** The job has no slot for runs with the limit of this lane. */
const isBlocked = ({ limit, job }: Lane): boolean => limit > 0 && job.holders >= limit;

/** Brings what the group knows of the lane up to date. */
function showHead(lane: Lane): void {
  const { group } = lane;
  const head = isBlocked(lane) ? undefined : lane.waiting.first;
  if (head === lane.head) return;
  if (lane.head !== undefined) group.heads.delete(lane.head);
  if (head !== undefined) group.heads.add(head);
  lane.head = head;
  const { first } = group.heads;
  if (first === group.shown) return;
  if (group.shown !== undefined) group.at.delete(group.shown);
  if (first === undefined) group.at = group.ready;
  else group.at.add(first);
  group.shown = first;
}

function move(group: Group, to: RankedList<Entry>): void {
  if (group.shown !== undefined) {
    group.at.delete(group.shown);
    to.add(group.shown);
  }
  group.at = to;
}

function wantsOf(run: ProwJob): Wants {
  const { metadata, spec } = run;
  const { namespace = '', name, uid = '' } = metadata;
  const alias = clusterOf(run);
  return {
    uid,
    priority: spec.priority ?? 0,
    createdMs: createdMsOf(run),
    key: { namespace, name },
    job: spec.job,
    queue: spec.job_queue_name ?? '',
    limit: spec.max_concurrency ?? 0,
    cluster: alias === ownCluster.alias ? ownCluster : { alias, namespace },
  };
}

function wantsOfPod({ metadata }: Pod, uid: string, key: ObjectKey, cluster: ClusterName): Wants {
  const { [annotation.job]: job = '', [annotation.queue]: queue = '' } = metadata.annotations ?? {};
  return { uid, priority: 0, createdMs: 0, key, job, queue, limit: 0, cluster };
}
