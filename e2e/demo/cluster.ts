/**
 * The demo's own hands on the cluster: the real kubectl for what a user would type, the framework's client and informers for everything
 * that must be seen without a gap.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { realClock } from '../../operator/runtime/clock.ts';
import { Informer } from '../../operator/runtime/informer.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { kubernetesTool } from '../../tools/helm.ts';
import type { Run, Schedule, World } from './world.ts';

const run = promisify(execFile);

export class Cluster {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly #transport: UndiciTransport;
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  readonly #informers: Promise<void>[] = [];

  private constructor(kubeconfig: string, namespace: string) {
    this.kubeconfig = kubeconfig;
    this.namespace = namespace;
    this.#transport = new UndiciTransport(PooledKubeConfig.load({ path: kubeconfig }));
    this.#client = new KubeClient({ transport: this.#transport });
  }

  /** Waits until the kubeconfig is there and the API behind it is ready. `alive` is asked between two looks and throws when waiting is in vain. */
  static async connect(kubeconfig: string, namespace: string, alive: () => void): Promise<Cluster> {
    while (!existsSync(kubeconfig)) {
      alive();
      await wait(25);
    }
    const cluster = new Cluster(kubeconfig, namespace);
    for (;;) {
      alive();
      const ready = await cluster.#client.text('/readyz').catch(() => '');
      if (ready === 'ok') return cluster;
      await wait(25);
    }
  }

  /** Runs the real kubectl; rejects with what it wrote. */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    const child = run(kubernetesTool('kubectl'), [...args], {
      env: { PATH: process.env.PATH, HOME: this.#home, KUBECONFIG: this.kubeconfig },
      maxBuffer: 16 << 20,
    });
    child.child.stdin?.end(input);
    return (await child).stdout;
  }

  /** Feeds the world from watches until close(). Resolves when all there is has been seen once. */
  async follow(world: World, nowMs: () => number): Promise<void> {
    await Promise.all([
      this.#watch(periodics, (change) => world.seeSchedule(change)),
      this.#watch(prowJobs, (change) => world.seeRun(change, nowMs())),
      this.#watch(pods, (change) => world.seePod(change, nowMs())),
    ]);
  }

  async runNow(schedule: Schedule, token: string): Promise<void> {
    await this.#patchPeriodic(schedule, { metadata: { annotations: { [runNowAnnotation]: token } } });
  }

  async suspend(schedule: Schedule): Promise<void> {
    await this.#patchPeriodic(schedule, { spec: { suspend: true } });
  }

  async abort(aborted: Run, by: string, reason: string): Promise<void> {
    await this.#client.patch<ProwJob>(
      prowJobs,
      { namespace: this.namespace, name: aborted.name },
      mergePatch({ spec: { abort: { by, reason } } }),
    );
  }

  async log(of: Run): Promise<string> {
    return this.#client.text(`/api/v1/namespaces/${this.namespace}/pods/${of.podName}/log`);
  }

  /** Writes that the API server counted so far: resource, with a subresource behind a slash, and verb → number. */
  async writes(): Promise<ReadonlyMap<string, number>> {
    const totals = new Map<string, number>();
    for (const line of (await this.#client.text('/metrics')).split('\n')) {
      if (!line.startsWith('apiserver_request_total{')) continue;
      const labels = new Map([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]));
      if (!(labels.get('code') ?? '').startsWith('2')) continue;
      const sub = labels.get('subresource') ?? '';
      const key = `${labels.get('verb') ?? ''} ${labels.get('resource') ?? ''}${sub === '' ? '' : `/${sub}`}`;
      totals.set(key, (totals.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
    }
    return totals;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the demo is over'));
    await Promise.allSettled(this.#informers);
    await this.#transport.close();
  }

  get #home(): string {
    return `${this.kubeconfig}.home`;
  }

  async #patchPeriodic(schedule: Schedule, body: object): Promise<void> {
    await this.#client.patch<Periodic>(periodics, { namespace: this.namespace, name: schedule.name }, mergePatch(body));
  }

  async #watch<T extends KubeObject>(
    type: ResourceType<T>,
    see: (change: { type: 'added' | 'updated' | 'deleted'; object: T }) => void,
  ): Promise<void> {
    const informer = new Informer<T>({ client: this.#client, type, namespace: this.namespace, clock: realClock, logger: silentLogger });
    informer.store.subscribe(see);
    this.#informers.push(informer.run(this.#stop.signal));
    await informer.synced(this.#stop.signal);
  }
}
