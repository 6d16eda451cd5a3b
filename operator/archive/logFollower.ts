/**
 * Follows the log of one container into a spool until the container has ended and all of it was read. A connection that breaks is made again where
 * it broke. It ends by itself; what ended it is told.
 */
import type { ObjectKey } from '../kube/objects.ts';
import type { LogQuery } from '../kube/client.ts';
import { ApiError, isNotFound } from '../kube/errors.ts';
import { sleep, type Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import { LogLines } from './logLines.ts';
import type { SpoolLog } from './spool.ts';

export interface LogClient {
  logs(pod: ObjectKey, query: LogQuery): AsyncIterable<Uint8Array>;
}

/** waiting: not started. ended: everything is written. never: it will not start any more. gone: the pod does not exist. */
export type ContainerStage = 'waiting' | 'running' | 'ended' | 'never' | 'gone';

/** complete: read to the end. cut: the pod went before all was read, or nobody answered for it. */
export type FollowEnd = 'complete' | 'cut';

/** How many connections there may be. Whoever got a place calls the function when it is free again. */
export interface FollowLanes {
  /** For a container that runs: undefined when all places are taken. Its log is read later, at the latest when it has ended. */
  tryRunning(): (() => void) | undefined;
  /** For one that has ended: waits for its turn. */
  ended(signal: AbortSignal): Promise<() => void>;
}

export interface LogFollowerOptions {
  readonly pod: ObjectKey;
  readonly container: string;
  readonly log: SpoolLog;
  readonly stage: () => ContainerStage;
  /** The client of the pod's cluster as it is now; undefined while the cluster is not connected. */
  readonly client: () => LogClient | undefined;
  readonly lanes: FollowLanes;
  readonly clock: Clock;
}

/** Between two looks at a container that should have something to read. One that has not started is waited for by its pod's changes. */
const [lookMs, waitMs] = [5_000, 600_000];
const [firstPauseMs, longestPauseMs] = [250, 30_000];
/** So many refusals in a row mean that the log of a container that has ended is not there any more. */
const mostRefusals = 5;

export class LogFollower {
  readonly container: string;
  readonly log: SpoolLog;
  /** Resolves when it has ended, for whatever reason. Never rejects. */
  readonly done: Promise<void>;
  readonly #options: LogFollowerOptions;
  readonly #lines = new LogLines();
  readonly #stop = new AbortController();
  #wake = (): void => undefined;
  #failures = 0;
  #end: FollowEnd | undefined;
  #trouble: string | undefined;
  #isStarted = false;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.container = options.container;
    this.log = options.log;
    this.done = this.#run();
  }

  /** Undefined while it follows. */
  get end(): FollowEnd | undefined {
    return this.#end;
  }

  /** What the last attempt failed with, when it failed. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether the API server gave a log at all, if only an empty one. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The pod has changed. */
  wake(): void {
    this.#wake();
  }

  /** Ends it now: what has been read is what there is. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        const stage = this.#options.stage();
        if (stage === 'never' || stage === 'gone') {
          this.#end = stage === 'never' ? 'complete' : 'cut';
          return;
        }
        // Only a reading that began after the end is sure to have seen the end.
        if (stage !== 'waiting' && (await this.#read(stage, signal)) && stage === 'ended') {
          this.#end = 'complete';
          return;
        }
        await this.#pause(stage, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#trouble = messageOf(error);
    } finally {
      await this.log.seal().catch((error: unknown) => {
        this.#trouble ??= messageOf(error);
      });
      this.#end ??= 'cut';
    }
  }

  /** Whether the stream came to its end in order. */
  async #read(stage: 'running' | 'ended', signal: AbortSignal): Promise<boolean> {
    const { pod, container, lanes, log } = this.#options;
    const release = stage === 'running' ? lanes.tryRunning() : await lanes.ended(signal);
    if (release === undefined) return false;
    try {
      const client = this.#options.client();
      if (client === undefined) throw new Error('the build cluster is not connected');
      const sinceTime = this.#lines.resume();
      const query = { container, follow: true, timestamps: true, signal, ...(sinceTime === undefined ? {} : { sinceTime }) };
      for await (const chunk of client.logs(pod, query)) {
        this.#isStarted = true;
        this.#failures = 0;
        await appendAll(log, this.#lines.push(chunk));
      }
      this.#isStarted = true;
      this.#failures = 0;
      this.#trouble = undefined;
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#failures += 1;
      this.#trouble = messageOf(error);
      const isOver = stage === 'ended' && isNoSuchLog(error) && this.#failures >= mostRefusals;
      if (isOver || isDiskFailure(error)) throw error;
      return false;
    } finally {
      release();
    }
  }

  async #pause(stage: ContainerStage, signal: AbortSignal): Promise<void> {
    const afterErrors = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(10, this.#failures));
    const pauseMs = this.#failures > 0 ? afterErrors : stage === 'waiting' ? waitMs : lookMs;
    const cut = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    // What changed while it was read must not be waited for.
    if (this.#options.stage() !== stage && this.#failures === 0) return;
    const slept = sleep(this.#options.clock, pauseMs, AbortSignal.any([signal, cut.signal]));
    slept.catch(() => undefined);
    await Promise.race([slept, woken]);
    cut.abort();
    this.#wake = () => undefined;
  }
}

/** A disk that is full or broken: reading on would lose lines. */
const isDiskFailure = (error: unknown): boolean => diskFailures.has((error as { readonly code?: unknown } | null)?.code);

const diskFailures = new Set<unknown>(['ENOSPC', 'EIO', 'EROFS', 'EACCES', 'EDQUOT', 'EMFILE']);

/** Small pieces are written together: one write for each chunk of the network. */
async function appendAll(log: SpoolLog, pieces: readonly Buffer[]): Promise<void> {
  const [only] = pieces;
  if (only !== undefined) await log.append(pieces.length === 1 ? only : Buffer.concat(pieces));
}

/** Whether the API server says that there is no such pod, container or log. */
const isNoSuchLog = (error: unknown): boolean => isNotFound(error) || (error instanceof ApiError && error.code === 400);
