/**
 * For tests of controllers over a real socket: the sandbox's API with the given CRDs, informers, and a count of what was written. The
 * time of the controllers and of the API server is the test's own; connections and watches live in real time.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { KubeClient } from '../../kube/client.ts';
import { PooledKubeConfig } from '../../kube/kubeConfig.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { ResourceType } from '../../kube/resource.ts';
import { UndiciTransport, type HttpAnswer, type HttpRequest, type Transport } from '../../kube/transport.ts';
import { realClock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import { Informer, type InformerOptions } from '../informer.ts';
import { silentLogger } from '../logger.ts';
import { FakeClock } from './fakeClock.ts';
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts';

const crds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/** Remembers every write, as "PATCH periodics/nightly/status". */
class CountingTransport implements Transport {
  readonly writes: string[] = [];
  readonly #inner: Transport;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  call(request: HttpRequest): Promise<HttpAnswer> {
    const [target = ''] = request.path.split('?');
    if (request.method !== 'GET') this.writes.push(`${request.method} ${target.replace(/^.*\/namespaces\/[^/]+\//, '')}`);
    return this.#inner.call(request);
  }

  open(...args: Parameters<Transport['open']>): ReturnType<Transport['open']> {
    return this.#inner.open(...args);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export interface Running {
  readonly controller: Controller;
  /** What this process wrote. */
  readonly writes: readonly string[];
  stop(): Promise<void>;
}

export class SandboxCluster {
  readonly clock: FakeClock;
  /** The user's client. */
  readonly client: KubeClient;
  readonly #sandbox: Sandbox;

  private constructor(sandbox: Sandbox, clock: FakeClock) {
    this.#sandbox = sandbox;
    this.clock = clock;
    this.client = new KubeClient({ transport: this.#connect() });
  }

  static async open(types: readonly ResourceType[], startMs: number): Promise<SandboxCluster> {
    const clock = new FakeClock(startMs);
    const cluster = new SandboxCluster(await startSandbox({ kubelet: false, now: () => clock.now() }), clock);
    for (const { group, plural } of types) {
      const file = path.join(import.meta.dirname, `../../../crds/generated/${group}_${plural}.yaml`);
      await cluster.client.create(crds, parse(readFileSync(file, 'utf8')) as KubeObject);
    }
    for (const type of types) await cluster.until(() => cluster.client.list(type, { namespace: 'default' }).then(Boolean, () => false));
    return cluster;
  }

  /** A process of its own: informers with empty caches, and the controller that `make` builds on them. */
  async run(
    make: (
      client: KubeClient,
      informer: <T extends KubeObject>(options: Pick<InformerOptions<T>, 'type' | 'indexers'>) => Informer<T>,
    ) => Controller,
  ): Promise<Running> {
    const transport = new CountingTransport(this.#connect());
    const client = new KubeClient({ transport });
    const abort = new AbortController();
    const informers: { run(signal: AbortSignal): Promise<void>; synced(): Promise<void> }[] = [];
    const controller = make(client, (options) => {
      const informer = new Informer({ client, clock: realClock, logger: silentLogger, namespace: 'default', ...options });
      informers.push(informer);
      return informer;
    });
    const ended = informers.map((informer) => informer.run(abort.signal));
    await Promise.all(informers.map((informer) => informer.synced()));
    ended.push(controller.run(abort.signal));
    return {
      controller,
      writes: transport.writes,
      stop: async () => {
        abort.abort();
        await Promise.all(ended);
        await transport.close();
      },
    };
  }

  /** Asks again until it is so; the test's own time limit ends what never is. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#sandbox.close();
  }

  #connect(): Transport {
    return new UndiciTransport(PooledKubeConfig.load({ path: this.#sandbox.kubeconfigPath }));
  }
}
