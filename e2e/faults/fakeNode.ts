/**
 * Plays the node for pods of random work: takes each, reads from its command how long it lives and how it ends, and lets it happen in the
 * time of the clock that it is given. No process is started, so a minute of a cluster takes a moment.
 */
import type { Pod, PodStatus } from '../../operator/kube/builtin.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { stamp } from '../../operator/jobs/times.ts';

/** What a node asks of its API server. Nothing happens to a pod that is gone, nor to another that took its name. */
export interface NodeApi {
  /** What is there as ADDED, then every change. Returns the function that ends it. */
  watch(on: (type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod) => void): () => void;
  /** What a scheduler does: from then on a deletion waits for the node. */
  bind(pod: Pod): void;
  report(pod: Pod, status: PodStatus): void;
  /** The container has stopped. */
  remove(pod: Pod): void;
}

/** From the creation of a pod until it runs, and from the wish to delete it until it is gone. */
const startMs = 300;
const stopMs = 400;

export class FakeNode {
  readonly #api: NodeApi;
  readonly #clock: Clock;
  readonly #endWatch: () => void;
  /** Pods that were seen, by uid: whether their end has begun. */
  readonly #isEnding = new Map<string, boolean>();

  constructor(api: NodeApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
    this.#endWatch = api.watch((type, pod) => this.#see(type, pod));
  }

  close(): void {
    this.#endWatch();
  }

  #see(type: string, pod: Pod): void {
    const { uid = '', deletionTimestamp } = pod.metadata;
    if (type === 'DELETED') {
      this.#isEnding.delete(uid);
      return;
    }
    if (!this.#isEnding.has(uid)) {
      this.#isEnding.set(uid, false);
      this.#start(pod);
    }
    if (deletionTimestamp === undefined || this.#isEnding.get(uid) === true) return;
    this.#isEnding.set(uid, true);
    this.#clock.after(stopMs, () => this.#api.remove(pod));
  }

  #start(pod: Pod): void {
    const startTime = stamp(this.#clock.now());
    this.#api.bind(pod);
    this.#api.report(pod, { phase: 'Pending', startTime });
    this.#clock.after(startMs, () => {
      const startedAt = stamp(this.#clock.now());
      this.#api.report(pod, { phase: 'Running', startTime, containerStatuses: [{ name: 'test', state: { running: { startedAt } } }] });
      const { lifeMs, exitCode } = lifeOf(pod);
      if (lifeMs === Infinity) return;
      this.#clock.after(lifeMs, () => {
        const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt, finishedAt: stamp(this.#clock.now()) };
        const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
        this.#api.report(pod, { phase, startTime, containerStatuses: [{ name: 'test', state: { terminated } }] });
      });
    });
  }
}

/** A command that is not of random work never ends. */
function lifeOf({ spec }: Pod): { readonly lifeMs: number; readonly exitCode: number } {
  const script = spec.containers[0]?.command?.at(-1) ?? '';
  const found = /^sleep ([\d.]+); exit (\d+)$/.exec(script);
  return found === null ? { lifeMs: Infinity, exitCode: 0 } : { lifeMs: Number(found[1]) * 1000, exitCode: Number(found[2]) };
}
