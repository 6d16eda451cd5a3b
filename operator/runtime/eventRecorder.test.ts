import { describe, expect, it } from 'vitest';
import { events } from '../kube/builtin.ts';
import type { Event } from '../kube/builtin.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { MergePatch } from '../kube/patch.ts';
import { EventRecorder, withKind } from './eventRecorder.ts';
import type { EventRecorderOptions } from './eventRecorder.ts';
import { Metrics } from './metrics.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

const thing = (name = 'a'): KubeObject => ({
  apiVersion: 'x.io/v1',
  kind: 'Thing',
  metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion: '7' },
});

interface Call {
  readonly verb: 'create' | 'patch';
  readonly name: string;
  readonly body: Partial<Event>;
}

function setUp(options: Partial<EventRecorderOptions> & { answers?: (Error | undefined)[] } = {}) {
  const { answers = [], ...rest } = options;
  const clock = new FakeClock();
  const metrics = new Metrics();
  const calls: Call[] = [];
  const reply = (call: Call): Promise<unknown> => {
    calls.push(call);
    const failure = answers.shift();
    return failure === undefined ? Promise.resolve({}) : Promise.reject(failure);
  };
  const recorder = new EventRecorder({
    client: {
      create: (_type, object) => reply({ verb: 'create', name: object.metadata.name, body: object }),
      patch: (_type, key, patch: MergePatch) => reply({ verb: 'patch', name: key.name, body: patch.body }),
    },
    controller: 'x.io/operator',
    instance: 'pod-1',
    clock,
    logger: new RecordingLogger(),
    metrics,
    ...rest,
  });
  const dropped = (reason: string) => metrics.value('events_dropped_total', { reason });
  return { clock, metrics, calls, recorder, dropped };
}

const notFound = new ApiError('PATCH', { reason: 'NotFound' }, 404);

describe('EventRecorder', () => {
  it('writes an events.k8s.io/v1 Event with everything the API demands', async () => {
    const t = setUp();
    t.recorder.event(thing(), 'Warning', 'Broken', 'It broke.', 'Repair');
    await t.recorder.flush();
    expect(t.calls).toHaveLength(1);
    const { metadata, ...rest } = t.calls[0]!.body;
    expect(metadata).toEqual({ namespace: 'ns', name: expect.stringMatching(/^a\.[0-9a-f]{16,}$/) });
    expect(rest).toEqual({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'x.io/operator',
      reportingInstance: 'pod-1',
      regarding: { apiVersion: 'x.io/v1', kind: 'Thing', namespace: 'ns', name: 'a', uid: 'uid-a', resourceVersion: '7' },
      type: 'Warning',
      reason: 'Broken',
      note: 'It broke.',
      action: 'Repair',
    });
  });

  it('turns repeats into a count, written at most once an interval, and nothing when there were none', async () => {
    const t = setUp({ seriesIntervalMs: 30_000 });
    for (let at = 0; at < 50; at++) {
      t.recorder.event(thing(), 'Normal', 'Tick', 'again');
      await t.clock.advance(1_000);
    }
    expect(t.calls.map(({ verb }) => verb)).toEqual(['create', 'patch']);
    await t.recorder.flush();
    expect(t.calls.at(-1)).toEqual({
      verb: 'patch',
      name: t.calls[0]!.name,
      body: { series: { count: 50, lastObservedTime: '2026-01-01T00:00:49.000000Z' } },
    });
    await t.clock.advance(120_000);
    expect(t.calls).toHaveLength(3);
    expect(t.clock.pendingTimers).toBe(0);
    expect(await t.metrics.value('events_emitted_total', { type: 'Normal' })).toBe(50);
  });

  it.each([
    { name: 'another object', again: (r: EventRecorder) => r.event(thing('b'), 'Normal', 'Tick', 'x') },
    {
      name: 'another object of the same name',
      again: (r: EventRecorder) => r.event({ ...thing(), metadata: { ...thing().metadata, uid: 'new' } }, 'Normal', 'Tick', 'x'),
    },
    { name: 'another reason', again: (r: EventRecorder) => r.event(thing(), 'Normal', 'Tock', 'x') },
    { name: 'another note', again: (r: EventRecorder) => r.event(thing(), 'Normal', 'Tick', 'y') },
    { name: 'another type', again: (r: EventRecorder) => r.event(thing(), 'Warning', 'Tick', 'x') },
  ])('makes an event of its own of $name', async ({ again }) => {
    const t = setUp();
    t.recorder.event(thing(), 'Normal', 'Tick', 'x');
    again(t.recorder);
    await t.recorder.flush();
    expect(t.calls.map(({ verb }) => verb)).toEqual(['create', 'create']);
    expect(t.calls[0]!.name).not.toBe(t.calls[1]!.name);
  });

  it('begins a new event after a long silence', async () => {
    const t = setUp({ seriesEndMs: 360_000 });
    t.recorder.event(thing(), 'Normal', 'Tick', 'x');
    await t.clock.advance(360_000);
    t.recorder.event(thing(), 'Normal', 'Tick', 'x');
    await t.recorder.flush();
    expect(t.calls.map(({ verb }) => verb)).toEqual(['create', 'create']);
  });

  it('begins again under a new name when the server has forgotten the event', async () => {
    const t = setUp({ answers: [undefined, notFound] });
    t.recorder.event(thing(), 'Normal', 'Tick', 'x');
    await settle();
    t.recorder.event(thing(), 'Normal', 'Tick', 'x');
    await t.recorder.flush();
    expect(t.calls.map(({ verb }) => verb)).toEqual(['create', 'patch', 'create']);
    expect(t.calls[2]!.name).not.toBe(t.calls[0]!.name);
    expect(t.calls[2]!.body.series?.count).toBe(2);
  });

  it('tries again when the server is away or busy, and gives up after three tries', async () => {
    const away = new TransportError('connect', 'refused');
    const t = setUp({ answers: [away, new ApiError('POST', {}, 503), undefined, away, away, away] });
    t.recorder.event(thing(), 'Normal', 'One', 'x');
    await t.clock.advance(1_000);
    expect(t.calls.map(({ body }) => body.reason)).toEqual(['One', 'One', 'One']);
    expect(await t.dropped('unreachable')).toBe(0);
    t.recorder.event(thing(), 'Normal', 'Two', 'x');
    await t.clock.advance(1_000);
    expect(t.calls).toHaveLength(6);
    expect(await t.dropped('unreachable')).toBe(1);
  });

  it('does not repeat what the server refuses', async () => {
    const t = setUp({ answers: [new ApiError('POST', { reason: 'Forbidden' }, 403)] });
    t.recorder.event(thing(), 'Normal', 'One', 'x');
    await t.recorder.flush();
    expect(t.calls).toHaveLength(1);
    expect(await t.dropped('rejected')).toBe(1);
  });

  it('drops what does not fit into the queue, at once and counted', async () => {
    const t = setUp({ maxQueue: 2, client: { create: () => new Promise(() => undefined), patch: () => Promise.resolve() } });
    for (let at = 0; at < 10; at++) t.recorder.event(thing(`${at}`), 'Normal', 'Tick', 'x');
    // One is being sent, two wait.
    expect(await t.dropped('queue_full')).toBe(7);
  });

  it('remembers a bounded number of series and sends the count of one it forgets', async () => {
    const t = setUp({ maxSeries: 2 });
    t.recorder.event(thing('a'), 'Normal', 'Tick', 'x');
    await settle();
    t.recorder.event(thing('a'), 'Normal', 'Tick', 'x');
    t.recorder.event(thing('b'), 'Normal', 'Tick', 'x');
    t.recorder.event(thing('c'), 'Normal', 'Tick', 'x');
    await settle();
    expect(t.calls.find(({ verb }) => verb === 'patch')?.body.series?.count).toBe(2);
    expect(t.clock.pendingTimers).toBe(0);
  });

  it('puts the events of cluster-scoped objects into default', async () => {
    const t = setUp();
    t.recorder.event({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }, 'Normal', 'Tick', 'x');
    await t.recorder.flush();
    expect(t.calls[0]!.body.metadata?.namespace).toBe('default');
  });

  it('keeps to the limits of the API: name, note, and whole characters', async () => {
    const t = setUp();
    t.recorder.event(thing(`${'a'.repeat(224)}-${'b'.repeat(28)}`), 'Normal', 'Tick', 'é'.repeat(1_000));
    await t.recorder.flush();
    const { metadata, note = '' } = t.calls[0]!.body;
    expect(metadata!.name.length).toBeLessThanOrEqual(253);
    expect(metadata!.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1_024);
    expect(note).toMatch(/^é+…$/);
  });

  it('refuses an object without a kind, which withKind can give it', async () => {
    const t = setUp();
    const bare = { metadata: thing().metadata };
    t.recorder.event(bare, 'Normal', 'Tick', 'x');
    expect(await t.dropped('invalid')).toBe(1);
    t.recorder.event(
      withKind({ group: 'x.io', version: 'v1', plural: 'things', kind: 'Thing', namespaced: true }, bare),
      'Normal',
      'Tick',
      'x',
    );
    await t.recorder.flush();
    expect(t.calls[0]!.body.regarding).toMatchObject({ apiVersion: 'x.io/v1', kind: 'Thing' });
    expect(withKind(events, t.calls[0]!.body as Event)).toBe(t.calls[0]!.body);
  });
});
