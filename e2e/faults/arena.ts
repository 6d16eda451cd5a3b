/**
 * A sandbox with the six kinds, and operators beside it inside the test's process: with the whole of the real wiring, with clocks and
 * kubeconfigs of the test's choice. What was started here is ended by close().
 */
import { readFileSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { setUpControllers } from '../../operator/commands/controllers.ts';
import { loadSettings } from '../../operator/config/loadSettings.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import { configMaps, leases } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { isAlreadyExists } from '../../operator/kube/errors.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject, ObjectMeta } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { realClock, type Clock } from '../../operator/runtime/clock.ts';
import { ProwOperator } from '../../operator/runtime/host.ts';
import type { LeaseSettings } from '../../operator/runtime/operatorKit.ts';
import { ServerClock } from '../../operator/runtime/serverClock.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../sandbox/sandbox.ts';

export const namespace = 'default';
export const leaseKey = { namespace, name: 'prow-operator' };
/** Short, and long enough for a machine that has much else to do. */
const leaseTimes = { leaseDurationMs: 10_000, renewDeadlineMs: 8_000, retryPeriodMs: 500 };

export const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

export const ownTypes: readonly ResourceType[] = [prowJobs, periodics, periodicSets, periodicBackfills, pluginConfigs, buildClusters];

const generated = path.resolve(import.meta.dirname, '../../crds/generated');

/** The definition of a kind, as it is installed. */
export const definitionOf = ({ group, plural }: ResourceType): KubeObject =>
  parse(readFileSync(path.join(generated, `${group}_${plural}.yaml`), 'utf8')) as KubeObject;

/** A client with the rights of an administrator. */
export const clientOf = (kubeconfigPath: string): KubeClient =>
  new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: kubeconfigPath })) });

/** Asks again until it is so; a test's own time limit is not needed for what never is. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  const startMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startMs > limitMs) throw new Error(`waited in vain for ${what}`);
    await pause(20);
  }
}

/** Installs what is not there, and waits until the API serves all six kinds. */
export async function installKinds(client: KubeClient): Promise<void> {
  for (const file of readdirSync(generated).filter((name) => name.endsWith('.yaml'))) {
    const definition = parse(readFileSync(path.join(generated, file), 'utf8')) as KubeObject;
    await client.create(definitions, definition).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
  for (const type of ownTypes) {
    await until(`the API to serve ${type.plural}`, () =>
      client.list(type, { limit: 1 }).then(
        () => true,
        () => false,
      ),
    );
  }
}

export interface OperatorOptions {
  readonly kubeconfigPath: string;
  readonly identity: string;
  readonly settings?: SettingsFile;
  /** With an election; without, it leads. */
  readonly lease?: Partial<LeaseSettings>;
  /** The clock of its machine. */
  readonly clock?: Clock;
}

export interface Running {
  readonly operator: ProwOperator;
  readonly logger: RecordingLogger;
  stop(): Promise<void>;
}

/** Resolves when it has begun; it may have to wait for the lease. */
export async function startOperator(options: OperatorOptions): Promise<Running> {
  const { kubeconfigPath, identity, lease, settings: file = {} } = options;
  // The base class of the host reads the default kubeconfig before it is given ours.
  process.env.KUBECONFIG = kubeconfigPath;
  const logger = new RecordingLogger();
  const settings = loadSettings(stringify(file), 'settings of the test');
  const config = PooledKubeConfig.load({ path: kubeconfigPath });
  const clock = new ServerClock(options.clock ?? realClock, logger);
  const operator = new ProwOperator({
    name: 'prow-operator',
    identity,
    config,
    clock,
    connect: (access, rest) => new UndiciTransport(access, access === config ? clock.listeningTo(rest) : rest),
    logger,
    ...(lease === undefined ? {} : { lease: { ...leaseKey, ...leaseTimes, ...lease } }),
    setup: (kit) => void setUpControllers(kit, { settings: () => settings }),
  });
  await operator.start();
  const stop = async (): Promise<void> => {
    operator.stop();
    await operator.exited;
  };
  return { operator, logger, stop };
}

export class Arena {
  readonly #options: SandboxOptions;
  readonly #dataDir: string;
  readonly #running: Running[] = [];
  #sandbox: Sandbox;
  #client: KubeClient;

  private constructor(options: SandboxOptions, dataDir: string, sandbox: Sandbox) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#sandbox = sandbox;
    this.#client = clientOf(sandbox.kubeconfigPath);
  }

  static async open(options: SandboxOptions = {}): Promise<Arena> {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'prow-arena-'));
    const arena = new Arena(options, dataDir, await startSandbox({ ...options, dataDir: path.join(dataDir, 'live') }));
    await installKinds(arena.client);
    return arena;
  }

  get client(): KubeClient {
    return this.#client;
  }

  get sandbox(): Sandbox {
    return this.#sandbox;
  }

  async start(identity: string, options: Partial<OperatorOptions> = {}): Promise<Running> {
    // The sandbox may be another one soon, at the same address and with the same credentials.
    const kubeconfigPath = options.kubeconfigPath ?? this.#sandbox.kubeconfigPath;
    const running = await startOperator({ ...options, identity, kubeconfigPath });
    this.#running.push(running);
    return running;
  }

  /** Takes the API away, does something with what it has stored, and brings it back at the same address. */
  async away(meanwhile: (dataDir: string) => Promise<void>): Promise<void> {
    const port = Number(new URL(this.#sandbox.url).port);
    await this.#client.close();
    await this.#sandbox.close();
    await meanwhile(path.join(this.#dataDir, 'live'));
    this.#sandbox = await startSandbox({ ...this.#options, port, dataDir: path.join(this.#dataDir, 'live') });
    this.#client = clientOf(this.#sandbox.kubeconfigPath);
  }

  /** What was stored at this moment, for `restore`. The API is away for a moment. */
  backUp(): Promise<void> {
    return this.away((live) => cp(live, path.join(this.#dataDir, 'backup'), { recursive: true }));
  }

  async restore(): Promise<void> {
    await this.away(async (live) => {
      await rm(live, { recursive: true });
      await cp(path.join(this.#dataDir, 'backup'), live, { recursive: true });
    });
  }

  /** Lets the version grow, by changes to something that nobody looks at. */
  async age(writes: number): Promise<void> {
    const key = { namespace, name: 'clutter' };
    await this.#client.create(configMaps, { metadata: key }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    for (let count = 0; count < writes; count += 1) {
      this.#sandbox.api.update(configMaps, key, (map) => ({ ...map, data: { count: String(count) } }));
    }
  }

  apply<T extends KubeObject>(type: ResourceType<T>, object: T & { readonly metadata: ObjectMeta }): Promise<T> {
    return this.#client.create(type, { ...object, metadata: { namespace, ...object.metadata } });
  }

  run(name: string, where = namespace): Promise<ProwJob> {
    return this.#client.get(prowJobs, { namespace: where, name });
  }

  /** Waits for the end of a run and tells it as "state reason". */
  async endOf(name: string, where = namespace): Promise<string> {
    let end = '';
    await until(`the end of ${where}/${name}`, async () => {
      const { status } = await this.run(name, where);
      end = `${status?.state ?? ''} ${status?.reason ?? ''}`;
      return status?.completionTime !== undefined;
    });
    return end;
  }

  async leader(): Promise<string> {
    const lease = await this.#client.get(leases, leaseKey).catch(() => undefined);
    return lease?.spec?.holderIdentity ?? '';
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
    await this.#client.close();
    await this.#sandbox.close();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}
