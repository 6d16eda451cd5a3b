import { expect, it } from 'vitest';
import { MergedMetrics } from './mergedMetrics.ts';
import { Metrics } from './metrics.ts';

const passes = { name: 'passes_total', help: 'Passes, also those that fail', labels: ['of'] } as const;

it('puts the series of all registries under one heading, and shows a part no longer when it has gone', async () => {
  const own = new Metrics();
  own.gauge({ name: 'build_info', help: 'Always 1' }).set(1);
  own.counter(passes).inc({ of: 'process' });
  const pages = new MergedMetrics(own);
  const ends = ['0', '1'].map((shard) => {
    const part = new Metrics({ shard });
    part.counter(passes).inc({ of: 'runs' }, Number(shard) + 5);
    part.histogram({ name: 'took_seconds', help: 'How long', buckets: [1] }).observe(0.5);
    return pages.add(part);
  });
  const { body, contentType } = await pages.render();
  expect(contentType).toContain('text/plain');
  expect(body.match(/^# HELP passes_total/gm)).toHaveLength(1);
  expect(body).toContain(
    '# TYPE passes_total counter\npasses_total{of="process"} 1\npasses_total{of="runs",shard="0"} 5\npasses_total{of="runs",shard="1"} 6\n',
  );
  expect(body).toContain('took_seconds_bucket{le="1",shard="1"} 1');
  expect(body).toContain('build_info 1');
  const names = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(names).size).toBe(names.length);
  ends[0]?.();
  expect((await pages.render()).body).not.toContain('shard="0"');
});
