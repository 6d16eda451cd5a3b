/** Dashboards and rules name only what exists: every metric and every label is one that the operator shows or a rule records. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { metricsPage, operatorMetrics } from '../../tools/metricsReference.ts';
import { namesIn } from './expressions.ts';
import { findPrograms } from './programs.ts';
import { alerts, repository, rules } from './rules.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const folder = path.join(repository, 'charts/prow-operator/files/dashboards');
const files = readdirSync(folder);
const read = (file: string): Dashboard => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Dashboard;
const expressionsOf = (dashboard: Dashboard): readonly string[] =>
  dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** What a scrape adds. */
const targetLabels = ['job', 'namespace', 'pod', 'instance', 'container', 'endpoint', 'le'];
const known = new Map<string, readonly string[]>([['up', []]]);

beforeAll(async () => {
  for (const { name, type, labels } of await operatorMetrics()) {
    const names = type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    for (const each of names) known.set(each, labels);
  }
  for (const { record } of rules) if (record !== undefined) known.set(record, ['reason']);
});

/** Names of the expression that nothing shows. */
function strangers(expr: string): readonly string[] {
  const { metrics, labels } = namesIn(expr);
  const possible = new Set([...targetLabels, ...metrics.flatMap((metric) => known.get(metric) ?? [])]);
  return [...metrics.filter((metric) => !known.has(metric)), ...labels.filter((label) => !possible.has(label))];
}

describe('names in an expression', () => {
  it.each([
    [
      'sum by (state) (rate(a_total{job="x",type!="y"}[5m])) / on (state) group_left b:c > 0.5',
      ['a_total', 'b:c'],
      ['job', 'type', 'state'],
    ],
    ['(a unless a offset 15m) > 0 or absent(up{job="x"})', ['a', 'up'], ['job']],
    ['histogram_quantile(0.9, sum without (pod, instance) (rate(a_bucket[1h]))) or vector(0)', ['a_bucket'], ['pod', 'instance']],
  ])('%s', (expr, metrics, labels) => {
    const names = namesIn(expr);
    expect([[...names.metrics].sort(), [...names.labels].sort()]).toEqual([[...metrics].sort(), [...labels].sort()]);
  });
});

it('a dashboard is there', () => {
  expect(files).toContain('prow-operator.json');
});

it('whoever is woken by an alert finds its figures on a dashboard', () => {
  const shown = new Set(files.flatMap((file) => expressionsOf(read(file)).flatMap((expr) => namesIn(expr).metrics)));
  for (const { alert, expr } of alerts) {
    expect(
      namesIn(expr).metrics.filter((metric) => !shown.has(metric)),
      alert,
    ).toEqual([]);
  }
});

describe('the reference of metrics', () => {
  it.runIf(process.platform === 'linux')('is current: run `node tools/metricsReference.ts` if not', async () => {
    expect(readFileSync(path.join(repository, 'docs/reference/metrics.md'), 'utf8')).toBe(await metricsPage());
  });
});

describe('the rules', () => {
  it('name only what exists', () => {
    const wrong = rules.map(({ alert, record, expr }) => ({ rule: alert ?? record, strangers: strangers(expr) }));
    expect(wrong.filter((row) => row.strangers.length > 0)).toEqual([]);
  });

  it('speak in their texts of labels that are there', () => {
    for (const { alert, expr, annotations = {} } of rules) {
      const used = Object.values(annotations).flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label));
      const { metrics } = namesIn(expr);
      const possible = [...targetLabels, ...metrics.flatMap((metric) => known.get(metric) ?? [])];
      expect(
        used.filter((label) => !possible.includes(label)),
        alert,
      ).toEqual([]);
    }
  });
});

describe.each(files)('%s', (file) => {
  const dashboard = read(file);

  it('has an id of its own for each panel, and says what each shows', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { type, title, description, targets = [] } of dashboard.panels.filter((panel) => panel.type !== 'row')) {
      expect([title, description], type).not.toContain(undefined);
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(Math.max(1, targets.length));
    }
  });

  it('lays its panels side by side', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });

  it('asks only for what exists, of the release that was chosen', () => {
    expect(expressionsOf(dashboard).filter((expr) => strangers(expr).length > 0)).toEqual([]);
    for (const expr of expressionsOf(dashboard)) {
      const count = (text: string): number => expr.split(text).length - 1;
      for (const metric of namesIn(expr).metrics) expect(count(`${metric}{job=~"$job",namespace=~"$namespace"`), expr).toBe(count(metric));
    }
    const variables = new Set(dashboard.templating.list.map(({ name }) => name));
    for (const [, used = ''] of JSON.stringify(dashboard).matchAll(/\$\{?(\w+)\}?/g)) expect(variables).toContain(used);
  });

  it.skipIf(findPrograms() === undefined)('holds expressions that Prometheus can read', async () => {
    const work = mkdtempSync(path.join(tmpdir(), 'prow-dashboard-'));
    try {
      const record = expressionsOf(dashboard).map((expr, index) => ({ record: `panel:${index}`, expr: expr.replaceAll(/\$\w+/g, '.+') }));
      writeFileSync(path.join(work, 'rules.yaml'), stringify({ groups: [{ name: 'panels', rules: record }] }));
      const { stdout } = await promisify(execFile)(findPrograms()?.promtool ?? 'promtool', [
        'check',
        'rules',
        path.join(work, 'rules.yaml'),
      ]);
      expect(stdout).toContain(`SUCCESS: ${record.length} rules found`);
    } finally {
      rmSync(work, { recursive: true });
    }
  });
});
