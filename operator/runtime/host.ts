/**
 * The host: @dot-i/k8s-operator's Operator with its life cycle (construct, start → init, stop), its names and its kubeconfig kept, and
 * everything in it that talks to the API server replaced. Its own watch, status and finalizer calls lose errors, race, open a
 * connection per call or exit the process; ADR 0003 has the list and the numbers. This file is the only one that knows the package.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import type operatorModule from '@dot-i/k8s-operator';
import type { ResourceEvent, ResourceEventType, ResourceMeta } from '@dot-i/k8s-operator';
import { CoreV1Api } from '@kubernetes/client-node';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { collectionPath } from '../kube/paths.ts';
import { mergePatch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import { apiVersionOf } from '../kube/resource.ts';
import { realClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { asError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Exit } from './manager.ts';
import { OperatorKit } from './operatorKit.ts';
import type { KitOptions } from './operatorKit.ts';

/** A CommonJS package whose `default` Node and bundlers unwrap differently when it is imported; required, it is the same everywhere. */
const upstream = createRequire(import.meta.url)('@dot-i/k8s-operator') as typeof operatorModule;

export interface HostOptions extends Omit<KitOptions, 'access' | 'identity' | 'clock'> {
  /** Default: the kubeconfig that kubectl would use, or the pod's service account. */
  readonly config?: PooledKubeConfig;
  /** Default: the host's name and a random part. */
  readonly identity?: string;
  readonly clock?: Clock;
  /** Asks the kit for informers and controllers and connects them. Runs once, inside start(). */
  readonly setup: (kit: OperatorKit) => void | Promise<void>;
}

/** A member of the base class that cannot work here. The message says what to use instead. */
export class RefusedError extends Error {
  readonly code = 'Refused';

  constructor(member: string, instead: string) {
    super(`${member} is not available: ${instead}`);
    this.name = 'RefusedError';
  }
}

const eventTypes = {
  added: upstream.ResourceEventType.Added,
  updated: upstream.ResourceEventType.Modified,
  deleted: upstream.ResourceEventType.Deleted,
} as const satisfies Record<string, ResourceEventType>;

export class ProwOperator extends upstream.default {
  readonly kit: OperatorKit;
  readonly #log: Logger;
  readonly #setup: HostOptions['setup'];
  readonly #stop = new AbortController();
  readonly #exited = Promise.withResolvers<Exit>();

  /** Reads the kubeconfig; connects nothing. */
  constructor(options: HostOptions) {
    super(options.logger);
    const { config = PooledKubeConfig.load(), identity = `${hostname()}_${randomUUID()}`, clock = realClock, setup, ...rest } = options;
    this.kit = new OperatorKit({ ...rest, identity, clock, access: config });
    this.kubeConfig = config;
    this.k8sApi = config.makeApiClient(CoreV1Api);
    this.#log = options.logger;
    this.#setup = setup;
  }

  /** How the process should end, once everything has stopped. Never rejects. */
  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Begins the ordered stop; `exited` tells when it is complete. Any number of calls. */
  override stop(): void {
    this.#stop.abort();
  }

  /** Called by start(): sets up, then lets the manager run. A setup that throws makes start() reject, and nothing runs. */
  protected override async init(): Promise<void> {
    await this.#setup(this.kit);
    void this.kit.manager.run(this.#stop.signal).then(this.#exited.resolve, (error: unknown) => {
      this.#exited.resolve({ reason: 'failed', exitCode: 1, error: asError(error) });
    });
  }

  /**
   * Joins the shared informer of this resource. Only before the manager runs, so inside setup. The handler should do no more than note
   * a key: events are a cache's changes, so several changes may come as one; what it throws is logged and lost.
   */
  protected override async watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
    namespace?: string,
  ): Promise<void> {
    const type = await this.#discover({ group, version, plural });
    const informer = this.kit.informer(type, namespace === undefined ? {} : { namespace });
    informer.store.subscribe(({ type: change, object }) => {
      const failed = (error: unknown): void => {
        this.#log.error('An event handler failed; the event is lost', { plural, object: object.metadata.name, error: asError(error) });
      };
      try {
        const event = { type: eventTypes[change], meta: metaOf(plural, object), object: object as unknown as ResourceEvent['object'] };
        onEvent(event).catch(failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  protected override getCustomResourceApiUri(group: string, version: string, plural: string, namespace?: string): string {
    const server = this.kubeConfig.getCurrentCluster()?.server ?? '';
    const type = { group, version, plural, kind: '', namespaced: namespace !== undefined };
    return server.replace(/\/+$/, '') + collectionPath(type, namespace);
  }

  /** Replaces the status of the object as it was read. Throws ApiError, Conflict included, and TransportError. */
  protected override async setResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    const { name, namespace = '', resourceVersion, apiVersion, kind } = meta;
    const metadata = { name, resourceVersion, ...(namespace === '' ? {} : { namespace }) };
    const object = { apiVersion, kind, metadata, status };
    return metaOf(pluralOf(meta), await this.kit.client.replace<KubeObject>(typeOf(meta), object, { subresource: 'status' }));
  }

  /** Merges into the status of the object as it was read. Throws ApiError, Conflict included, and TransportError. */
  protected override async patchResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    const patch = mergePatch({ metadata: { resourceVersion: meta.resourceVersion }, status });
    return metaOf(pluralOf(meta), await this.kit.client.patch(typeOf(meta), keyOfMeta(meta), patch, { subresource: 'status' }));
  }

  /** Replaces the finalizers of the object as it was read: one that somebody added since makes this throw Conflict. */
  protected override async setResourceFinalizers(meta: ResourceMeta, finalizers: readonly string[]): Promise<void> {
    const patch = mergePatch({ metadata: { resourceVersion: meta.resourceVersion, finalizers } });
    await this.kit.client.patch(typeOf(meta), keyOfMeta(meta), patch);
  }

  /** True when there is nothing more to do for this event. The event's object is left as it is; errors are thrown. */
  protected override async handleResourceFinalizer(
    event: ResourceEvent,
    finalizer: string,
    deleteAction: (event: ResourceEvent) => Promise<void>,
  ): Promise<boolean> {
    const { metadata } = event.object;
    if (metadata === undefined || event.type === eventTypes.deleted) return false;
    const finalizers = metadata.finalizers ?? [];
    const ours = finalizers.includes(finalizer);
    if (metadata.deletionTimestamp === undefined) {
      if (ours) return false;
      await this.setResourceFinalizers(event.meta, [...finalizers, finalizer]);
      return true;
    }
    if (!ours) return true;
    await deleteAction(event);
    await this.setResourceFinalizers(
      event.meta,
      finalizers.filter((other) => other !== finalizer),
    );
    return true;
  }

  protected override registerCustomResourceDefinition(_crdFile: string): Promise<never> {
    return Promise.reject(
      new RefusedError('registerCustomResourceDefinition', 'CRDs are installed before the operator, by the chart or kubectl apply'),
    );
  }

  protected override applyAxiosKubeConfigAuth(_request: object): Promise<never> {
    return Promise.reject(new RefusedError('applyAxiosKubeConfigAuth', 'calls go through kit.client, which authenticates them'));
  }

  protected override applyGaxiosKubeConfigAuth(_options: object): Promise<never> {
    return Promise.reject(new RefusedError('applyGaxiosKubeConfigAuth', 'calls go through kit.client, which authenticates them'));
  }

  /** The base class's callers name no kind, and lists carry none: the server knows it. */
  async #discover(address: { group: string; version: string; plural: string }): Promise<ResourceType> {
    const { group, version, plural } = address;
    const path = group === '' ? `/api/${version}` : `/apis/${encodeURIComponent(group)}/${encodeURIComponent(version)}`;
    const { resources = [] } = (await this.kit.client.raw({ method: 'GET', path })) as { resources?: readonly DiscoveredResource[] };
    const found = resources.find(({ name }) => name === plural);
    if (found === undefined)
      throw new Error(`The API server has no ${plural} in ${apiVersionOf({ ...address, kind: '', namespaced: false })}`);
    return { group, version, plural, kind: found.kind, namespaced: found.namespaced };
  }
}

interface DiscoveredResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const metaOf = (plural: string, object: KubeObject): ResourceMeta =>
  upstream.ResourceMetaImpl.createWithPlural(plural, object as unknown as ResourceEvent['object']);

/** A meta's id is "<plural>.<apiVersion>"; a plural has no dots. */
const pluralOf = (meta: ResourceMeta): string => meta.id.slice(0, meta.id.indexOf('.'));

const keyOfMeta = (meta: ResourceMeta): ObjectKey => ({ namespace: meta.namespace ?? '', name: meta.name });

function typeOf(meta: ResourceMeta): ResourceType {
  const slash = meta.apiVersion.indexOf('/');
  return {
    group: slash < 0 ? '' : meta.apiVersion.slice(0, slash),
    version: meta.apiVersion.slice(slash + 1),
    plural: pluralOf(meta),
    kind: meta.kind,
    namespaced: meta.namespace !== undefined,
  };
}
