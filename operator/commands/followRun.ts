/**
 * A run as it goes on, for the terminal of a person: each change of its state on standard error, each line of its log on standard output, over
 * all its attempts, until it has ended. What cannot be read (a log on a cluster out of reach) is said once, and the rest goes on.
 */
import { prowJobs } from '../../crds/resources.ts';
import type { Attempt, ProwJob, ProwJobState } from '../../crds/v1/prowJob.ts';
import { clusterOf, isComplete, statusOf } from '../jobs/runState.ts';
import { pods, type Pod } from '../kube/builtin.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { ObjectKey } from '../kube/objects.ts';
import { sleep, type Clock } from '../runtime/clock.ts';
import { followLog, prefixed } from './podLogs.ts';
import { ClusterError, exitCodes, ifPresent } from './userCluster.ts';
import { watchObject } from './watchObject.ts';

export interface FollowOptions {
  readonly client: KubeClient;
  /** Reaches the pods; undefined: their logs cannot be shown. */
  readonly podClient: KubeClient | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly say: (line: string) => void;
}

/** So long the rest of a log is waited for when the run has ended: a node that is lost never ends one. */
const restOfLogMs = 10_000;
const podPauseMs = 200;

/** Resolves with the run when it has ended. Rejects when the signal aborts, or when the run is deleted (ClusterError). */
export async function followRun(run: ProwJob, options: FollowOptions): Promise<ProwJob> {
  const { client, clock, signal } = options;
  const key = { namespace: run.metadata.namespace ?? '', name: run.metadata.name };
  const logs = new AttemptLogs(options);
  const told = new Teller(options.say);
  try {
    for await (const now of watchObject<ProwJob>({ client, type: prowJobs, key, clock, signal })) {
      if (now === undefined || now.metadata.uid !== run.metadata.uid)
        throw new ClusterError(`ProwJob ${key.name} was deleted while it was followed`);
      told.changes(now);
      logs.follow(now);
      if (!isComplete(now)) continue;
      await logs.rest(restOfLogMs);
      told.end(now);
      return now;
    }
    signal.throwIfAborted();
    throw new ClusterError(`ProwJob ${key.name} could not be followed to its end`);
  } finally {
    logs.stop();
  }
}

/** Says each thing once. */
class Teller {
  readonly #say: (line: string) => void;
  #last = '';

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  changes(run: ProwJob): void {
    const { state, description, waiting, attempts } = statusOf(run);
    if (isComplete(run)) return;
    const attempt = attempts?.at(-1);
    const line =
      waiting === undefined
        ? [
            state,
            attempt === undefined ? '' : `, attempt ${attempt.number} in pod ${attempt.pod_name}`,
            description === undefined ? '' : `: ${description}`,
          ].join('')
        : `${state}, waits (${waiting.reason}): ${waiting.message ?? ''}`;
    if (line === this.#last) return;
    this.#last = line;
    this.#say(line);
  }

  end(run: ProwJob): void {
    this.#say(endOf(run));
  }
}

/** The end in one line: state, reason, what its status says, and the exit code of the test. */
export function endOf(run: ProwJob): string {
  const { state, reason, description, attempts, url } = statusOf(run);
  const code = attempts?.at(-1)?.exit_code;
  const details = [reason ?? '', code === undefined ? '' : `exit code ${code}`].filter((text) => text !== '').join(', ');
  return `${run.metadata.name}: ${state}${details === '' ? '' : ` (${details})`}${description === undefined ? '' : `: ${description}`}${url === undefined ? '' : ` ${url}`}`;
}

const codes: Readonly<Record<ProwJobState, number>> = {
  success: exitCodes.ok,
  failure: exitCodes.failure,
  error: exitCodes.error,
  aborted: exitCodes.aborted,
  scheduling: exitCodes.error,
  triggered: exitCodes.error,
  pending: exitCodes.error,
};

export const exitCodeOfRun = (run: ProwJob): number => codes[statusOf(run).state];

/** Follows the log of each attempt once, one attempt after the other. */
class AttemptLogs {
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  readonly #known = new Set<number>();
  /** Attempts that have ended: a pod that is not there now will not come. */
  readonly #over = new Set<number>();
  #tail: Promise<void> = Promise.resolve();
  #saidWhy = false;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  follow(run: ProwJob): void {
    for (const attempt of statusOf(run).attempts ?? []) {
      if (attempt.finished !== undefined || isComplete(run)) this.#over.add(attempt.number);
      if (this.#known.has(attempt.number)) continue;
      this.#known.add(attempt.number);
      this.#tail = this.#tail.then(() => this.#attempt(run, attempt));
    }
  }

  /** Waits for what is still being read, but not for ever. */
  async rest(mostMs: number): Promise<void> {
    const cut = new AbortController();
    const late = sleep(this.#options.clock, mostMs, AbortSignal.any([cut.signal, this.#options.signal])).catch(() => undefined);
    await Promise.race([this.#tail, late]);
    cut.abort();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #attempt(run: ProwJob, attempt: Attempt): Promise<void> {
    const { podClient, out } = this.#options;
    if (podClient === undefined) {
      this.#sayWhy(
        `its pods run on build cluster "${clusterOf(run)}", which this kubeconfig does not reach: no log is shown (give --pod-kubeconfig FILE)`,
      );
      return;
    }
    const key = { namespace: attempt.pod_namespace ?? run.metadata.namespace ?? '', name: attempt.pod_name };
    const signal = AbortSignal.any([this.#stop.signal, this.#options.signal]);
    try {
      const pod = await this.#untilThere(podClient, key, attempt.number, signal);
      if (pod === undefined) return;
      const { containers } = pod.spec;
      await Promise.all(
        containers.map(({ name }) =>
          followLog({
            client: podClient,
            pod: key,
            ...(pod.metadata.uid === undefined ? {} : { uid: pod.metadata.uid }),
            container: name,
            clock: this.#options.clock,
            signal,
            write: containers.length > 1 ? prefixed(`[${name}] `, out) : out,
          }),
        ),
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError || error instanceof TransportError)) throw error;
      this.#sayWhy(`the log of pod ${key.name} cannot be read: ${error.message}`);
    }
  }

  /** An attempt is recorded before its pod is made. Undefined when it was over without a pod that we saw. */
  async #untilThere(client: KubeClient, key: ObjectKey, attempt: number, signal: AbortSignal): Promise<Pod | undefined> {
    for (;;) {
      const isOver = this.#over.has(attempt);
      const pod = await ifPresent(client.get(pods, key, { signal }));
      if (pod !== undefined || isOver) return pod;
      await sleep(this.#options.clock, podPauseMs, signal);
    }
  }

  #sayWhy(why: string): void {
    if (this.#saidWhy) return;
    this.#saidWhy = true;
    this.#options.say(why);
  }
}
