/**
 * The sets give what the chart of the same matrix gives: the same forty Periodics, one to one, as the pure functions make them and as an
 * API server serves them once the controller of sets has done its work.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { periodics, periodicSets } from '../../crds/resources.ts';
import { validateManifests } from '../../crds/validate.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { checkPeriodicSet } from '../../operator/jobs/matrixChecks.ts';
import { expandSet } from '../../operator/jobs/matrixChildren.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { createPeriodicSetController } from '../../reconcilers/periodicset/controller.ts';
import { periodicSetIndexers } from '../../reconcilers/periodicset/owned.ts';
import { renderChart } from '../../tools/helm.ts';

const here = import.meta.dirname;
const files = readdirSync(here).filter((file) => file.endsWith('.yaml'));
const textOf = (file: string): string => readFileSync(path.join(here, file), 'utf8');
const sets = files.map((file) => parse(textOf(file)) as PeriodicSet);

/** What has to be equal: name, labels and spec. */
const essence = ({ metadata, spec }: Periodic): object => ({ name: metadata.name, labels: metadata.labels, spec });

const byName = (a: Periodic, b: Periodic): number => (a.metadata.name < b.metadata.name ? -1 : 1);

const rendered = parseAllDocuments(renderChart({ chart: path.join(here, '../eks-matrix'), namespace: 'eks' }))
  .map((document) => document.toJS() as Periodic)
  .filter(({ kind }) => kind === 'Periodic')
  .sort(byName);

describe('the sets', () => {
  it('are valid, without a warning', () => {
    const sources = files.map((file) => ({ file, text: textOf(file) }));
    expect(validateManifests(sources, { PeriodicSet: [checkPeriodicSet] })).toEqual({ problems: [], checked: 3, skipped: 0 });
  });

  it('give the forty Periodics of the chart, one to one', () => {
    const made = sets.flatMap((set) => expandSet(set).children.map(({ periodic }) => periodic)).sort(byName);
    expect(made).toHaveLength(40);
    expect(made.map(essence)).toEqual(rendered.map(essence));
  });
});

it('the example of the guide makes the three Periodics that it names', () => {
  const guide = readFileSync(path.join(here, '../../docs/guide/periodic-sets.md'), 'utf8');
  const set = parse(/```yaml\n([^]*?)```/.exec(guide)?.[1] ?? '') as PeriodicSet;
  const { children, problems, warnings } = expandSet(set);
  expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
  const made = children.map(({ periodic }) => periodic.metadata.name).sort();
  expect(made).toHaveLength(3);
  expect(guide).toContain(
    `This makes ${made
      .map((name) => `\`${name}\``)
      .join(', ')
      .replace(/, (?=[^,]*$)/, ' and ')}.`,
  );
});

describe('on an embedded cluster', () => {
  const namespace = 'default';
  let cluster: SandboxCluster;
  let process: Running;

  beforeAll(async () => {
    cluster = await SandboxCluster.open([periodicSets, periodics], Date.parse('2026-01-01T00:00:00Z'));
    process = await cluster.run((client, informer) =>
      createPeriodicSetController({
        client,
        periodicSets: informer({ type: periodicSets }),
        periodics: informer({ type: periodics, indexers: periodicSetIndexers }),
        events: { event: () => undefined },
        workers: 4,
        clock: cluster.clock,
        logger: silentLogger,
        metrics: new Metrics(),
      }),
    );
  });
  afterAll(async () => {
    await process.stop();
    await cluster.close();
  });

  it('the forty Periodics are served as the chart writes them', async () => {
    for (const set of sets) await cluster.client.create(periodicSets, { ...set, metadata: { ...set.metadata, namespace } });
    const current = async (): Promise<number> => {
      const { items } = await cluster.client.list(periodicSets, { namespace });
      return items.reduce((sum, { status }) => sum + (status?.current ?? 0), 0);
    };
    await cluster.until(async () => (await current()) === 40);
    const { items } = await cluster.client.list(periodics, { namespace });
    expect([...items].sort(byName).map(essence)).toEqual(rendered.map(essence));
  });
});
