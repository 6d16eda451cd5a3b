/**
 * Plays the node for pods of random work: reads from their command how long they live and how they end, and lets it happen in the time of the
 * clock that it is given. No process is started, so a minute of a cluster takes a moment.
 */
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { stamp } from '../../operator/jobs/times.ts';
import type { SandboxApi, StoredObject } from '../../sandbox/storage/storage.ts';

/** From the creation of a pod until it runs, and from the wish to delete it until it is gone. */
const startMs = 300;
const stopMs = 400;

export class FakeNode {
  readonly #api: SandboxApi;
  readonly #clock: Clock;
  readonly #endWatch: () => void;
  /** Pods that were seen, by uid: whether their end has begun. */
  readonly #isEnding = new Map<string, boolean>();

  constructor(api: SandboxApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
    this.#endWatch = api.watch(pods, ({ type, object }) => this.#see(type, object));
  }

  close(): void {
    this.#endWatch();
  }

  #see(type: string, object: StoredObject): void {
    const { uid = '', deletionTimestamp } = object.metadata;
    if (type === 'DELETED') {
      this.#isEnding.delete(uid);
      return;
    }
    if (!this.#isEnding.has(uid)) {
      this.#isEnding.set(uid, false);
      this.#start(object);
    }
    if (deletionTimestamp === undefined || this.#isEnding.get(uid) === true) return;
    this.#isEnding.set(uid, true);
    this.#clock.after(stopMs, () => this.#api.remove(pods, keyOf(object), uid));
  }

  #start(object: StoredObject): void {
    const startTime = stamp(this.#clock.now());
    this.#report(object, { phase: 'Pending', startTime });
    this.#clock.after(startMs, () => {
      const startedAt = stamp(this.#clock.now());
      this.#report(object, { phase: 'Running', startTime, containerStatuses: [{ name: 'test', state: { running: { startedAt } } }] });
      const { lifeMs, exitCode } = lifeOf(object as unknown as Pod);
      if (lifeMs === Infinity) return;
      this.#clock.after(lifeMs, () => {
        const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt, finishedAt: stamp(this.#clock.now()) };
        const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
        this.#report(object, { phase, startTime, containerStatuses: [{ name: 'test', state: { terminated } }] });
      });
    });
  }

  /** Nothing happens to a pod that is gone, nor to another that took its name. */
  #report(object: StoredObject, status: object): void {
    const { uid } = object.metadata;
    this.#api.update(pods, keyOf(object), (current) => (current.metadata.uid === uid ? { ...current, status } : undefined), 'status');
  }
}

/** A command that is not of random work never ends. */
function lifeOf({ spec }: Pod): { readonly lifeMs: number; readonly exitCode: number } {
  const script = spec.containers[0]?.command?.at(-1) ?? '';
  const found = /^sleep ([\d.]+); exit (\d+)$/.exec(script);
  return found === null ? { lifeMs: Infinity, exitCode: 0 } : { lifeMs: Number(found[1]) * 1000, exitCode: Number(found[2]) };
}
