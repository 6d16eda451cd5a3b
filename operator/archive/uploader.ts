/**
 * Writes the objects of a run under upstream's names. Every step may be repeated: what is there is left or overwritten with the same, a log never by
 * a shorter one, and latest-build.txt is only moved forward. finished.json comes last in a directory: a viewer takes it for the end.
 */
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import { destinationOf, type ArchiveDestination } from '../jobs/archiveDestination.ts';
import { attemptsToArchive } from '../jobs/archiveHold.ts';
import { isLaterBuild, layoutOf, logNames, type ArchiveLayout } from '../jobs/archiveLayout.ts';
import type { ArchivePolicy } from '../jobs/archivePolicy.ts';
import { finishedJson, podInfoJson, prowJobJson, startedJson } from '../jobs/archiveRecords.ts';
import type { Pod } from '../kube/builtin.ts';
import { StoreError, type BlobStore } from './blobStore.ts';
import type { KeptPod } from './logKeeper.ts';
import type { StorageLocation } from '../../crds/storageLocation.ts';

/** What is known of a run's pods, beside the run. */
export interface RunEvidence {
  readonly pods: readonly KeptPod[];
  /** What was told about a pod; empty when nobody can say. */
  readonly eventsOf: (pod: Pod) => Promise<readonly object[]>;
}

export interface Uploaded {
  /** Where the last attempt lies. */
  readonly address: string;
  /** What a reader of the log should know, in sentences. */
  readonly remarks: readonly string[];
  /** A log lacks something. */
  readonly isIncomplete: boolean;
}

/** Stores by location: see Stores. */
export interface StoreOpener {
  get(location: StorageLocation): Promise<BlobStore>;
}

const json = 'application/json';
const text = 'text/plain';
/** Somebody else moves it as well; whoever has the later build wins in the end. */
const mostMoves = 5;

export class RunUploader {
  readonly #stores: StoreOpener;
  readonly #onBytes: (bytes: number) => void;

  constructor(stores: StoreOpener, onBytes: (bytes: number) => void) {
    this.#stores = stores;
    this.#onBytes = onBytes;
  }

  /** Tells viewers that an attempt has begun. */
  async started(run: ProwJob, attempt: Attempt, policy: ArchivePolicy, signal: AbortSignal): Promise<void> {
    const place = await this.#open(run, attempt, policy);
    await place.store.putIf(`${place.layout.directory}started.json`, startedJson(run, attempt), undefined, { contentType: json, signal });
    await announce(place, attempt, signal);
  }

  /** Writes everything there is. `run` is the whole object, not a summary. */
  async finished(run: ProwJob, evidence: RunEvidence, policy: ArchivePolicy, signal: AbortSignal): Promise<Uploaded> {
    const attempts = attemptsToArchive(run);
    const remarks: string[] = [];
    let address = '';
    let isIncomplete = false;
    for (const attempt of attempts) {
      const place = await this.#open(run, attempt, policy);
      const isLast = attempt === attempts.at(-1);
      const kept = evidence.pods.find(({ pod }) => pod.metadata.name === attempt.pod_name);
      const said = await this.#logs(place, kept, signal);
      await this.#records({ run, attempt, isLast, place, kept, evidence, signal });
      if (!isLast) continue;
      await announce(place, attempt, signal);
      const { refusedBucket } = place.destination;
      if (refusedBucket !== undefined)
        remarks.push(`The bucket ${JSON.stringify(refusedBucket)} that the job names is not on the list archive.allowedBuckets.`);
      remarks.push(...said);
      isIncomplete = said.length > 0;
      address = `${place.store.url}/${place.layout.directory}`;
    }
    return { address, remarks, isIncomplete };
  }

  async #open(run: ProwJob, attempt: Attempt, policy: ArchivePolicy): Promise<Place> {
    const destination = destinationOf(run.spec, policy);
    const layout = layoutOf(run.spec, attempt.build_id, destination);
    return { destination, layout, store: await this.#stores.get(destination.location) };
  }

  async #logs({ store, layout }: Place, kept: KeptPod | undefined, signal: AbortSignal): Promise<readonly string[]> {
    if (kept === undefined) return ['The log could not be read: the pod was gone before.'];
    const names = logNames(kept.pod.spec);
    const remarks: string[] = [];
    for (const follower of kept.logs) {
      const { container, log, end, trouble, isStarted } = follower;
      if (end !== 'complete' && trouble !== undefined) remarks.push(`The log of container ${container} may lack its end: ${trouble}.`);
      if (log.leftOutBytes > 0) remarks.push(`The log of container ${container} is shortened by ${log.leftOutBytes} bytes.`);
      if (!isStarted) continue;
      const key = `${layout.directory}${names.get(container) ?? `${container}-build-log.txt`}`;
      const source = log.source();
      // An earlier leader may have had more of it than the kubelet still has.
      const present = await store.stat(key, signal);
      if (present !== undefined && present.size >= source.size && source.size > 0) continue;
      await store.upload(key, source, { contentType: text, signal });
      this.#onBytes(source.size);
    }
    return remarks;
  }

  async #records({ run, attempt, isLast, place, kept, evidence, signal }: RecordsInput): Promise<void> {
    const { store, layout } = place;
    const options = { contentType: json, signal };
    if (kept !== undefined) {
      await store.put(`${layout.directory}podinfo.json`, podInfoJson(kept.pod, await evidence.eventsOf(kept.pod)), options);
    }
    await store.put(`${layout.directory}prowjob.json`, prowJobJson(run), options);
    // Utilities inside a pod may have written these two; theirs know more.
    await store.putIf(`${layout.directory}started.json`, startedJson(run, attempt), undefined, options);
    await store.putIf(`${layout.directory}finished.json`, finishedJson(run, attempt, isLast), undefined, options);
  }
}

interface Place {
  readonly destination: ArchiveDestination;
  readonly layout: ArchiveLayout;
  readonly store: BlobStore;
}

interface RecordsInput {
  readonly run: ProwJob;
  readonly attempt: Attempt;
  readonly isLast: boolean;
  readonly place: Place;
  readonly kept: KeptPod | undefined;
  readonly evidence: RunEvidence;
  readonly signal: AbortSignal;
}

/** The objects by which viewers find the directory. */
async function announce({ store, layout }: Place, { build_id }: Attempt, signal: AbortSignal): Promise<void> {
  const { alias } = layout;
  if (alias !== undefined) {
    await store.putIf(alias.key, alias.content, undefined, { contentType: text, metadata: { link: alias.content }, signal });
  }
  for (const key of layout.latestBuilds) await moveForward(store, key, build_id, signal);
}

async function moveForward(store: BlobStore, key: string, buildId: string, signal: AbortSignal): Promise<void> {
  for (let move = 0; move < mostMoves; move++) {
    const present = await store.get(key, signal);
    if (present !== undefined && !isLaterBuild(buildId, present.text)) return;
    if (await store.putIf(key, buildId, present?.tag, { contentType: text, signal })) return;
  }
  throw new StoreError(store.url, `write ${key}`, new Error(`it changed ${mostMoves} times meanwhile`));
}
