/**
 * The shelves of the ledger of slots: what a run takes part in, from its job to the whole installation. Only made, found and forgotten
 * here; admission.ts counts and decides.
 *
 * Runs that differ in nothing that a limit looks at share a lane: only the first of a lane needs to be looked at. Lanes that differ in
 * their job only share a group: whatever else keeps one of them from starting keeps all. So a decision looks at a handful of
 * groups, however many runs wait.
 */
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { StartRank } from '../../operator/jobs/startOrder.ts';
import type { Place } from './admissionLimits.ts';
import { RankedList } from './rankedList.ts';

/** What a run asks of the limits. */
export interface Wants extends StartRank {
  readonly key: ObjectKey;
  readonly job: string;
  /** Empty: none. */
  readonly queue: string;
  /** spec.max_concurrency; 0 = no limit. */
  readonly limit: number;
  readonly cluster: ClusterName;
}

/** `namespace` is empty for the operator's own cluster. */
export interface ClusterName {
  readonly alias: string;
  readonly namespace: string;
}

export interface Entry extends StartRank {
  readonly key: ObjectKey;
  readonly lane: Lane;
  readonly livePods: Set<string>;
  /** Known from a pod only: what the run wants is a guess. */
  readonly provisional: boolean;
  /** Would start if it might. */
  wants: boolean;
  /** Is in the lists of those that may be granted a slot. */
  waiting: boolean;
  granted: boolean;
  pending: boolean;
  holding: boolean;
  /** When its place in the queue was last told, on a clock that never goes back. */
  toldMs: number | undefined;
}

interface Shelf {
  readonly name: string;
  /** Entries; without any it is forgotten. */
  size: number;
}

/** The runs of one job of one namespace, with one limit, in one queue, on one cluster. */
export interface Lane extends Shelf {
  readonly job: Job;
  readonly limit: number;
  readonly group: Group;
  readonly waiting: RankedList<Entry>;
  /** The first that waits, as the group knows it; undefined also while the job has no slot for it. */
  head: Entry | undefined;
}

/** The runs of one namespace in one queue on one cluster. */
export interface Group extends Shelf {
  /** Where its runs are counted. The narrowest comes first: that one is told to the user. */
  readonly pools: readonly Pool[];
  /** The heads of its lanes. */
  readonly heads: RankedList<Entry>;
  /** The first of the heads, as `at` knows it. */
  shown: Entry | undefined;
  /** The list where `shown` is: that of a pool without room, or `ready`. */
  at: RankedList<Entry>;
  /** The list of the groups to be looked at next. Here it is also while it has nothing to start. */
  readonly ready: RankedList<Entry>;
}

/** Slots that are counted together. */
export interface Pool extends Shelf {
  readonly place: Place;
  holders: number;
  /** All that want a slot here and have none. */
  readonly waiting: RankedList<Entry>;
  /** The first of each group that found no room here. */
  readonly parked: RankedList<Entry>;
}

export interface Job extends Shelf {
  holders: number;
  readonly waiting: RankedList<Entry>;
  /** The limits that its runs name, except for 0. */
  readonly lanesByLimit: Map<number, Set<Lane>>;
}

export class Book {
  readonly #jobs = new Map<string, Job>();
  readonly #pools = new Map<string, Pool>();
  readonly #groups = new Map<string, Group>();
  readonly #lanes = new Map<string, Lane>();
  readonly #ready: RankedList<Entry>;

  /** `ready`: where the groups wait that have not been looked at. */
  constructor(ready: RankedList<Entry>) {
    this.#ready = ready;
  }

  get pools(): Iterable<Pool> {
    return this.#pools.values();
  }

  /** The lane of a run, with one entry more. */
  enter(wants: Wants): Lane {
    const lane = this.#lane(wants);
    for (const shelf of shelvesOf(lane)) shelf.size += 1;
    return lane;
  }

  /** One entry less. What has none left is forgotten. */
  leave(lane: Lane): void {
    for (const shelf of shelvesOf(lane)) shelf.size -= 1;
    const { group, job, limit } = lane;
    for (const pool of group.pools) if (pool.size === 0) this.#pools.delete(pool.name);
    if (group.size === 0) this.#groups.delete(group.name);
    if (job.size === 0) this.#jobs.delete(job.name);
    if (lane.size > 0) return;
    this.#lanes.delete(lane.name);
    const alike = job.lanesByLimit.get(limit);
    if (alike?.delete(lane) === true && alike.size === 0) job.lanesByLimit.delete(limit);
  }

  #lane(wants: Wants): Lane {
    const { key, job, limit } = wants;
    const group = this.#group(wants);
    const name = JSON.stringify([group.name, job, limit]);
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const owner = this.#job(JSON.stringify([key.namespace, job]));
    const lane: Lane = { name, size: 0, job: owner, limit, group, waiting: new RankedList(), head: undefined };
    this.#lanes.set(name, lane);
    if (limit > 0) owner.lanesByLimit.set(limit, (owner.lanesByLimit.get(limit) ?? new Set()).add(lane));
    return lane;
  }

  #group({ key: { namespace }, queue, cluster }: Wants): Group {
    const name = JSON.stringify([namespace, queue, cluster.namespace, cluster.alias]);
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const places: readonly Place[] = [
      ...(queue === '' ? [] : [{ kind: 'queue', queue } as const]),
      { kind: 'cluster', alias: cluster.alias, namespace: cluster.namespace },
      { kind: 'namespace', namespace },
      { kind: 'all' },
    ];
    const pools = places.map((place) => this.#pool(place));
    const group: Group = { name, size: 0, pools, heads: new RankedList(), shown: undefined, at: this.#ready, ready: this.#ready };
    this.#groups.set(name, group);
    return group;
  }

  #pool(place: Place): Pool {
    const name = JSON.stringify(Object.values(place));
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const pool: Pool = { name, size: 0, place, holders: 0, waiting: new RankedList(), parked: new RankedList() };
    this.#pools.set(name, pool);
    return pool;
  }

  #job(name: string): Job {
    const known = this.#jobs.get(name);
    if (known !== undefined) return known;
    const job: Job = { name, size: 0, holders: 0, waiting: new RankedList(), lanesByLimit: new Map() };
    this.#jobs.set(name, job);
    return job;
  }
}

const shelvesOf = (lane: Lane): readonly Shelf[] => [lane, lane.group, lane.job, ...lane.group.pools];
