/**
 * The finished runs of each Periodic in order, newest first, successes and others apart. It follows the cache, so that the place of a run is
 * known without looking at all the others, however many there are.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { periodicUidOf } from '../../operator/jobs/periodicRun.ts';
import { isSuccess, type HistoryPlace } from '../../operator/jobs/retention.ts';
import { createdMsOf, isComplete } from '../../operator/jobs/runState.ts';
import { timeMs } from '../../operator/jobs/times.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';

interface Entry {
  readonly run: ProwJob;
  /** Whole seconds since 1970 are small integers, which V8 keeps in place; as milliseconds each would be an object of its own. */
  readonly startedSeconds: number;
  readonly endedSeconds: number;
}

interface Shelf {
  readonly successes: Entry[];
  readonly others: Entry[];
}

export class RunHistories {
  /** By the uid of the Periodic. None is empty. */
  readonly #shelves = new Map<string, Shelf>();

  constructor(jobs: Store<ProwJob>) {
    jobs.subscribe((change) => this.#follow(change));
    for (const run of jobs.list()) this.#add(run);
  }

  /** Precondition: the run is finished and belongs to the Periodic with this uid. */
  placeOf(run: ProwJob, periodicUid: string): HistoryPlace {
    const entry = entryOf(run);
    const shelf = this.#shelves.get(periodicUid);
    const [same = [], other = []] = isSuccess(run) ? [shelf?.successes, shelf?.others] : [shelf?.others, shelf?.successes];
    const newer = placeIn(same, entry);
    const rival = other[0];
    return {
      isNewest: newer === 0 && (rival === undefined || compare(entry, rival) < 0),
      newer,
      newestEndMs: (same[0]?.endedSeconds ?? entry.endedSeconds) * 1000,
    };
  }

  /** The runs that may have to go now that this one has finished: the newest one until now, and the one for which `kept` leaves no place. */
  pushedBy(run: ProwJob, periodicUid: string, kept: number): readonly ProwJob[] {
    const shelf = this.#shelves.get(periodicUid);
    const [same = [], other = []] = isSuccess(run) ? [shelf?.successes, shelf?.others] : [shelf?.others, shelf?.successes];
    const entry = entryOf(run);
    const found = new Set([same[placeIn(same, entry) + 1]?.run, other[placeIn(other, entry)]?.run, same[kept]?.run]);
    found.delete(run);
    return [...found].filter((each) => each !== undefined);
  }

  #follow({ type, object, previous }: Change<ProwJob>): void {
    if (previous !== undefined) this.#remove(previous);
    if (type === 'deleted') this.#remove(object);
    else this.#add(object);
  }

  #add(run: ProwJob): void {
    const uid = isComplete(run) ? periodicUidOf(run) : undefined;
    if (uid === undefined) return;
    let shelf = this.#shelves.get(uid);
    if (shelf === undefined) this.#shelves.set(uid, (shelf = { successes: [], others: [] }));
    const row = isSuccess(run) ? shelf.successes : shelf.others;
    const entry = entryOf(run);
    row.splice(placeIn(row, entry), 0, entry);
  }

  #remove(run: ProwJob): void {
    const uid = isComplete(run) ? periodicUidOf(run) : undefined;
    const shelf = uid === undefined ? undefined : this.#shelves.get(uid);
    if (uid === undefined || shelf === undefined) return;
    const row = isSuccess(run) ? shelf.successes : shelf.others;
    const place = placeIn(row, entryOf(run));
    if (row[place]?.run.metadata.name === run.metadata.name) row.splice(place, 1);
    if (shelf.successes.length + shelf.others.length === 0) this.#shelves.delete(uid);
  }
}

const entryOf = (run: ProwJob): Entry => ({
  run,
  startedSeconds: Math.round((timeMs(run.status?.startTime) ?? createdMsOf(run)) / 1000),
  endedSeconds: Math.round((timeMs(run.status?.completionTime) ?? 0) / 1000),
});

/** Below 0 when a is newer. Later start first; the name decides between equals, so that exactly one is the newest. */
function compare(a: Entry, b: Entry): number {
  if (a.startedSeconds !== b.startedSeconds) return b.startedSeconds - a.startedSeconds;
  const [first, second] = [a.run.metadata.name, b.run.metadata.name];
  return first === second ? 0 : first > second ? -1 : 1;
}

/** How many of a sorted row are newer. */
function placeIn(row: readonly Entry[], entry: Entry): number {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = row[middle];
    if (other !== undefined && compare(other, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
