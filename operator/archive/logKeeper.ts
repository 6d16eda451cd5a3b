/**
 * The logs of the runs that are under way: which containers are followed, what was last seen of their pods, and what was read. Everything is asked
 * for again and again and done once. Memory per container is a few buffers; the bytes are in the spool.
 */
import type { PodAccess } from '../clusters/clusters.ts';
import type { Pod } from '../kube/builtin.ts';
import { keyOf } from '../kube/objects.ts';
import type { Clock } from '../runtime/clock.ts';
import { Lanes } from './lanes.ts';
import { LogFollower, type ContainerStage } from './logFollower.ts';
import type { Spool } from './spool.ts';

export interface LogKeeperOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  /** Connections to containers that run. Read when one is wanted. */
  readonly mostFollows: () => number;
  /** A container of this pod has been read to its end. */
  readonly onEnd: (pod: Pod) => void;
}

/** One pod of a run. */
export interface KeptPod {
  /** As it was last seen. */
  readonly pod: Pod;
  readonly logs: readonly LogFollower[];
}

interface Kept {
  pod: Pod;
  readonly followers: Map<string, LogFollower>;
}

export class LogKeeper {
  readonly #options: LogKeeperOptions;
  readonly #runs = new Map<string, Map<string, Kept>>();
  readonly #lanes: Lanes;

  constructor(options: LogKeeperOptions) {
    this.#options = options;
    this.#lanes = new Lanes(options.mostFollows);
  }

  /** Connections to containers that run. */
  get follows(): number {
    return this.#lanes.running;
  }

  /** Sees to it that every container of this pod that has started is followed. `access` gives the pod's cluster as it is now. */
  keep(runUid: string, pod: Pod, access: () => PodAccess | undefined): void {
    const podUid = pod.metadata.uid ?? '';
    let pods = this.#runs.get(runUid);
    if (pods === undefined) this.#runs.set(runUid, (pods = new Map<string, Kept>()));
    let kept = pods.get(podUid);
    if (kept === undefined) pods.set(podUid, (kept = { pod, followers: new Map() }));
    kept.pod = pod;
    for (const { name } of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      if (!kept.followers.has(name) && hasStarted(pod, name)) kept.followers.set(name, this.#follow(kept, name, access));
    }
    for (const follower of kept.followers.values()) follower.wake();
  }

  /** The pods of a run have changed or gone: followers look again. */
  wake(runUid: string): void {
    for (const { followers } of this.#runs.get(runUid)?.values() ?? []) for (const follower of followers.values()) follower.wake();
  }

  /** A cluster came or went: everybody looks again. */
  wakeAll(): void {
    for (const runUid of this.#runs.keys()) this.wake(runUid);
  }

  podsOf(runUid: string): readonly KeptPod[] {
    return [...(this.#runs.get(runUid)?.values() ?? [])].map(({ pod, followers }) => ({ pod, logs: [...followers.values()] }));
  }

  /** Whether every container that was followed has been read to its end. */
  isDone(runUid: string): boolean {
    return this.podsOf(runUid).every(({ logs }) => logs.every(({ end }) => end !== undefined));
  }

  /** Ends what is still followed; what has been read stays. */
  async stop(runUid: string): Promise<void> {
    await Promise.all(this.podsOf(runUid).flatMap(({ logs }) => logs.map((log) => log.stop())));
  }

  /** Forgets the run and everything that was read. */
  async release(runUid: string): Promise<void> {
    const pods = this.podsOf(runUid);
    this.#runs.delete(runUid);
    await Promise.all(
      pods.flatMap(({ logs }) =>
        logs.map(async (follower) => {
          await follower.stop();
          await follower.log.discard();
        }),
      ),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#runs.keys()].map((uid) => this.release(uid)));
    await this.#options.spool.close();
  }

  #follow(kept: Kept, container: string, access: () => PodAccess | undefined): LogFollower {
    const { spool, clock, onEnd } = this.#options;
    const key = keyOf(kept.pod);
    const uid = kept.pod.metadata.uid;
    const stage = (): ContainerStage => {
      const cluster = access();
      // A cluster that is not connected says nothing about its pods.
      if (cluster === undefined) return 'waiting';
      const present = cluster.pods.get(key);
      return present === undefined || present.metadata.uid !== uid ? 'gone' : stageOf(present, container);
    };
    const follower = new LogFollower({
      pod: key,
      container,
      log: spool.create(),
      stage,
      client: () => access()?.evidence,
      lanes: this.#lanes,
      clock,
    });
    void follower.done.then(() => onEnd(kept.pod));
    return follower;
  }
}

const statusOf = (pod: Pod, container: string) =>
  [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(({ name }) => name === container);

const hasStarted = (pod: Pod, container: string): boolean => {
  const state = statusOf(pod, container)?.state;
  return state?.running !== undefined || state?.terminated !== undefined;
};

function stageOf(pod: Pod, container: string): ContainerStage {
  const state = statusOf(pod, container)?.state;
  if (state?.terminated !== undefined) return 'ended';
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return state?.running === undefined ? 'never' : 'ended';
  return state?.running === undefined ? 'waiting' : 'running';
}
