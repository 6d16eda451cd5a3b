/**
 * A small world for tests over a real socket: the sandbox's API with the CRDs, and operators that can be started, counted, killed at
 * any of their writes, and started again. The test plays the kubelet, unless it asks for one.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { buildClusters, prowJobs } from '../../../crds/resources.ts';
import type { ProwJob, ProwJobSpec } from '../../../crds/v1/prowJob.ts';
import { LocalClusters } from '../../../operator/clusters/clusters.ts';
import { podIndexers } from '../../../operator/jobs/podOwner.ts';
import { runIndexers } from '../../../operator/jobs/runIndex.ts';
import { podSelector } from '../../../operator/jobs/labels.ts';
import { defaultPolicy, type JobPolicy } from '../../../operator/jobs/policy.ts';
import { pods, type Pod, type PodStatus } from '../../../operator/kube/builtin.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { TransportError, isNotFound } from '../../../operator/kube/errors.ts';
import { PooledKubeConfig } from '../../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import { mergePatch } from '../../../operator/kube/patch.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { UndiciTransport, type HttpAnswer, type HttpRequest, type Transport } from '../../../operator/kube/transport.ts';
import { realClock, type Clock } from '../../../operator/runtime/clock.ts';
import { Informer } from '../../../operator/runtime/informer.ts';
import { Metrics } from '../../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../../operator/runtime/objectWriter.ts';
import { RecordingLogger } from '../../../operator/runtime/testing/recordingLogger.ts';
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts';
import type { Admission } from '../admission.ts';
import { prowJobController } from '../controller.ts';
import { runSummary } from '../summary.ts';
import type { Controller } from '../../../operator/runtime/controller.ts';
import { podSpec } from './builders.ts';

const crdType: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const crdDir = path.join(import.meta.dirname, '../../../crds/generated');
export const namespace = 'default';

/** Where an operator dies: before or after its n-th write (from 0) reaches the server. */
export interface CrashPoint {
  readonly write: number;
  readonly when: 'before' | 'after';
}

export interface RecordedEvent {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly name: string;
}

export interface OperatorOptions {
  readonly policy?: Partial<JobPolicy['prowJobs']>;
  readonly podNamespace?: string;
  /** Only the pods of this namespace are in the cache. */
  readonly watchPodsOf?: string;
  readonly crash?: CrashPoint;
  readonly clock?: Clock;
  /** Answers a write instead of the server, when it returns something. */
  readonly intercept?: (request: HttpRequest) => HttpAnswer | undefined;
  /** The write is carried out, and its answer does not arrive. */
  readonly swallow?: (request: HttpRequest) => boolean;
  /** The write has been carried out; its answer waits for this. */
  readonly hold?: (request: HttpRequest) => Promise<void>;
}

/** Counts writes, and fails for good at the crash point. */
class CountingTransport implements Transport {
  readonly writes: string[] = [];
  readonly #inner: Transport;
  readonly #options: OperatorOptions;
  #dead = false;

  constructor(inner: Transport, options: OperatorOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get crashed(): boolean {
    return this.#dead;
  }

  async call(request: HttpRequest): Promise<HttpAnswer> {
    if (this.#dead) throw new TransportError('closed', 'the operator is dead');
    if (request.method === 'GET') return this.#inner.call(request);
    const { crash } = this.#options;
    const index = this.writes.length;
    const isLast = crash?.write === index;
    if (isLast && crash.when === 'before') this.#die();
    this.writes.push(`${request.method} ${request.path.split('?')[0]!.replace(/^\/apis?\/(.*?\/)?namespaces\//, '')}`);
    const answer = this.#options.intercept?.(request) ?? (await this.#inner.call(request));
    await this.#options.hold?.(request);
    if (isLast) this.#die();
    if (this.#options.swallow?.(request) === true) throw new TransportError('timeout', 'no answer came in time');
    return answer;
  }

  open(...args: Parameters<Transport['open']>): ReturnType<Transport['open']> {
    return this.#inner.open(...args);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #die(): never {
    this.#dead = true;
    throw new TransportError('closed', 'the operator dies here');
  }
}

export interface Operator {
  readonly controller: Controller;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly events: readonly RecordedEvent[];
  readonly logger: RecordingLogger;
  /** "PATCH default/prowjobs/run/status", in order. */
  readonly writes: readonly string[];
  readonly crashed: () => boolean;
  /** Whether its cache has this run. */
  readonly knows: (name: string) => boolean;
  /** Changes what the settings say. */
  setPolicy(policy: Partial<JobPolicy['prowJobs']>): void;
  /** The same for where pods go; undefined: into the namespace of their run. */
  setPodNamespace(podNamespace: string | undefined): void;
  stop(): Promise<void>;
}

export class World {
  readonly sandbox: Sandbox;
  readonly client: KubeClient;
  readonly #operators = new Set<Operator>();

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.client = new KubeClient({ transport: this.#transport() });
  }

  static async open(options: { readonly kubelet?: boolean } = {}): Promise<World> {
    const sandbox = await startSandbox({ kubelet: options.kubelet ?? false });
    const world = new World(sandbox);
    for (const name of ['prowjobs', 'buildclusters']) {
      await world.client.create(crdType, parse(readFileSync(path.join(crdDir, `prow.k8s.io_${name}.yaml`), 'utf8')) as KubeObject);
    }
    await world.eventually('the CRDs are served', async () => {
      await world.client.list(prowJobs, { namespace });
      await world.client.list(buildClusters, { namespace });
      return true;
    });
    return world;
  }

  async operator(options: OperatorOptions = {}): Promise<Operator> {
    const operator = await startOperator(this.#transport(), options);
    this.#operators.add(operator);
    return operator;
  }

  async close(): Promise<void> {
    for (const operator of this.#operators) await operator.stop();
    await this.client.close();
    await this.sandbox.close();
  }

  createRun(name: string, spec: Partial<ProwJobSpec> = {}, annotations: Record<string, string> = {}): Promise<ProwJob> {
    const full = { type: 'periodic' as const, job: name, agent: 'kubernetes', pod_spec: podSpec, ...spec };
    return this.client.create(prowJobs, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: { name, namespace, annotations },
      spec: full,
    });
  }

  run(name: string): Promise<ProwJob> {
    return this.client.get(prowJobs, { namespace, name });
  }

  async pod(name: string): Promise<Pod | undefined> {
    try {
      return await this.client.get(pods, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async pods(): Promise<readonly Pod[]> {
    return (await this.client.list(pods, { namespace })).items;
  }

  /** Plays the kubelet. */
  setPodStatus(name: string, status: PodStatus): Promise<Pod> {
    return this.client.patch(pods, { namespace, name }, mergePatch({ status }), { subresource: 'status' });
  }

  /** Plays the kubelet to the end: the one container of the pod ended with this code. */
  endPod(name: string, exitCode: number): Promise<Pod> {
    const finishedAt = new Date().toISOString();
    const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
    return this.setPodStatus(name, { phase, containerStatuses: [{ name: 'test', state: { terminated: { exitCode, finishedAt } } }] });
  }

  /** Waits until the run is there; asks the server, as a user would. */
  untilRun(name: string, what: string, holds: (run: ProwJob) => boolean): Promise<ProwJob> {
    return this.eventually(`run ${name}: ${what}`, async () => {
      const run = await this.run(name);
      return holds(run) ? run : undefined;
    });
  }

  untilState(name: string, state: string): Promise<ProwJob> {
    return this.untilRun(name, `state ${state}`, (run) => run.status?.state === state);
  }

  untilPod(name: string): Promise<Pod> {
    return this.eventually(`pod ${name}`, () => this.pod(name));
  }

  async eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    const startMs = performance.now();
    for (;;) {
      let answer: T | undefined | false;
      try {
        answer = await ask();
      } catch (error) {
        if (!isNotFound(error)) throw error;
        answer = undefined;
      }
      if (answer !== undefined && answer !== false) return answer;
      if (performance.now() - startMs > 18_000) throw new Error(`waited in vain for: ${what}`);
    }
  }

  #transport(): UndiciTransport {
    return new UndiciTransport(PooledKubeConfig.load({ path: this.sandbox.kubeconfigPath }));
  }
}

async function startOperator(inner: Transport, options: OperatorOptions): Promise<Operator> {
  const transport = new CountingTransport(inner, options);
  const client = new KubeClient({ transport });
  const logger = new RecordingLogger();
  const metrics = new Metrics();
  const events: RecordedEvent[] = [];
  const clock = options.clock ?? realClock;
  let policy: JobPolicy = {
    ...defaultPolicy,
    ...(options.podNamespace === undefined ? {} : { podNamespace: options.podNamespace }),
    prowJobs: { ...defaultPolicy.prowJobs, ...options.policy },
  };
  const common = { client, clock: realClock, logger };
  const jobs = new Informer<ProwJob>({ ...common, type: prowJobs, indexers: runIndexers, transform: runSummary() });
  const podCache = new Informer<Pod>({
    ...common,
    type: pods,
    labelSelector: podSelector,
    indexers: podIndexers,
    ...(options.watchPodsOf === undefined ? {} : { namespace: options.watchPodsOf }),
  });
  const clusterCache = new Informer({ ...common, type: buildClusters });
  const access = { pods: podCache.store, writer: new ObjectWriter(client, pods, podCache.store), client };
  const { controller, admission, settingsChanged } = prowJobController({
    jobs: jobs.store,
    writer: new ObjectWriter<ProwJob>(client, prowJobs, jobs.store),
    clusters: new LocalClusters(access, clusterCache.store),
    policy: () => policy,
    events: { event: (regarding, type, reason, note) => void events.push({ type, reason, note, name: regarding.metadata.name }) },
    metrics,
    clock,
    logger,
  });
  const stop = new AbortController();
  const running: Promise<unknown>[] = [jobs.run(stop.signal), podCache.run(stop.signal), clusterCache.run(stop.signal)];
  await Promise.all([jobs.synced(), podCache.synced(), clusterCache.synced()]);
  running.push(controller.run(stop.signal, stop.signal));
  let stopped: Promise<void> | undefined;
  return {
    controller,
    admission,
    metrics,
    events,
    logger,
    writes: transport.writes,
    crashed: () => transport.crashed,
    knows: (name) => jobs.store.get({ namespace, name }) !== undefined,
    setPolicy(change) {
      policy = { ...policy, prowJobs: { ...policy.prowJobs, ...change } };
      settingsChanged();
    },
    setPodNamespace(podNamespace) {
      const { podNamespace: _before, ...rest } = policy;
      policy = podNamespace === undefined ? rest : { ...rest, podNamespace };
      settingsChanged();
    },
    stop() {
      stopped ??= (async () => {
        stop.abort();
        await Promise.allSettled(running);
        await transport.close();
      })();
      return stopped;
    },
  };
}
