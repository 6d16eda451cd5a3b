import { describe, expect, it } from 'vitest';
import { LiveSeries, Tally } from './liveSeries.ts';
import { Metrics } from './metrics.ts';
import { showStalledObjects } from './stalledObjects.ts';

const spec = { name: 'things', help: 'things', labels: ['kind', 'color'] as const };

function tallyOf(entries: readonly (readonly [kind: string, color: string, value: number])[]): Tally<'kind' | 'color'> {
  const tally = new Tally<'kind' | 'color'>();
  for (const [kind, color, value] of entries) tally.add({ kind, color }, value);
  return tally;
}

describe('live series', () => {
  it('show what is counted now, and nothing else', async () => {
    const metrics = new Metrics();
    const series = new LiveSeries(metrics.gauge(spec));
    series.show(tallyOf([['ball', 'red', 1], ['ball', 'red', 2], ['cube', 'blue', 1]])); // prettier-ignore
    expect(await metrics.value('things', { kind: 'ball', color: 'red' })).toBe(3);
    series.show(tallyOf([['cube', 'blue', 4]]));
    expect(await metrics.value('things', { kind: 'ball' })).toBeUndefined();
    expect(await metrics.value('things', { kind: 'cube' })).toBe(4);
  });

  it('leave alone what others show in the same gauge', async () => {
    const metrics = new Metrics();
    const one = new LiveSeries(metrics.gauge(spec));
    const two = new LiveSeries(metrics.gauge(spec));
    one.show(tallyOf([['ball', 'red', 1]]));
    two.show(tallyOf([['cube', 'blue', 1]]));
    one.show(tallyOf([]));
    expect([await metrics.value('things', { kind: 'ball' }), await metrics.value('things', { kind: 'cube' })]).toEqual([undefined, 1]);
  });

  it('start at 0 where that is wanted, and keep the greatest value where that is', () => {
    const tally = new Tally<'kind'>([{ kind: 'ball' }]);
    tally.raise({ kind: 'cube' }, 3);
    tally.raise({ kind: 'cube' }, 2);
    expect(tally.series).toEqual([
      { labels: { kind: 'ball' }, value: 0 },
      { labels: { kind: 'cube' }, value: 3 },
    ]);
  });
});

describe('stalled objects', () => {
  it('are counted by kind, namespace and reason, as long as they are stalled', async () => {
    const metrics = new Metrics();
    const object = (namespace: string, status: 'True' | 'False', reason: string) => ({
      metadata: { namespace },
      status: { conditions: [{ type: 'Stalled', status, reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    });
    let things = [object('a', 'True', 'Bad'), object('a', 'True', 'Bad'), object('b', 'False', 'Good')];
    showStalledObjects(metrics, 'Thing', () => things);
    showStalledObjects(metrics, 'Other', () => [object('a', 'True', 'Bad'), { metadata: {} }]);
    const count = (kind: string, object_namespace: string) => metrics.value('operator_stalled_objects', { kind, object_namespace });
    expect([await count('Thing', 'a'), await count('Thing', 'b'), await count('Other', 'a')]).toEqual([2, undefined, 1]);
    things = [];
    expect([await count('Thing', 'a'), await count('Other', 'a')]).toEqual([undefined, 1]);
  });
});
