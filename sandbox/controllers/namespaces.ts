/** Namespaces: each gets its default ServiceAccount and root CA; a deleted one is emptied, and goes when nothing is left in it. */
import type { ObjectService } from '../api/objectService.ts';
import type { Registry } from '../api/registry.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';
import type { Later } from './later.ts';

const core = (plural: string, kind: string): { group: string; version: string; plural: string; kind: string; namespaced: boolean } => ({
  group: '',
  version: 'v1',
  plural,
  kind,
  namespaced: plural !== 'namespaces',
});

const initial = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

export class NamespaceController {
  readonly #storage: Storage;
  readonly #service: ObjectService;
  readonly #registry: Registry;
  readonly #caPem: string;
  readonly #namespaces: ResourceInfo;
  readonly #later: Later;
  readonly #terminating = new Set<string>();
  #stop: () => void = () => undefined;

  constructor(parts: { storage: Storage; service: ObjectService; registry: Registry; caPem: string; later: Later }) {
    this.#storage = parts.storage;
    this.#service = parts.service;
    this.#registry = parts.registry;
    this.#caPem = parts.caPem;
    this.#later = parts.later;
    this.#namespaces = parts.registry.of(core('namespaces', 'Namespace'));
  }

  start(): void {
    this.#stop = this.#storage.subscribe(undefined, (event) => {
      if (event.bucket === this.#namespaces.bucket) {
        this.#observe(event.type, event.object);
        return;
      }
      const { namespace } = event.object.metadata;
      if (event.type === 'DELETED' && namespace !== undefined && this.#terminating.has(namespace))
        this.#later(`namespace ${namespace}`, () => this.#empty(namespace));
    });
    for (const kept of this.#storage.list(this.#namespaces.bucket)) this.#observe('MODIFIED', kept);
    for (const name of initial) {
      if (this.#service.find(this.#namespaces, { namespace: '', name }) === undefined)
        this.#service.create(this.#namespaces, '', { metadata: { name } });
    }
  }

  stop(): void {
    this.#stop();
  }

  #observe(type: string, object: StoredObject): void {
    const { name, deletionTimestamp } = object.metadata;
    if (type === 'ADDED') this.#furnish(name);
    if (type === 'DELETED') this.#terminating.delete(name);
    else if (deletionTimestamp !== undefined && !this.#terminating.has(name)) {
      this.#terminating.add(name);
      this.#later(`namespace ${name}`, () => this.#empty(name));
    }
  }

  #furnish(namespace: string): void {
    this.#service.create(this.#registry.of(core('serviceaccounts', 'ServiceAccount')), namespace, { metadata: { name: 'default' } });
    const data = { 'ca.crt': this.#caPem };
    this.#service.create(this.#registry.of(core('configmaps', 'ConfigMap')), namespace, { metadata: { name: 'kube-root-ca.crt' }, data });
  }

  /** Deletes the content that is not yet being deleted; ends the namespace when none is left. */
  #empty(namespace: string): void {
    let left = 0;
    const seen = new Set<string>();
    for (const info of this.#registry.all()) {
      if (!info.namespaced || seen.has(info.bucket) || !info.verbs.includes('delete')) continue;
      seen.add(info.bucket);
      for (const item of this.#storage.list(info.bucket, namespace)) {
        const gone =
          item.metadata.deletionTimestamp === undefined && this.#service.delete(info, { namespace, name: item.metadata.name }).gone;
        if (!gone) left++;
      }
    }
    const key = { namespace: '', name: namespace };
    if (left > 0 || this.#service.find(this.#namespaces, key) === undefined) return;
    this.#service.modify(this.#namespaces, key, (object) => ({ ...object, spec: { finalizers: [] } }), { subresource: 'finalize' });
  }
}
