/**
 * One run and its pods in a world without sockets, for histories of any kind: an API that keeps what is written and refuses what the schema
 * would, a kubelet that does what it is told, a clock that is set by hand. Every write is checked against what may never happen.
 */
import type { ProwJob, ProwJobSpec, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import { podIndexers } from '../../../operator/jobs/podOwner.ts';
import { isPodFinished } from '../../../operator/jobs/podShape.ts';
import { defaultPolicy, type JobPolicy } from '../../../operator/jobs/policy.ts';
import { stamp } from '../../../operator/jobs/times.ts';
import type { Pod, PodStatus } from '../../../operator/kube/builtin.ts';
import type { DeleteOptions } from '../../../operator/kube/client.ts';
import { ApiError, TransportError } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import type { Patch } from '../../../operator/kube/patch.ts';
import { judge } from '../../../operator/runtime/errors.ts';
import { Store } from '../../../operator/runtime/store.ts';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../../../operator/runtime/testing/recordingLogger.ts';
import { Admission } from '../admission.ts';
import { ProwJobReconciler } from '../reconciler.ts';
import { aRun, nowMs, presubmit } from './builders.ts';
import { limitsOf } from './limits.ts';

const newerRun = presubmit({ name: 'newer', createdAgoMs: -1000 });

/** What becomes of the next creations of pods. */
export type Answer = 'ok' | 'quota' | 'invalid' | 'lost' | 'reset';

const failure = (code: number, reason: string, message: string): ApiError =>
  new ApiError('test', { status: 'Failure', code, reason, message }, code);

const noMetrics = { transition: () => undefined, attempt: () => undefined, podCreated: () => undefined, podRefused: () => undefined };

export class Life {
  readonly clock = new FakeClock(nowMs);
  /** Accepted writes, in order. */
  readonly writes: string[] = [];
  /** What must never happen and did. */
  readonly faults: string[] = [];
  answer: Answer = 'ok';
  away = false;
  /** A newer run of the same presubmit is there. */
  hasNewer = false;
  policy: JobPolicy = defaultPolicy;
  /** When the reconciler wants to look again; undefined: at the next change. */
  dueMs: number | undefined = 0;
  #run: ProwJob;
  #pods = new Store<Pod>({ indexers: podIndexers });
  #reconciler: ProwJobReconciler;
  #version = 10;
  #podNumber = 0;
  #wakes = 0;

  constructor(spec: Partial<ProwJobSpec>) {
    this.#run = aRun({ spec });
    this.#reconciler = this.#newReconciler();
  }

  get run(): ProwJob {
    return this.#run;
  }

  get pods(): readonly Pod[] {
    return this.#pods.list();
  }

  /** Everything the process knew is gone: what it saw disappear, and who has a slot. */
  restart(): void {
    const pods = this.#pods.list();
    this.#pods = new Store<Pod>({ indexers: podIndexers });
    this.#pods.replace([...pods], String(this.#version));
    this.#reconciler = this.#newReconciler();
    this.wake();
  }

  abort(): void {
    if (this.#run.spec.abort !== undefined) return;
    const { metadata, spec } = this.#run;
    this.#run = { ...this.#run, metadata: { ...metadata, ...this.#nextVersion(), generation: 2 }, spec: { ...spec, abort: { by: 'ann' } } };
    this.wake();
  }

  /** The kubelet writes the status of the newest pod that has not ended. */
  report(status: (pod: Pod) => PodStatus): void {
    const pod = this.pods.findLast((candidate) => !isPodFinished(candidate));
    if (pod === undefined) return;
    this.#keep({ ...pod, spec: { ...pod.spec, nodeName: pod.spec.nodeName ?? 'node-1' }, status: status(pod) });
    this.wake();
  }

  /** Somebody deletes a pod; by force it is gone at once. */
  remove(isForced: boolean): void {
    const [pod] = this.pods;
    if (pod === undefined) return;
    this.#delete(pod, isForced ? 0 : 30);
    this.wake();
  }

  /** The kubelet has ended every pod that was to end. */
  sweep(): void {
    for (const pod of this.pods) if (pod.metadata.deletionTimestamp !== undefined) this.#pods.apply({ type: 'DELETED', object: pod });
    this.wake();
  }

  /** Passes until nothing is to be done now. */
  async settle(): Promise<void> {
    for (let passes = 0; this.dueMs !== undefined && this.dueMs <= this.clock.now(); passes += 1) {
      if (passes > 30) {
        this.faults.push('it does not come to rest');
        return;
      }
      await this.pass();
    }
  }

  /** Something changed. */
  wake(): void {
    this.#wakes += 1;
    this.dueMs = 0;
  }

  async pass(): Promise<void> {
    const wakes = this.#wakes;
    const signal = new AbortController().signal;
    try {
      const result = await this.#reconciler.reconcile(keyOf(this.#run), { signal, logger: new RecordingLogger(), clock: this.clock });
      this.dueMs = result.requeueAfterMs === undefined ? undefined : this.clock.now() + result.requeueAfterMs;
    } catch (error) {
      if (judge(error).class === 'unexpected') throw error;
      this.dueMs = this.clock.now() + 60_000;
    }
    if (this.#wakes !== wakes) this.dueMs = 0;
  }

  #newReconciler(): ProwJobReconciler {
    const admission = new Admission({
      limits: limitsOf(
        () => this.policy.prowJobs,
        () => ({ limit: 0, isOpen: !this.away }),
      ),
      wake: () => undefined,
    });
    const access = {
      pods: {
        get: (key: ObjectKey) => this.#pods.get(key),
        list: (namespace?: string) => this.#pods.list(namespace),
        byIndex: (name: string, value: string) => this.#pods.byIndex(name, value),
        lastDeleted: (key: ObjectKey) => this.#pods.lastDeleted(key),
      } as never,
      writer: {
        create: (pod: Pod) => this.#create(pod),
        delete: (key: ObjectKey, options: DeleteOptions = {}) => this.#deleteAsked(key, options),
        patch: (_key: ObjectKey, _patch: Patch) => Promise.reject(new Error('no pod here has a finalizer')),
      },
      client: { get: (_type: unknown, key: ObjectKey) => Promise.resolve(this.#pods.get(key) as never) },
    };
    return new ProwJobReconciler({
      jobs: { get: () => this.#run, byIndex: () => (this.hasNewer ? [this.#run, newerRun] : [this.#run]) },
      writer: { patchStatus: (_key, body) => this.#patchStatus(body) },
      clusters: { get: () => (this.away ? { state: 'unavailable', message: 'away' } : { state: 'ready', access }) } as never,
      admission,
      policy: () => this.policy,
      events: { event: () => undefined },
      metrics: noMetrics,
    });
  }

  #patchStatus(body: { readonly status: object; readonly metadata?: object }): Promise<ProwJob> {
    const { metadata, status: before } = this.#run;
    if ((body.metadata as { resourceVersion?: string }).resourceVersion !== metadata.resourceVersion) {
      return Promise.reject(failure(409, 'Conflict', 'it has changed'));
    }
    const fields = new Map<string, unknown>([...Object.entries(before ?? {}), ...Object.entries(body.status)]);
    const status = Object.fromEntries([...fields].filter(([, value]) => value !== null)) as unknown as ProwJobStatus;
    this.#checkStatus(before, status);
    this.writes.push('PATCH status');
    this.#run = { ...this.#run, metadata: { ...metadata, ...this.#nextVersion() }, status };
    this.wake();
    return Promise.resolve(this.#run);
  }

  #checkStatus(before: ProwJobStatus | undefined, after: ProwJobStatus): void {
    if (before?.completionTime !== undefined && (before.completionTime !== after.completionTime || before.state !== after.state)) {
      this.faults.push('a complete run changed');
    }
    const [earlier, later] = [before?.attempts ?? [], after.attempts ?? []];
    if (later.some(({ number }, index) => number !== index + 1)) this.faults.push('attempts are not numbered from 1');
    if (new Set(later.map(({ build_id }) => build_id)).size !== later.length) this.faults.push('a build id was used twice');
    if (earlier.some(({ cause }, index) => cause !== undefined && later[index]?.cause !== cause)) {
      this.faults.push('the recorded end of an attempt changed');
    }
    if (before?.state === 'aborted' && after.state !== 'aborted') this.faults.push('an aborted run came back');
    if (before?.superseded_by !== undefined && after.superseded_by === undefined) this.faults.push('a superseded run forgot by which');
    if (after.completionTime !== undefined && after.reason === undefined) this.faults.push('an end without a reason');
  }

  #create(pod: Pod): Promise<unknown> {
    const { answer } = this;
    if (answer === 'quota') return Promise.reject(failure(403, 'Forbidden', 'exceeded quota: tiny'));
    if (answer === 'invalid') return Promise.reject(failure(422, 'Invalid', 'no such field'));
    if (answer === 'reset') return Promise.reject(new TransportError('reset', 'broke before it was sent'));
    if (this.#pods.get(keyOf(pod)) !== undefined) return Promise.reject(failure(409, 'AlreadyExists', 'it exists'));
    if (this.#run.spec.abort !== undefined) this.faults.push('a pod was started after an abort was accepted');
    if (this.#run.status?.superseded_by !== undefined) this.faults.push('a pod was started for a superseded run');
    if (this.#run.status?.completionTime !== undefined) this.faults.push('a pod was started for a complete run');
    if (this.#run.status?.attempts?.at(-1)?.pod_name !== pod.metadata.name) this.faults.push('a pod was started that is not in status');
    if (this.pods.some((other) => !isPodFinished(other) && other.metadata.deletionTimestamp === undefined)) {
      this.faults.push('two pods of one run at a time');
    }
    this.#podNumber += 1;
    this.writes.push(`POST ${pod.metadata.name}`);
    const metadata = { ...pod.metadata, uid: `pod-${this.#podNumber}`, creationTimestamp: stamp(this.clock.now()) };
    this.#keep({ ...pod, metadata, status: { phase: 'Pending' } });
    this.wake();
    return answer === 'lost' ? Promise.reject(new TransportError('timeout', 'no answer came')) : Promise.resolve(pod);
  }

  #deleteAsked(key: ObjectKey, options: DeleteOptions): Promise<unknown> {
    const pod = this.#pods.get(key);
    if (pod === undefined) return Promise.reject(failure(404, 'NotFound', 'gone'));
    this.writes.push(`DELETE ${key.name}`);
    this.#delete(pod, options.gracePeriodSeconds ?? 30);
    this.wake();
    return Promise.resolve(undefined);
  }

  #delete(pod: Pod, graceSeconds: number): void {
    if (graceSeconds === 0) this.#pods.apply({ type: 'DELETED', object: pod });
    else if (pod.metadata.deletionTimestamp === undefined) {
      const deletion = { deletionTimestamp: stamp(this.clock.now() + graceSeconds * 1000), deletionGracePeriodSeconds: graceSeconds };
      this.#keep({ ...pod, metadata: { ...pod.metadata, ...deletion } });
    }
  }

  #keep(pod: Pod): void {
    this.#pods.apply({ type: 'MODIFIED', object: { ...pod, metadata: { ...pod.metadata, ...this.#nextVersion() } } });
  }

  #nextVersion(): { readonly resourceVersion: string } {
    this.#version += 1;
    return { resourceVersion: String(this.#version) };
  }
}
