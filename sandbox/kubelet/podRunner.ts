/**
 * One pod, from the moment this node accepts it to its last status: volumes, init containers in order, sidecars, then all containers at
 * once. A deletion, a deadline or the end of the sandbox cuts in at any point. All status writes of a turn of the event loop are one write.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import type { Container, Pod } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import type { ContainerLog } from './containerLog.ts';
import { ContainerRunner } from './containerRunner.ts';
import type { EventText, EventWriter } from './eventWriter.ts';
import { pause, stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import type { Limiter } from './limiter.ts';
import { collectPod, evictionMessage, loseNode, preempt } from './misfortune.ts';
import { asPod, contentReader } from './podApi.ts';
import { phaseOfExits, podStatus } from './podStatus.ts';
import type { ContainerRecord, ContainerRole, PodEnd } from './podStatus.ts';
import type { Reaper } from './reaper.ts';
import { scenarioOf } from './scenario.ts';
import type { Misfortune, Scenario } from './scenario.ts';
import { makeVolumes } from './volumes.ts';

export interface PodHost {
  readonly api: SandboxApi;
  readonly events: EventWriter;
  readonly clock: KubeletClock;
  readonly limiter: Limiter;
  readonly reaper: Reaper;
  readonly log: (line: string) => void;
  readonly podIP: string;
  readonly podDir: string;
  readonly nodeName: string;
}

const defaultGraceSeconds = 30;
const volumeRetry = { firstMs: 500, longestMs: 10_000 };
/** Sidecars get at least this when the pod's grace is used up. */
const sidecarGraceMs = 2000;
/** kubelet's grace when a resource is all but used up. */
const evictionGraceMs = 1000;
const deadlineMessage = 'Pod was active on the node longer than the specified deadline';

export class PodRunner {
  readonly #host: PodHost;
  readonly #object: StoredObject;
  readonly #containers: readonly ContainerRunner[];
  readonly #ending = new AbortController();
  readonly #startTime: string;
  /** Set: nothing is written any more, because the object is gone or the sandbox stops. */
  #silent = false;
  #deleting = false;
  /** Of the deletion under way; our own status writes come back as changes and must not start it again. */
  #deletionGraceSeconds = Infinity;
  #end: PodEnd | undefined;
  #endReason: Omit<PodEnd, 'phase'> | undefined;
  readonly #scenario: Scenario;
  /** What the scenario has in store. */
  readonly #ahead: { cancel(): void }[] = [];
  #hasBegun = false;
  #stuckUntilMs: number | undefined;
  #flushScheduled = false;
  #deadline: { cancel(): void } | undefined;
  #kill: { cancel(): void } | undefined;
  /** Resolves when every process of the pod has ended and the last status is written. Never rejects. */
  readonly done: Promise<void>;

  constructor(object: StoredObject, host: PodHost) {
    this.#host = host;
    this.#object = object;
    this.#startTime = stamp(host.clock.now());
    this.#scenario = scenarioOf(object);
    const pod = asPod(object);
    this.#containers = recordsOf(pod).map(
      (record) =>
        new ContainerRunner(record, {
          pod,
          podDir: host.podDir,
          podIP: host.podIP,
          content: contentReader(host.api, pod.metadata.namespace ?? ''),
          clock: host.clock,
          limiter: host.limiter,
          reaper: host.reaper,
          ending: this.#ending.signal,
          pullFailsMs: this.#scenario.get('image-pull-backoff') ?? 0,
          changed: () => {
            this.#beginScenario();
            this.#scheduleFlush();
          },
          event: (text) => this.#event(text),
        }),
    );
    this.done = this.#run();
  }

  /** Takes note of a change of the object: a deletion, or a shorter grace for one that is under way. */
  changed(object: StoredObject): void {
    const { deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
    if (deletionTimestamp === undefined || this.#silent || this.#overlooks(object)) return;
    this.#deleting = true;
    if (this.#end !== undefined) {
      this.#removeObject();
      return;
    }
    const graceSeconds = deletionGracePeriodSeconds ?? defaultGraceSeconds;
    if (graceSeconds >= this.#deletionGraceSeconds) return;
    this.#deletionGraceSeconds = graceSeconds;
    this.#terminate(graceSeconds * 1000);
  }

  /** The object is gone: nothing waits for these processes any more. */
  gone(): void {
    for (const timer of this.#ahead.splice(0)) timer.cancel();
    this.#fallSilent();
  }

  /** Ends all processes without a word to the API: the sandbox stops. */
  async stop(): Promise<void> {
    this.gone();
    await this.done;
  }

  #fallSilent(): void {
    this.#silent = true;
    this.#terminate(0);
  }

  /** A scenario may have the kubelet overlook a graceful deletion, for ever or for a time. */
  #overlooks(object: StoredObject): boolean {
    const stuckMs = this.#scenario.get('stuck-terminating') ?? 0;
    if (stuckMs === 0 || object.metadata.deletionGracePeriodSeconds === 0) return false;
    const { clock } = this.#host;
    if (this.#stuckUntilMs === undefined) {
      this.#stuckUntilMs = clock.now() + stuckMs;
      if (stuckMs !== Infinity) this.#ahead.push(clock.after(stuckMs, () => this.changed(object)));
    }
    return clock.now() < this.#stuckUntilMs;
  }

  /** The first process runs: from now on the rest of the scenario takes its course. */
  #beginScenario(): void {
    if (this.#hasBegun || !this.#records.some(({ state }) => state.running !== undefined)) return;
    this.#hasBegun = true;
    for (const [what, delayMs] of this.#scenario) {
      if (what.endsWith('-after')) this.#ahead.push(this.#host.clock.after(delayMs, () => this.#befall(what)));
    }
  }

  #befall(what: Misfortune): void {
    const over = this.#end !== undefined || this.#ending.signal.aborted;
    try {
      if (what === 'pod-gc-after') this.#collect();
      else if (over) return;
      else if (what === 'evict-after') this.#evict();
      else if (what === 'oom-after') this.#containers.find(({ record }) => record.state.running !== undefined)?.killForMemory();
      else if (what === 'preempt-after') preempt(this.#host, this.#object, randomUUID());
      else if (what === 'node-lost-after') this.#loseNode();
    } catch (error) {
      this.#host.log(`scenario ${what} of pod ${this.#object.metadata.name} failed: ${(error as Error).message}`);
    }
  }

  #evict(): void {
    const message = evictionMessage(asPod(this.#object));
    this.#endReason = { reason: 'Evicted', message, disrupted: true };
    this.#event({ type: 'Warning', reason: 'Evicted', message });
    this.#terminate(evictionGraceMs);
  }

  #loseNode(): void {
    this.#fallSilent();
    const deletion = loseNode(this.#host, this.#object);
    if (deletion !== undefined) this.#ahead.push(deletion);
  }

  #collect(): void {
    this.#fallSilent();
    collectPod(this.#host, this.#object);
  }

  container(name: string): ContainerRunner | undefined {
    return this.#containers.find((container) => container.record.spec.name === name);
  }

  /** The log of a container's current or last run, or of the run before it. */
  log(name: string, previous: boolean): ContainerLog | undefined {
    const container = this.container(name);
    return container?.logs.get(container.record.restartCount - (previous ? 1 : 0));
  }

  async #run(): Promise<void> {
    try {
      this.#flush();
      this.#startDeadline();
      const slowMs = this.#scenario.get('slow-start') ?? 0;
      if (slowMs > 0) await pause(this.#host.clock, slowMs, this.#ending.signal);
      if (await this.#makeVolumes()) await this.#runContainers();
    } catch (error) {
      this.#host.log(`pod ${this.#object.metadata.name} failed in the kubelet: ${(error as Error).message}`);
      this.#endReason = { reason: 'UnexpectedAdmissionError', message: (error as Error).message };
    }
    this.#deadline?.cancel();
    this.#kill?.cancel();
    this.#finish();
  }

  async #runContainers(): Promise<void> {
    const sidecars: Promise<unknown>[] = [];
    let initialized = true;
    for (const container of this.#containers.filter(({ record }) => record.role !== 'main')) {
      if (this.#ending.signal.aborted) break;
      if (container.record.role === 'sidecar') {
        sidecars.push(container.run());
        await container.started;
      } else initialized = await container.run();
      if (!initialized) break;
    }
    const mains = this.#containers.filter(({ record }) => record.role === 'main');
    if (initialized && !this.#ending.signal.aborted) {
      for (const { record } of mains) record.state = { waiting: { reason: 'ContainerCreating' } };
      await Promise.all(mains.map((container) => container.run()));
    }
    for (const container of this.#containers.filter(({ record }) => record.role === 'sidecar')) {
      container.stop(this.#silent ? 0 : Math.max(sidecarGraceMs, this.#graceMs));
    }
    await Promise.all(sidecars);
  }

  get #graceMs(): number {
    return (asPod(this.#object).spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
  }

  /** False when the pod ended before its volumes could be made. */
  async #makeVolumes(): Promise<boolean> {
    const { clock, podDir, podIP, api, limiter } = this.#host;
    const pod = asPod(this.#object);
    const content = contentReader(api, pod.metadata.namespace ?? '');
    for (let delayMs = volumeRetry.firstMs; !this.#ending.signal.aborted; delayMs = Math.min(delayMs * 2, volumeRetry.longestMs)) {
      try {
        await limiter.run(async () => {
          await mkdir(podDir, { recursive: true, mode: 0o700 });
          await makeVolumes({ pod, podDir, content, podIP });
        });
        return true;
      } catch (error) {
        this.#event({ type: 'Warning', reason: 'FailedMount', message: (error as Error).message });
        await pause(clock, delayMs, this.#ending.signal);
      }
    }
    return false;
  }

  #startDeadline(): void {
    const seconds = asPod(this.#object).spec.activeDeadlineSeconds;
    if (seconds === undefined) return;
    this.#deadline = this.#host.clock.after(seconds * 1000, () => {
      this.#endReason = { reason: 'DeadlineExceeded', message: deadlineMessage };
      this.#event({ type: 'Normal', reason: 'DeadlineExceeded', message: deadlineMessage });
      this.#terminate(this.#graceMs);
    });
  }

  /** Containers stop, and none starts any more. A second call with less grace hurries. */
  #terminate(graceMs: number): void {
    const first = !this.#ending.signal.aborted;
    this.#ending.abort();
    if (first) for (const container of this.#containers) if (container.record.role !== 'sidecar') container.stop(graceMs);
    this.#kill?.cancel();
    const killAll = (): void => {
      for (const container of this.#containers) container.kill();
    };
    if (graceMs <= 0) killAll();
    else this.#kill = this.#host.clock.after(graceMs + sidecarGraceMs, killAll);
    if (!first && graceMs > 0) this.#hurry(graceMs);
  }

  #hurry(graceMs: number): void {
    const timer = this.#host.clock.after(graceMs, () => {
      for (const container of this.#containers) if (container.record.role !== 'sidecar') container.kill();
    });
    void this.done.then(() => timer.cancel());
  }

  #finish(): void {
    const phase = this.#endReason === undefined ? phaseOfExits(this.#records) : 'Failed';
    this.#end = { phase, ...this.#endReason };
    if (this.#silent) return;
    this.#flush();
    if (this.#deleting) this.#removeObject();
  }

  #removeObject(): void {
    try {
      this.#host.api.remove(pods, keyOf(this.#object), this.#object.metadata.uid ?? '');
    } catch (error) {
      this.#host.log(`pod ${this.#object.metadata.name} was not removed: ${(error as Error).message}`);
    }
  }

  get #records(): readonly ContainerRecord[] {
    return this.#containers.map((container) => container.record);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#silent) return;
    const { api, clock, podIP, log } = this.#host;
    const { uid, name } = this.#object.metadata;
    try {
      api.update(
        pods,
        keyOf(this.#object),
        (current) => {
          if (current.metadata.uid !== uid) return undefined;
          const pod = asPod(current);
          const end = this.#end === undefined ? {} : { end: this.#end };
          const status = podStatus({ pod, records: this.#records, startTime: this.#startTime, podIP, ...end }, pod.status, clock.now());
          return status === undefined ? undefined : { ...current, status };
        },
        'status',
      );
    } catch (error) {
      log(`the status of pod ${name} was not written: ${(error as Error).message}`);
    }
  }

  #event(text: EventText): void {
    if (!this.#silent) this.#host.events.emit('kubelet', this.#object, text);
  }
}

/** Removes everything a pod left on disk. */
export const removePodDir = (podDir: string): Promise<void> => rm(podDir, { recursive: true, force: true });

function recordsOf(pod: Pod): readonly ContainerRecord[] {
  const hasInit = (pod.spec.initContainers ?? []).length > 0;
  const reason = hasInit ? 'PodInitializing' : 'ContainerCreating';
  const record = (spec: Container, role: ContainerRole): ContainerRecord => ({
    spec,
    role,
    state: { waiting: { reason } },
    lastState: {},
    restartCount: 0,
    containerID: '',
  });
  return [
    ...(pod.spec.initContainers ?? []).map((spec) => record(spec, spec.restartPolicy === 'Always' ? 'sidecar' : 'init')),
    ...pod.spec.containers.map((spec) => record(spec, 'main')),
  ];
}
