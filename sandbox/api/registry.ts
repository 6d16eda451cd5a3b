/** All served resources, by address. CRDs come and go at run time; discovery reads this list, so it is never out of date. */
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { ResourceInfo } from './resourceInfo.ts';

const addressOf = (type: Pick<ResourceType, 'group' | 'version' | 'plural'>): string => `${type.group}/${type.version}/${type.plural}`;

export class Registry {
  readonly #byAddress = new Map<string, ResourceInfo>();
  #all: readonly ResourceInfo[] | undefined;
  readonly #custom = new Map<string, readonly ResourceInfo[]>();

  constructor(builtins: readonly ResourceInfo[]) {
    for (const info of builtins) this.#byAddress.set(addressOf(info), info);
  }

  find(group: string, version: string, plural: string): ResourceInfo | undefined {
    return this.#byAddress.get(`${group}/${version}/${plural}`);
  }

  /** By kind, as an ownerReference names its owner. */
  findKind(group: string, kind: string): ResourceInfo | undefined {
    return this.all().find((info) => info.group === group && info.kind === kind);
  }

  of(type: ResourceType): ResourceInfo {
    const info = this.#byAddress.get(addressOf(type));
    if (info === undefined) throw new Error(`${addressOf(type)} is not served: create its CustomResourceDefinition first`);
    return info;
  }

  all(): readonly ResourceInfo[] {
    this.#all ??= [...this.#byAddress.values()];
    return this.#all;
  }

  /** Replaces what a CRD serves; an empty list ends it. */
  setCustom(crdName: string, infos: readonly ResourceInfo[]): void {
    this.#all = undefined;
    for (const info of this.#custom.get(crdName) ?? []) this.#byAddress.delete(addressOf(info));
    if (infos.length === 0) this.#custom.delete(crdName);
    else this.#custom.set(crdName, infos);
    for (const info of infos) this.#byAddress.set(addressOf(info), info);
  }

  customOf(crdName: string): readonly ResourceInfo[] {
    return this.#custom.get(crdName) ?? [];
  }
}
