/** What started a run, as the caches show it. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { backfillUidOf } from '../../operator/jobs/backfillRun.ts';
import { periodicUidOf } from '../../operator/jobs/periodicRun.ts';
import type { RunOwner } from '../../operator/jobs/retention.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import type { RunHistories } from './histories.ts';

export class RunOwners {
  readonly #periodics: Pick<StoreReader<Periodic>, 'get'>;
  readonly #backfills: Pick<StoreReader<PeriodicBackfill>, 'get'>;
  readonly #histories: RunHistories;

  constructor(
    periodics: Pick<StoreReader<Periodic>, 'get'>,
    backfills: Pick<StoreReader<PeriodicBackfill>, 'get'>,
    histories: RunHistories,
  ) {
    this.#periodics = periodics;
    this.#backfills = backfills;
    this.#histories = histories;
  }

  /** Undefined for a run that nothing started which still exists, and for one that has not finished. */
  of(run: ProwJob): RunOwner | undefined {
    if (!isComplete(run)) return undefined;
    const periodicUid = periodicUidOf(run);
    if (periodicUid !== undefined) {
      const periodic = this.periodicOf(run);
      return periodic === undefined ? undefined : { kind: 'Periodic', periodic, place: this.#histories.placeOf(run, periodicUid) };
    }
    const backfill = existing(run, backfillUidOf(run), this.#backfills);
    return backfill === undefined ? undefined : { kind: 'PeriodicBackfill', backfill };
  }

  /** The Periodic that controls this run, while it exists. */
  periodicOf(run: ProwJob): Periodic | undefined {
    return existing(run, periodicUidOf(run), this.#periodics);
  }
}

/** One that is being deleted has no say any more, nor has another of the same name. */
function existing<T extends KubeObject>({ metadata }: ProwJob, uid: string | undefined, store: Pick<StoreReader<T>, 'get'>): T | undefined {
  const name = uid === undefined ? undefined : metadata.ownerReferences?.find((owner) => owner.uid === uid)?.name;
  const found = name === undefined ? undefined : store.get({ namespace: metadata.namespace ?? '', name });
  return found?.metadata.uid === uid && found?.metadata.deletionTimestamp === undefined ? found : undefined;
}
