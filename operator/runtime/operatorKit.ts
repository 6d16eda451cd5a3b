/**
 * The parts an operator is put together from, wired to each other: one connection pool, one registry, one manager, one informer for
 * each resource however many ask for it. Nothing runs before the manager does.
 */
import { KubeClient } from '../kube/client.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { UndiciTransport } from '../kube/transport.ts';
import type { AccessSource, Transport, TransportOptions } from '../kube/transport.ts';
import { createReflectorMeter, createRequestMeter, showCacheSize } from './clientMetrics.ts';
import type { Clock } from './clock.ts';
import { Controller } from './controller.ts';
import type { ControllerOptions } from './controller.ts';
import { EventRecorder } from './eventRecorder.ts';
import { HealthServer } from './health.ts';
import { Informer } from './informer.ts';
import type { InformerOptions } from './informer.ts';
import { LeaderElector } from './leaderElector.ts';
import type { LeaderElectorOptions } from './leaderElector.ts';
import type { Logger } from './logger.ts';
import { Manager } from './manager.ts';
import { Metrics } from './metrics.ts';
import { ObjectWriter } from './objectWriter.ts';

export interface LeaseSettings extends ObjectKey, Pick<LeaderElectorOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'> {}

export interface KitOptions {
  /** The operator's name: the reportingController of its Events. */
  readonly name: string;
  /** This process among its replicas and restarts. */
  readonly identity: string;
  readonly access: AccessSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  readonly transport?: Omit<TransportOptions, 'observe'>;
  /** Who makes connections. Default: a pool of its own for each caller. */
  readonly connect?: Connect;
  /** Without it there is no election: this process leads. */
  readonly lease?: LeaseSettings;
  /** In place of a lease of its own: somebody else sees to it. */
  readonly elector?: Elector;
  /** Without it nothing listens. */
  readonly health?: { readonly host?: string; readonly port?: number };
  readonly stopTimeoutMs?: number;
}

/** Who says whether this process may work, and until when: see LeaderElector. */
export interface Elector extends Pick<LeaderElector, 'acquire' | 'hold'> {
  /** Throws when a write may not be sent. */
  readonly guard: () => void;
}

/** Makes a connection to the API server that the source leads to. */
export type Connect = (source: AccessSource, options: TransportOptions) => Transport;

const connectPool: Connect = (source, options) => new UndiciTransport(source, options);

export type InformerScope<T extends KubeObject> = Pick<
  InformerOptions<T>,
  'namespace' | 'labelSelector' | 'fieldSelector' | 'indexers' | 'transform' | 'tombstones' | 'keep' | 'problemOf' | 'pageSize'
>;

/** Renewals must not queue behind other calls, nor wait as long as they may. */
const leaseTransport = { connections: 2, timeoutMs: 5_000 } as const;

export class OperatorKit {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Refuses writes while this process does not lead. */
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly manager: Manager;
  readonly health: HealthServer | undefined;
  readonly elector: Elector | undefined;
  /** For connections beside the kit's own, as to other clusters. */
  readonly connect: Connect;
  readonly #informers = new Map<string, Informer<KubeObject>>();

  constructor(options: KitOptions) {
    const { name, identity, access, clock, logger, lease } = options;
    this.clock = clock;
    this.logger = logger;
    this.metrics = options.metrics ?? new Metrics();
    this.connect = options.connect ?? connectPool;
    const { metrics } = this;
    const observe = createRequestMeter(metrics);
    const closers: (() => Promise<void>)[] = [];
    const connect = (settings: TransportOptions): Transport => {
      const transport = this.connect(access, { ...settings, observe });
      closers.push(() => transport.close());
      return transport;
    };
    this.elector = options.elector;
    if (lease !== undefined && options.elector === undefined) {
      const { namespace, name: leaseName, ...timing } = lease;
      const client = new KubeClient({ transport: connect(leaseTransport) });
      this.elector = new LeaderElector({ client, lease: { namespace, name: leaseName }, identity, clock, logger, metrics, ...timing });
    }
    const transport = connect(options.transport ?? {});
    this.client = new KubeClient({ transport, ...(this.elector === undefined ? {} : { beforeWrite: this.elector.guard }) });
    // Not fenced: an Event does no harm, and the last ones are sent after the lease is released.
    this.events = new EventRecorder({
      client: new KubeClient({ transport }),
      controller: name,
      instance: identity,
      clock,
      logger,
      metrics,
    });
    if (options.health !== undefined) this.health = new HealthServer({ ...options.health, metrics, logger });
    this.manager = new Manager({
      clock,
      logger,
      events: this.events,
      closers,
      ...(this.health === undefined ? {} : { health: this.health }),
      ...(this.elector === undefined ? {} : { elector: this.elector }),
      ...(options.stopTimeoutMs === undefined ? {} : { stopTimeoutMs: options.stopTimeoutMs }),
    });
  }

  /**
   * The informer of this resource and scope, made and handed to the manager when first asked for. Indexers and transform belong to
   * the first call; a later one that brings its own is a mistake and throws.
   */
  informer<T extends KubeObject>(type: ResourceType<T>, scope: InformerScope<T> = {}): Informer<T> {
    const { namespace = '', labelSelector = '', fieldSelector = '' } = scope;
    const id = JSON.stringify([type.group, type.version, type.plural, namespace, labelSelector, fieldSelector]);
    const known = this.#informers.get(id);
    if (known !== undefined) {
      if (scope.indexers !== undefined || scope.transform !== undefined || scope.keep !== undefined) {
        throw new Error(`The informer of ${type.plural} exists already: give indexers and transform where it is asked for first`);
      }
      return known as unknown as Informer<T>;
    }
    const { client, clock, logger, metrics } = this;
    const name = [type.plural, namespace, labelSelector, fieldSelector].filter((part) => part !== '').join(' ');
    const informer = new Informer<T>({ client, type, clock, logger, metrics: createReflectorMeter(metrics, name, clock), ...scope });
    showCacheSize(metrics, name, informer.store);
    this.#informers.set(id, informer as unknown as Informer<KubeObject>);
    this.manager.addInformer(informer);
    return informer;
  }

  /** Writes whose answers go into the informer's store at once. */
  writer<T extends KubeObject>(informer: Informer<T>): ObjectWriter<T> {
    return new ObjectWriter(this.client, informer.type, informer.store);
  }

  /** A controller with this kit's clock, logger and metrics, handed to the manager. */
  controller(options: Omit<ControllerOptions, 'clock' | 'logger' | 'metrics'>): Controller {
    const { clock, logger, metrics } = this;
    const controller = new Controller({ clock, logger, metrics, ...options });
    this.manager.addController(controller);
    return controller;
  }
}
