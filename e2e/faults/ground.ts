/**
 * What a fault run stands on: an API server, the time that passes there, and a node that is played. The sandbox has a clock that is moved by
 * hand, so a minute takes a second or two; realGround.ts is any other API server.
 */
import { pods } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { FakeClock, settle } from '../../operator/runtime/testing/fakeClock.ts';
import type { SandboxApi } from '../../sandbox/storage/storage.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { FakeNode, type NodeApi } from './fakeNode.ts';
import type { Backend } from './faultProxy.ts';

export interface Ground {
  readonly kubeconfig: string;
  readonly backend: Backend;
  /** For the operator and for the faults. */
  readonly clock: Clock;
  /** Where the work is. */
  readonly namespace: string;
  /** Somebody else may work on the same server: the operator looks after this namespace only. */
  readonly isShared: boolean;
  /** To be called when the namespace is there. From then on its pods run. */
  begin(): Promise<void>;
  /** Lets so much time pass, and where time is our own, waits until `isQuiet` after each step. */
  pass(ms: number, isQuiet: () => boolean): Promise<void>;
  /** The same for who waits for so long; the time of day may advance by less. */
  hurry(ms: number, isQuiet: () => boolean): Promise<void>;
  /** The same when nothing is created any more: things grow old. */
  rest(ms: number, isQuiet: () => boolean): Promise<void>;
  /** Who waits for less than this is woken, and what is older than this is old. The time of day need not advance. */
  age(ms: number, isQuiet: () => boolean): Promise<void>;
  /** Throws when the node cannot do its work. */
  check(): void;
  close(): Promise<void>;
}

/** In real time, so never: what comes when should not depend on the machine. */
const bookmarkMs = 3_600_000;
const stepMs = 250;
/** Turns of the event loop. Both ends of every connection are in this process, so this carries several calls from end to end. */
const turnsOfQuiet = 12;
const mostTurns = 20_000;

class SandboxGround implements Ground {
  readonly kubeconfig: string;
  readonly backend: Backend;
  readonly clock: FakeClock;
  readonly namespace = 'chance';
  readonly isShared = false;
  readonly #sandbox: Sandbox;
  #node: FakeNode | undefined;

  constructor(sandbox: Sandbox, clock: FakeClock) {
    this.#sandbox = sandbox;
    this.clock = clock;
    this.kubeconfig = sandbox.kubeconfigPath;
    this.backend = sandbox;
  }

  begin(): Promise<void> {
    this.#node = new FakeNode(nodeApiOf(this.#sandbox.api), this.clock);
    return Promise.resolve();
  }

  async pass(ms: number, isQuiet: () => boolean): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) await this.age(Math.min(stepMs, leftMs), isQuiet);
  }

  hurry(ms: number, isQuiet: () => boolean): Promise<void> {
    return this.pass(ms, isQuiet);
  }

  rest(ms: number, isQuiet: () => boolean): Promise<void> {
    return this.pass(ms, isQuiet);
  }

  async age(ms: number, isQuiet: () => boolean): Promise<void> {
    await this.clock.advance(ms);
    for (let [turns, quiet] = [0, 0]; quiet < turnsOfQuiet && turns < mostTurns; turns += 1) {
      await settle();
      quiet = isQuiet() ? quiet + 1 : 0;
    }
  }

  check(): void {
    // Everything that the node does here is done at once, or throws where it is done.
  }

  async close(): Promise<void> {
    this.#node?.close();
    await this.#sandbox.close();
  }
}

/** A sandbox of its own, with a clock that only the run moves. */
export async function sandboxGround(): Promise<Ground> {
  const clock = new FakeClock();
  const sandbox = await startSandbox({ kubelet: false, now: () => clock.now(), bookmarkIntervalMs: bookmarkMs });
  return new SandboxGround(sandbox, clock);
}

/** Calls inside the process: they are answered before they return. */
const nodeApiOf = (api: SandboxApi): NodeApi => ({
  watch: (on) => api.watch(pods, ({ type, object }) => on(type, object as unknown as Parameters<typeof on>[1])),
  bind: (pod) => {
    const { uid } = pod.metadata;
    api.update(pods, keyOf(pod), (current) =>
      current.metadata.uid === uid ? { ...current, spec: { ...(current.spec as object), nodeName: 'chance' } } : undefined,
    );
  },
  report: (pod, status) => {
    const { uid } = pod.metadata;
    api.update(pods, keyOf(pod), (current) => (current.metadata.uid === uid ? { ...current, status } : undefined), 'status');
  },
  remove: (pod) => api.remove(pods, keyOf(pod), pod.metadata.uid ?? ''),
});
