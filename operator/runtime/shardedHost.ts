/**
 * The host of an operator that is divided into shards: one process with one health page, which runs a ProwOperator of its own for each
 * shard that it leads. A slice has its own caches, queues and connections and knows nothing of the others; what they share is the
 * process. Its figures carry the label `shard`.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { KubeClient } from '../kube/client.ts';
import type { PooledKubeConfig } from '../kube/kubeConfig.ts';
import { UndiciTransport, type Transport } from '../kube/transport.ts';
import { createRequestMeter } from './clientMetrics.ts';
import { realClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { StoppedError, asError } from './errors.ts';
import { HealthServer } from './health.ts';
import { ProwOperator } from './host.ts';
import type { Logger } from './logger.ts';
import type { Exit, Service } from './manager.ts';
import { MergedMetrics } from './mergedMetrics.ts';
import { Metrics } from './metrics.ts';
import type { Connect, LeaseSettings, OperatorKit } from './operatorKit.ts';
import { shardOf } from './shardAssignment.ts';
import { ShardKeeper } from './shardKeeper.ts';
import type { ShardLease, Slice } from './shardKeeper.ts';

/** What a slice is told of its place. */
export interface ShardPlace {
  readonly shard: number;
  readonly count: number;
  /** Whether objects of this namespace are looked after here. */
  readonly owns: (namespace: string) => boolean;
}

export interface ShardedHostOptions {
  readonly name: string;
  readonly config: PooledKubeConfig;
  readonly count: number;
  readonly lease: LeaseSettings;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health?: { readonly host?: string; readonly port?: number };
  /** Who makes connections. Default: a pool of its own for each caller. */
  readonly connect?: Connect;
  /** What the process does whether it leads shards or not. */
  readonly services?: readonly Pick<Service, 'name' | 'run'>[];
  /** Asks the kit for informers and controllers. Once for each slice; what it returns is called when the slice has ended. */
  readonly setup: (kit: OperatorKit, place: ShardPlace) => () => void;
  /** Default: the host's name and a random part. */
  readonly identity?: string;
  readonly clock?: Clock;
}

export class ShardedHost {
  readonly #options: ShardedHostOptions;
  readonly #clock: Clock;
  readonly #identity: string;
  readonly #pages: MergedMetrics;
  readonly #health: HealthServer | undefined;
  readonly #transport: Transport;
  readonly #keeper: ShardKeeper;
  readonly #stop = new AbortController();
  readonly #exited = Promise.withResolvers<Exit>();

  constructor(options: ShardedHostOptions) {
    const { config, lease, count, logger, metrics, clock = realClock, identity = `${hostname()}_${randomUUID()}` } = options;
    this.#options = options;
    this.#clock = clock;
    this.#identity = identity;
    this.#pages = new MergedMetrics(metrics);
    // Renewals of all shards at once, and none behind other calls.
    const connect: Connect = options.connect ?? ((source, settings) => new UndiciTransport(source, settings));
    this.#transport = connect(config, { connections: 4, timeoutMs: 5_000, observe: createRequestMeter(metrics) });
    const { namespace, name, ...timing } = lease;
    this.#keeper = new ShardKeeper({
      client: new KubeClient({ transport: this.#transport }),
      lease: { namespace, name },
      identity,
      count,
      slice: (shard, of) => this.#slice(shard, of),
      clock,
      logger,
      metrics,
      ...timing,
    });
    if (options.health !== undefined) {
      this.#health = new HealthServer({ ...options.health, metrics: this.#pages, logger });
      this.#health.addReadyCheck('process', () => (this.#stop.signal.aborted ? 'stopping' : undefined));
      this.#health.addReadyCheck('shards', () => this.#keeper.missing());
    }
  }

  /** How the process should end, once everything has stopped. Never rejects. */
  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Rejects when it cannot begin, as when the port of the health page is taken. Once. */
  async start(): Promise<void> {
    const address = await this.#health?.start();
    if (address !== undefined) this.#options.logger.info('Serving health and metrics', { url: address.url });
    void this.#run().then(this.#exited.resolve, (error: unknown) => {
      this.#exited.resolve({ reason: 'failed', exitCode: 1, error: asError(error) });
    });
  }

  /** Begins the ordered stop; `exited` tells when it is complete. Any number of calls. */
  stop(): void {
    this.#stop.abort(new StoppedError());
  }

  async #run(): Promise<Exit> {
    const { logger, services = [] } = this.#options;
    const base = new AbortController();
    const failed = Promise.withResolvers<Exit>();
    const running = services.map(({ name, run }) =>
      run(base.signal).catch((error: unknown) => {
        logger.error('A part of the process failed; it will stop', { part: name, error: asError(error) });
        failed.resolve({ reason: 'failed', exitCode: 1, error: asError(error) });
      }),
    );
    void failed.promise.then(() => this.stop());
    const exit = await this.#keeper.run(this.#stop.signal);
    logger.info('Stopping', { reason: exit.reason });
    base.abort(new StoppedError());
    await Promise.all(running);
    await this.#health?.stop();
    await this.#transport.close();
    logger.info('Stopped', { reason: exit.reason });
    return exit.reason === 'stopped' ? Promise.race([failed.promise, Promise.resolve(exit)]) : exit;
  }

  #slice(shard: number, lease: ShardLease): Slice {
    const { name, config, logger, count, connect, setup } = this.#options;
    const metrics = new Metrics({ shard: String(shard) });
    const hide = this.#pages.add(metrics);
    let undo = (): void => undefined;
    const operator = new ProwOperator({
      name,
      config,
      metrics,
      identity: this.#identity,
      clock: this.#clock,
      logger: logger.child({ shard }),
      elector: lease,
      ...(connect === undefined ? {} : { connect }),
      setup: (kit) => {
        undo = setup(kit, { shard, count, owns: (namespace) => shardOf(namespace, count) === shard });
      },
    });
    const exited = operator.exited.finally(() => {
      undo();
      hide();
    });
    return {
      start: () => operator.start(),
      stop: () => operator.stop(),
      exited,
      get isWorking() {
        return operator.kit.manager.phase === 'leading';
      },
    };
  }
}
