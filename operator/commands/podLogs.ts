/**
 * The logs of a pod's containers for a person: as they are now, or followed until the containers have ended. A connection that breaks is made again
 * where it broke, so no line is lost or comes twice. Lines are written whole.
 */
import { LogLines } from '../archive/logLines.ts';
import { isPodFinished } from '../jobs/podShape.ts';
import { pods, type ContainerStatus, type Pod } from '../kube/builtin.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError, isNotFound, isTooManyRequests } from '../kube/errors.ts';
import type { ObjectKey } from '../kube/objects.ts';
import { sleep, type Clock } from '../runtime/clock.ts';
import { ifPresent } from './userCluster.ts';

export interface LogTarget {
  readonly client: KubeClient;
  readonly pod: ObjectKey;
  /** Of this very pod. Absent: whoever has the name. */
  readonly uid?: string;
  readonly container: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly write: (text: string) => void;
}

/** complete: to the end of the container. gone: the pod is not there (any more). never: the container never ran. */
export type LogEnd = 'complete' | 'gone' | 'never';

const pauseMs = 500;

/** What the container has printed so far. Throws ApiError when the server refuses, as while the container waits to start. */
export async function printLog({ client, pod, container, signal, write }: LogTarget): Promise<void> {
  const lines = new LineWriter(write);
  for await (const chunk of client.logs(pod, { container, signal })) lines.push(chunk);
  lines.end();
}

/** Follows until the container has ended and all of it was written. Throws ApiError for a refusal that will last, and when the signal aborts. */
export async function followLog(target: LogTarget): Promise<LogEnd> {
  const { client, pod, uid, container, clock, signal, write } = target;
  const lines = new LineWriter(write);
  const place = new LogLines();
  try {
    for (;;) {
      const before = await stageOf(client, pod, { uid, container, signal });
      if (before === 'gone' || before === 'never') return before;
      const isRead = before !== 'waiting' && (await readOn(target, place, lines));
      // Only a reading that began after the end is sure to have seen the end.
      if (isRead && before === 'ended') return 'complete';
      await sleep(clock, isRead ? 0 : pauseMs, signal);
    }
  } finally {
    lines.end();
  }
}

/** Whether the stream came to its end in order. */
async function readOn({ client, pod, container, signal }: LogTarget, place: LogLines, lines: LineWriter): Promise<boolean> {
  const sinceTime = place.resume();
  const query = { container, follow: true, timestamps: true, signal, ...(sinceTime === undefined ? {} : { sinceTime }) };
  try {
    for await (const chunk of client.logs(pod, query)) for (const part of place.push(chunk)) lines.push(part);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!passes(error)) throw error;
    return false;
  }
}

/** 400: the container is about to start, or its log about to go. */
const passes = (error: unknown): boolean =>
  error instanceof TransportError ||
  isNotFound(error) ||
  isTooManyRequests(error) ||
  (error instanceof ApiError && (error.code === 400 || error.code >= 500));

interface Which {
  readonly uid: string | undefined;
  readonly container: string;
  readonly signal: AbortSignal;
}

async function stageOf(
  client: KubeClient,
  key: ObjectKey,
  { uid, container, signal }: Which,
): Promise<'waiting' | 'running' | 'ended' | 'never' | 'gone'> {
  let pod: Pod | undefined;
  try {
    pod = await ifPresent(client.get(pods, key, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (!passes(error)) throw error;
    return 'waiting';
  }
  if (pod === undefined || (uid !== undefined && pod.metadata.uid !== uid)) return 'gone';
  const state = statusOf(pod, container)?.state;
  if (state?.running !== undefined) return 'running';
  if (state?.terminated !== undefined) return 'ended';
  return isPodFinished(pod) ? 'never' : 'waiting';
}

const statusOf = ({ status }: Pod, container: string): ContainerStatus | undefined =>
  [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(({ name }) => name === container);

/** Bytes to whole lines of text; a character that is cut between two chunks stays one. */
class LineWriter {
  readonly #write: (text: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  push(chunk: Uint8Array): void {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    if (end > 0) this.#write(text.slice(0, end));
  }

  /** A last line without an end gets one. */
  end(): void {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = '';
    if (rest !== '') this.#write(`${rest}\n`);
  }
}

/** Puts the name of the container before each line, where there are several. */
export const prefixed =
  (prefix: string, write: (text: string) => void) =>
  (text: string): void =>
    write(text.replaceAll(/^(?=[^])/gm, prefix));
