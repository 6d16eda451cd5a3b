/** A whole operator: for each Greeting there is a ConfigMap of the same name with the words to say. Start it with `node main.ts`. */
import { configMaps } from '../../operator/kube/builtin.ts';
import type { ConfigMap } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Condition, KubeObject, ObjectKey } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { setCondition } from '../../operator/runtime/index.ts';
import type { OperatorKit, ReconcileContext, Reconciler, Result } from '../../operator/runtime/index.ts';

export interface Greeting extends KubeObject {
  readonly spec: { readonly whom: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

const gv = { group: 'example.io', version: 'v1' };
export const greetings: ResourceType<Greeting> = { ...gv, plural: 'greetings', kind: 'Greeting', namespaced: true };

const connect = (kit: OperatorKit) => {
  const own = kit.informer(greetings);
  const made = kit.informer(configMaps);
  return { own, made, ownWriter: kit.writer(own), madeWriter: kit.writer(made), events: kit.events };
};

export class GreetingReconciler implements Reconciler {
  readonly #deps: ReturnType<typeof connect>;

  constructor(deps: ReturnType<typeof connect>) {
    this.#deps = deps;
  }

  /** Reads both objects, makes the ConfigMap right, and says so in the status. A second pass writes nothing. */
  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const greeting = this.#deps.own.store.get(key);
    // Gone, or going: the garbage collector takes the ConfigMap along.
    if (greeting === undefined || greeting.metadata.deletionTimestamp !== undefined) return {};
    const text = `Hello, ${greeting.spec.whom}!`;
    const found = this.#deps.made.store.get(key);
    if (found !== undefined && !isOwned(found, greeting)) {
      await this.#status(greeting, { status: 'False', reason: 'NameTaken', message: `Another one owns ConfigMap ${key.name}` }, ctx);
      return {};
    }
    if (found === undefined) await this.#create(greeting, text, ctx);
    else if (found.data?.text !== text) await this.#deps.madeWriter.patch(key, mergePatch({ data: { text } }), ctx);
    await this.#status(greeting, { status: 'True', reason: 'Said', message: text }, ctx);
    return {};
  }

  /** AlreadyExists is thrown on: the cache is behind, and the next pass will see what is there. */
  async #create(greeting: Greeting, text: string, { signal }: ReconcileContext): Promise<void> {
    const { name, namespace = '', uid = '' } = greeting.metadata;
    const ownerReferences = [{ apiVersion: 'example.io/v1', kind: 'Greeting', name, uid, controller: true }];
    await this.#deps.madeWriter.create({ metadata: { name, namespace, ownerReferences }, data: { text } }, { signal });
    this.#deps.events.event(greeting, 'Normal', 'Said', text);
  }

  async #status(greeting: Greeting, ready: Pick<Condition, 'status' | 'reason' | 'message'>, ctx: ReconcileContext): Promise<void> {
    const { metadata, status } = greeting;
    const input = { type: 'Ready', ...ready, observedGeneration: metadata.generation ?? 0 };
    const conditions = setCondition(status?.conditions, input, ctx.clock.now());
    if (conditions === status?.conditions) return;
    await this.#deps.ownWriter.patchStatus(keyOf(greeting), { status: { conditions } }, ctx);
  }
}

const isOwned = (configMap: ConfigMap, { metadata }: Greeting): boolean =>
  configMap.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true;

/** Connects the reconciler: a change of either object wakes the key they share. */
export function setup(kit: OperatorKit): void {
  const deps = connect(kit);
  const controller = kit.controller({ name: 'greeting', reconciler: new GreetingReconciler(deps), workers: 4 });
  controller.watch(deps.own, ({ object }) => [keyOf(object)]);
  controller.watch(deps.made, ({ object }) => [keyOf(object)]);
}
