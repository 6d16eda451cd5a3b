/** Everything that one pass over a PeriodicSet reads, from stores only. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { expandSet, type Expansion } from '../../operator/jobs/matrixChildren.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { bySet } from './owned.ts';

export interface ScopeSources {
  readonly sets: Pick<StoreReader<PeriodicSet>, 'get'>;
  /** Its informer has periodicSetIndexers. */
  readonly periodics: Pick<StoreReader<Periodic>, 'get' | 'byIndex'>;
}

export interface PeriodicSetScope {
  readonly set: PeriodicSet;
  readonly expansion: Expansion;
  /** The Periodics of this set by name, those that are being deleted included. */
  readonly owned: ReadonlyMap<string, Periodic>;
  /** What stands under a name that the set wants and does not belong to it. */
  readonly strangers: ReadonlyMap<string, Periodic>;
}

/** Expansions by spec. An expansion depends on nothing else, and a set is looked at far more often than it changes. */
export type ExpansionCache = WeakMap<PeriodicSet['spec'], Expansion>;

/** Undefined: there is nothing to do for this set, because it is gone or going; its Periodics go with it. */
export function readScope({ sets, periodics }: ScopeSources, key: ObjectKey, cache: ExpansionCache): PeriodicSetScope | undefined {
  const set = sets.get(key);
  if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined;
  const expansion = cache.get(set.spec) ?? expandSet(set);
  cache.set(set.spec, expansion);
  const { namespace } = key;
  const children = periodics.byIndex(bySet, set.metadata.uid ?? '').filter(({ metadata }) => metadata.namespace === namespace);
  const owned = new Map(children.map((periodic) => [periodic.metadata.name, periodic]));
  const strangers = new Map<string, Periodic>();
  for (const { periodic } of expansion.children) {
    const { name } = periodic.metadata;
    const found = owned.has(name) ? undefined : periodics.get({ namespace, name });
    if (found !== undefined) strangers.set(name, found);
  }
  return { set, expansion, owned, strangers };
}
