/** A follower against a kubelet that breaks, rotates, refuses and falls silent. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { LogQuery } from '../kube/client.ts';
import { FakeClock } from '../runtime/testing/fakeClock.ts';
import { Lanes } from './lanes.ts';
import { LogFollower, type ContainerStage, type LogClient } from './logFollower.ts';
import { Spool } from './spool.ts';

/** What a connection gives: text, then an orderly end or an error; or the error at once. */
type Connection = { readonly text?: string; readonly error?: Error; readonly holdOpen?: true; readonly then?: () => void };

let dir: string;
let spool: Spool;
let clock: FakeClock;
const followers: LogFollower[] = [];
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'prow-follow-test-'));
  spool = new Spool(
    () => dir,
    () => ({ logBytes: 1e6, totalBytes: 1e7 }),
  );
  clock = new FakeClock();
});
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.stop()));
  await rm(dir, { recursive: true, force: true });
});

class Kubelet implements LogClient {
  readonly asked: (string | undefined)[] = [];
  readonly #connections: Connection[];

  constructor(...connections: readonly Connection[]) {
    this.#connections = [...connections];
  }

  async *logs(_pod: unknown, { sinceTime, signal }: LogQuery): AsyncGenerator<Uint8Array> {
    this.asked.push(sinceTime);
    const { text, error, holdOpen, then } = this.#connections.shift() ?? {};
    if (text !== undefined) yield Buffer.from(text);
    then?.();
    if (holdOpen === true) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    if (error !== undefined) throw error;
  }
}

const at = (second: number, text: string): string => `2026-01-02T03:04:0${second}.000000001Z ${text}\n`;

function follow(client: LogClient | undefined, stage: () => ContainerStage, mostFollows = 1): LogFollower {
  const lanes = new Lanes(() => mostFollows);
  const pod = { namespace: 'ci', name: 'p' };
  const follower = new LogFollower({ pod, container: 'test', log: spool.create(), stage, client: () => client, lanes, clock });
  followers.push(follower);
  return follower;
}

async function textOf({ log }: LogFollower): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of log.source().open()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Lets time pass until it has ended. */
async function ended(follower: LogFollower): Promise<LogFollower> {
  let isDone = false;
  void follower.done.then(() => (isDone = true));
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve));
    const next = clock.untilNext;
    if (next !== undefined) await clock.advance(next);
  }
  return follower;
}

const reset = new TransportError('reset', 'broke');
const refusal = (code: number, reason: string): ApiError => new ApiError('LOG', { reason, message: reason }, code);

describe('a follower', () => {
  it('reads a container that has ended, once', async () => {
    const kubelet = new Kubelet({ text: at(1, 'a') + at(2, 'b') });
    const follower = await ended(follow(kubelet, () => 'ended'));
    expect(await textOf(follower)).toBe('a\nb\n');
    expect(follower.end).toBe('complete');
    expect(kubelet.asked).toEqual([undefined]);
  });

  it('goes on where a connection broke, and looks once more after the end', async () => {
    let stage: ContainerStage = 'running';
    const kubelet = new Kubelet(
      { text: at(1, 'a') + at(2, 'b') + at(3, 'c').slice(0, -1), error: reset },
      { text: at(2, 'b') + at(3, 'cd'), then: () => (stage = 'ended') },
      { text: at(2, 'b') + at(3, 'cd') + at(3, 'e') },
    );
    const follower = await ended(follow(kubelet, () => stage));
    expect(await textOf(follower)).toBe('a\nb\ncd\ne\n');
    expect(kubelet.asked).toEqual([undefined, '2026-01-02T03:04:02Z', '2026-01-02T03:04:02Z']);
    expect(follower).toMatchObject({ end: 'complete', trouble: undefined });
  });

  it('goes on when the kubelet lets go of a container that still runs', async () => {
    let stage: ContainerStage = 'running';
    const kubelet = new Kubelet({ text: at(1, 'a') }, { text: at(1, 'a') + at(5, 'b'), then: () => (stage = 'ended') });
    expect(await textOf(await ended(follow(kubelet, () => stage)))).toBe('a\nb\n');
  });

  it('keeps what it has when the pod goes', async () => {
    let stage: ContainerStage = 'running';
    const kubelet = new Kubelet({ text: at(1, 'a'), error: reset, then: () => (stage = 'gone') });
    const follower = await ended(follow(kubelet, () => stage));
    expect(await textOf(follower)).toBe('a\n');
    expect(follower).toMatchObject({ end: 'cut', isStarted: true });
  });

  it('waits for a container to start, without asking', async () => {
    let stage: ContainerStage = 'waiting';
    const kubelet = new Kubelet({ text: at(1, 'a') });
    const follower = follow(kubelet, () => stage);
    await clock.advance(60_000);
    expect(kubelet.asked).toEqual([]);
    stage = 'ended';
    follower.wake();
    expect((await ended(follower)).end).toBe('complete');
  });

  it('has nothing of a container that never starts', async () => {
    expect(await ended(follow(new Kubelet(), () => 'never'))).toMatchObject({ end: 'complete', isStarted: false });
  });

  it('gives up a log that is not there any more after five refusals, and says why', async () => {
    const refused = { error: refusal(404, 'NotFound') };
    const kubelet = new Kubelet(...Array.from({ length: 9 }, () => refused));
    const follower = await ended(follow(kubelet, () => 'ended'));
    expect(kubelet.asked).toHaveLength(5);
    expect(follower).toMatchObject({ end: 'cut', isStarted: false, trouble: expect.stringContaining('404 NotFound') as string });
  });

  it('does not give up while an API server is away', async () => {
    const away = { error: new TransportError('connect', 'refused') };
    const kubelet = new Kubelet(...Array.from({ length: 20 }, () => away), { text: at(1, 'a') });
    expect(await textOf(await ended(follow(kubelet, () => 'ended')))).toBe('a\n');
  });

  it('waits for its cluster', async () => {
    const follower = follow(undefined, () => 'running');
    await clock.advance(10_000);
    expect(follower.end).toBeUndefined();
    expect(follower.trouble).toBe('the build cluster is not connected');
  });

  it('is not followed when all places are taken, and read when it ends', async () => {
    let stage: ContainerStage = 'running';
    const kubelet = new Kubelet({ text: at(1, 'a') });
    const follower = follow(kubelet, () => stage, 0);
    await clock.advance(60_000);
    expect(kubelet.asked).toEqual([]);
    stage = 'ended';
    follower.wake();
    expect(await textOf(await ended(follower))).toBe('a\n');
  });

  it('stops when it is told to, and keeps what it has', async () => {
    const follower = follow(new Kubelet({ text: at(1, 'a'), holdOpen: true }), () => 'running');
    while (follower.log.keptBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    await follower.stop();
    expect(follower.end).toBe('cut');
    expect(await textOf(follower)).toBe('a\n');
  });
});

describe('lanes', () => {
  it('let a place go from hand to hand, in order', async () => {
    const { signal } = new AbortController();
    const lanes = new Lanes(() => 0);
    const held = await Promise.all(Array.from({ length: 16 }, () => lanes.ended(signal)));
    const order: string[] = [];
    const gone = new AbortController();
    const waiting = [
      lanes.ended(signal).then((release) => (order.push('first'), release)),
      lanes.ended(gone.signal),
      lanes.ended(signal).then((release) => (order.push('third'), release)),
    ];
    gone.abort(new Error('stopped'));
    await expect(waiting[1]).rejects.toThrow('stopped');
    held[0]?.();
    held[0]?.();
    (await waiting[0])?.();
    await waiting[2];
    expect(order).toEqual(['first', 'third']);
  });
});
