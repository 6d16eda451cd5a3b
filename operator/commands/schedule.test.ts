/** `schedule` as a user calls it: what it prints of a small directory, the shape of its JSON, a live namespace, and what is wrong. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { periodics } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { startOfSlot } from '../jobs/periodicJitter.ts';
import { parseSchedule } from '../jobs/schedule.ts';
import { stamp } from '../jobs/times.ts';
import { KubeClient } from '../kube/client.ts';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { KubeObject } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { schedule, type ScheduleOptions } from './schedule.ts';
import type { ScheduleReport } from './scheduleReport.ts';

const testdata = path.join(import.meta.dirname, 'testdata');
const directory = path.relative(process.cwd(), path.join(testdata, 'schedule'));
const nowMs = Date.parse('2026-10-24T00:00:00Z');

afterEach(() => vi.restoreAllMocks());

async function call(names: readonly string[], options: Partial<ScheduleOptions> = {}) {
  const written = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((written.out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((written.err += String(text)), true));
  const code = await schedule(names, { output: 'text', ...options }, nowMs);
  vi.restoreAllMocks();
  return { code, ...written };
}

const reportOf = ({ out }: { readonly out: string }): ScheduleReport => JSON.parse(out) as ScheduleReport;

describe('of a directory', () => {
  it('one line for each Periodic, and a heat map', async () => {
    const { code, out, err } = await call([directory]);
    await expect(out).toMatchFileSnapshot(path.join(testdata, 'schedule.txt'));
    for (const line of out.split('\n').slice(out.split('\n').indexOf('') + 1, -7)) expect(line.length).toBeLessThanOrEqual(80);
    expect(code).toBe(1);
    expect(err).toMatch(/others\.yaml:\d+:\d+: error: Periodic broken: spec\.crons\[1\]: "0 25 \* \* \*": column 3: the hour 25 is not/);
  });

  it('the slots of each, where so many of them are asked for', async () => {
    const { out } = await call([directory], { count: '3' });
    const [blocks = ''] = out.split('Starts in the same minute');
    await expect(blocks.replaceAll(directory, 'jobs')).toMatchFileSnapshot(path.join(testdata, 'scheduleSlots.txt'));
  });

  it('as JSON, with all of it', async () => {
    const report = reportOf(await call([directory], { output: 'json', to: '48h' }));
    expect(report.periodics.map(({ name, slots, dependsOn }) => [name, slots.length, dependsOn])).toEqual([
      ['ci/after', 0, 'runs'],
      ['ci/half-hourly', 96, undefined],
      ...['e2e', 'fuzz', 'integration', 'lint', 'unit', 'upgrade'].map((suite) => [`ci/nightly-${suite}`, 2, undefined]),
      ['ci/weekly', 2, undefined],
      ['ticking', 7, 'creation'],
    ]);
    expect(report.periodics.find(({ name }) => name === 'ci/weekly')).toMatchObject({
      file: path.join(directory, 'others.yaml'),
      written: { cron: 'H 2 * * 0' },
      effective: [expect.stringMatching(/^\d+ 2 \* \* 0$/) as string],
      timeZone: 'Europe/Zurich',
      jitter: '5m',
      isCut: false,
    });
    const { heatMap } = report;
    expect(heatMap).toMatchObject({ from: '2026-10-24T00:00:00Z', to: '2026-10-26T00:00:00Z', peak: 7, unknown: ['ci/after', 'ticking'] });
    expect([heatMap?.peaks.length, heatMap?.byMinute.length, heatMap?.byHour.length]).toEqual([1440, 60, 24]);
    expect(heatMap?.worst[0]).toMatchObject({ minutes: ['02:00'], starts: 7, at: '2026-10-24T02:00:00Z', days: 2 });
    expect(heatMap?.advice.map(({ kind }) => kind).sort()).toEqual(['H', 'jitter']);
    expect(report.problems).toMatchObject([{ name: 'broken', path: 'spec.crons[1]' }]);
  });

  it('has no heat map of a single Periodic, and cuts its slots at ten', async () => {
    const report = reportOf(await call([path.join('examples', 'first-periodic')], { output: 'json' }));
    expect(report.heatMap).toBeUndefined();
    expect(report.periodics.map(({ slots, isCut }) => [slots.length, isCut])).toEqual([[10, true]]);
  });
});

describe('what is wrong', () => {
  it.each<{
    readonly name: string;
    readonly names?: readonly string[];
    readonly options?: Partial<ScheduleOptions>;
    readonly says: RegExp;
  }>([
    { name: 'nothing to read', names: [], says: /name files or directories/ },
    { name: 'a file that is not there', names: ['nowhere.yaml'], says: /nowhere\.yaml cannot be read/ },
    { name: 'a time nobody can read', options: { from: 'tomorrow' }, says: /--from tomorrow is neither a time such as/ },
    { name: 'a time without a zone', options: { to: '2026-10-24T00:00:00' }, says: /--to 2026-10-24T00:00:00 is neither/ },
    { name: 'an end before the start', options: { from: '2026-10-24', to: '2026-10-23' }, says: /--to must be after --from/ },
    { name: 'no count', options: { count: '0' }, says: /--count 0 is not a number from 1/ },
    { name: 'another output', options: { output: 'yaml' }, says: /--output yaml is neither text nor json/ },
    { name: 'no kubeconfig', options: { namespace: 'ci', kubeconfig: '/nowhere/kubeconfig' }, says: /\/nowhere\/kubeconfig/ },
  ])('$name ends with 2', async ({ names = [directory], options = {}, says }) => {
    const { code, out, err } = await call(names, options);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(says);
  });

  it('durations count from the time before: --to from --from, --from from now', async () => {
    const { from, heatMap } = reportOf(await call([directory], { output: 'json', from: '+24h', to: '1h30m' }));
    expect([from, heatMap?.to]).toEqual(['2026-10-25T00:00:00Z', '2026-10-25T01:30:00Z']);
  });

  it('is told by the command itself', () => {
    const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
    const child = spawnSync(process.execPath, [entry, 'schedule', directory, '--count', 'many'], { encoding: 'utf8' });
    expect([child.status, child.stderr]).toEqual([2, 'prow-operator schedule: --count many is not a number from 1 to 10000\n']);
  });
});

describe('of a live namespace', () => {
  const crds: ResourceType = {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
  };
  const namespace = 'default';
  let sandbox: Sandbox;
  let client: KubeClient;

  const create = (name: string, spec: Partial<Periodic['spec']>): Promise<Periodic> =>
    client.create(periodics, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'Periodic',
      metadata: { name, namespace },
      spec: { jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox' }] } } }, ...spec },
    });

  beforeAll(async () => {
    sandbox = await startSandbox({ kubelet: false, now: () => Date.parse('2026-10-23T10:00:00Z') });
    client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath })) });
    const file = path.join(import.meta.dirname, '../../crds/generated/prow.k8s.io_periodics.yaml');
    await client.create(crds, parse(readFileSync(file, 'utf8')) as KubeObject);
    await vi.waitFor(() => client.list(periodics, { namespace }), { timeout: 10_000, interval: 10 });
    await create('every', { cron: '@every 7h' });
    await create('jittered', { cron: '0 3 * * *', jitter: '30m' });
    await create('broken', { cron: '61 * * * *' });
    await create('after', { interval: '6h' });
    const status = { nextScheduleTimes: ['2026-10-24T05:00:00Z'] };
    await client.patch(periodics, { namespace, name: 'after' }, mergePatch({ status }), { subresource: 'status' });
  });

  afterAll(async () => {
    await client.close();
    await sandbox.close();
  });

  const live = (names: readonly string[], options: Partial<ScheduleOptions> = {}) =>
    call(names, { namespace, kubeconfig: sandbox.kubeconfigPath, ...options });

  it('knows what @every counts from, by how much each run is late, and names what cannot be read', async () => {
    const answer = await live([], { output: 'json', count: '2' });
    const report = reportOf(answer);
    expect(report.periodics.map(({ name }) => name)).toEqual(['default/after', 'default/every', 'default/jittered']);
    expect(report.periodics[0]?.remarks).toEqual([
      'an interval has no slots that are known beforehand; the next start is 2026-10-24T05:00:00Z',
    ]);
    expect(report.periodics[1]?.slots.map(({ slot }) => slot)).toEqual(['2026-10-24T00:00:00Z', '2026-10-24T07:00:00Z']);
    const jittered = await client.get(periodics, { namespace, name: 'jittered' });
    const parsed = parseSchedule(jittered.spec);
    if (!parsed.ok) throw new Error('the test wants a schedule');
    const slotMs = Date.parse('2026-10-24T03:00:00Z');
    const startMs = startOfSlot(jittered, parsed.schedule, { sinceMs: 0, startsAtOnce: false }, slotMs);
    expect(report.periodics[2]?.slots[0]).toMatchObject({ slot: stamp(slotMs), start: stamp(startMs), isStart: true });
    expect(report.heatMap?.unknown).toEqual(['default/after']);
    expect(answer.code).toBe(1);
    expect(answer.err).toBe('error: Periodic default/broken: spec.cron: "61 * * * *": column 1: the minute 61 is not between 0 and 59\n');
  });

  it('shows the one that is asked for', async () => {
    const { code, out, err } = await live(['every']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^Periodic default\/every\n {2}schedule: @every 7h, in Etc\/UTC\n/);
    expect(out).toContain('2026-10-24 07:00');
  });

  it('says that there is none, instead of nothing', async () => {
    expect(await live([], { namespace: 'empty' })).toEqual({ code: 0, out: 'There is no Periodic.\n', err: '' });
    expect(await live(['nobody'])).toMatchObject({ code: 1, out: '' });
  });

  it('names one that is not there', async () => {
    expect(await live(['every', 'nobody'])).toMatchObject({ code: 1, err: 'error: Periodic default/nobody: there is no such Periodic\n' });
  });
});
