import { describe, expect, it } from 'vitest';
import { createReflectorMeter, showCacheSize, createRequestMeter } from './clientMetrics.ts';
import { Metrics } from './metrics.ts';
import { FakeClock } from './testing/fakeClock.ts';

describe('Metrics', () => {
  it('shows every series that is known beforehand as 0', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'a_total', help: 'a', labels: ['x'], zero: [{ x: '1' }, { x: '2' }] });
    metrics.gauge({ name: 'b', help: 'b' });
    metrics.histogram({ name: 'c_seconds', help: 'c', labels: ['x'], zero: [{ x: '1' }] });
    const { body } = await metrics.render();
    for (const line of ['a_total{x="1"} 0', 'a_total{x="2"} 0', 'b 0', 'c_seconds_count{x="1"} 0']) expect(body).toContain(line);
  });

  it('gives the same metric to all who ask, without resetting it', async () => {
    const metrics = new Metrics();
    const spec = { name: 'a_total', help: 'a', labels: ['x'] as const, zero: [{ x: '1' }] };
    metrics.counter(spec).inc({ x: '1' }, 5);
    metrics.counter(spec).inc({ x: '1' });
    expect(await metrics.value('a_total', { x: '1' })).toBe(6);
  });

  it('refuses one name for two things', () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'a', help: 'a', labels: ['x'] });
    expect(() => metrics.gauge({ name: 'a', help: 'a', labels: ['x'] })).toThrow('Metric a is a counter with labels [x]');
    expect(() => metrics.counter({ name: 'a', help: 'a', labels: ['y'] })).toThrow('Metric a is a counter with labels [x]');
  });

  it('keeps to itself: two registries share nothing', async () => {
    const one = new Metrics();
    const two = new Metrics();
    one.counter({ name: 'a_total', help: 'a' }).inc();
    two.counter({ name: 'a_total', help: 'a' });
    expect(await two.value('a_total')).toBe(0);
    expect(await two.value('none')).toBeUndefined();
  });

  it('has figures of the process when asked, event-loop lag among them', async () => {
    const { body } = await new Metrics().collectProcess().render();
    expect(body).toContain('process_cpu_seconds_total');
    expect(body).toContain('nodejs_eventloop_lag_p99_seconds');
  });
});

describe('client figures', () => {
  it('count exchanges by method and answer', async () => {
    const metrics = new Metrics();
    const observe = createRequestMeter(metrics);
    expect(await metrics.value('rest_client_request_duration_seconds_count', { method: 'PATCH' })).toBe(0);
    observe({ method: 'PATCH', code: '200', durationMs: 250 });
    expect(await metrics.value('rest_client_requests_total', { method: 'PATCH', code: '200' })).toBe(1);
    expect(await metrics.value('rest_client_request_duration_seconds_sum', { method: 'PATCH' })).toBe(0.25);
  });

  it('follow a reflector', async () => {
    const metrics = new Metrics();
    const clock = new FakeClock();
    const meter = createReflectorMeter(metrics, 'pods', clock);
    meter.listed(12, 500);
    meter.watchStarted();
    meter.event('ADDED');
    meter.watchEnded(2_000, 1);
    meter.failed('expired');
    meter.resourceVersion('77');
    meter.resourceVersion('opaque');
    meter.handlerFailed();
    const value = (name: string, labels = {}) => metrics.value(`reflector_${name}`, { name: 'pods', ...labels });
    const names = [
      'lists_total',
      'items_per_list',
      'watches_total',
      'last_resource_version',
      'handler_failures_total',
      'watch_duration_seconds_sum',
    ];
    expect(await Promise.all(names.map((name) => value(name)))).toEqual([1, 12, 1, 77, 1, 2]);
    expect([
      await value('events_total', { type: 'ADDED' }),
      await value('events_total', { type: 'DELETED' }),
      await value('failures_total', { cause: 'expired' }),
    ]).toEqual([1, 0, 1]);
  });

  it('say for how long a cache has heard nothing, and how much it holds', async () => {
    const metrics = new Metrics();
    const clock = new FakeClock();
    const cache = { size: 3 };
    const meter = createReflectorMeter(metrics, 'pods', clock);
    showCacheSize(metrics, 'pods', cache);
    const silence = (): Promise<number | undefined> => metrics.value('reflector_seconds_since_contact', { name: 'pods' });
    await clock.advance(5_000);
    expect(await silence()).toBe(5);
    meter.event('BOOKMARK');
    expect(await silence()).toBe(0);
    await clock.advance(2_000);
    meter.watchStarted();
    expect(await silence()).toBe(2);
    meter.listed(3, 1);
    expect(await silence()).toBe(0);
    expect(await metrics.value('reflector_objects', { name: 'pods' })).toBe(3);
  });

  it('that cannot be computed are counted and take no other away', async () => {
    const metrics = new Metrics();
    metrics.beforeScrape(() => {
      throw new Error('broken');
    });
    const fine = metrics.gauge({ name: 'fine', help: 'fine' });
    metrics.beforeScrape(() => fine.set(7));
    expect(await metrics.value('fine')).toBe(7);
    expect(await metrics.value('metrics_collection_failures_total')).toBe(2);
  });
});
