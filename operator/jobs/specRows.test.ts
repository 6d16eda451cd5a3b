/**
 * The rows of upstream's scenario tables about making runs and their links (J), and about pods without helper containers (U2, U5, U32).
 * Each says whether it is as upstream or how it differs; each difference stands in docs/differences-from-prow.md under its number.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { buildIdOf } from './buildId.ts';
import { jobUrlOf } from './jobUrl.ts';
import { annotationsForSpec, label, labelsForSpec } from './labels.ts';
import { buildRun, periodicUidOf } from './periodicRun.ts';
import { buildPod, planAttempt } from './podBuilder.ts';
import { defaultPolicy } from './policy.ts';
import { isOurs } from './runState.ts';
import { newPeriodic, newRun } from './testing/periodics.ts';

interface SpecRow {
  readonly id: string;
  readonly given: string;
  readonly outcome: 'upstream' | `differs: ${string}`;
  readonly check: () => void;
}

const same = (id: string, given: string, check: () => void): SpecRow => ({ id, given, outcome: 'upstream', check });
const differs = (id: string, given: string, how: string, check: () => void): SpecRow => ({ id, given, outcome: `differs: ${how}`, check });

const pulls = [{ number: 1, author: 'ann', sha: 'f00' }];
const refs = { org: 'acme', repo: 'widget', base_ref: 'main', pulls };
const specOf = (parts: Partial<ProwJobSpec> = {}): ProwJobSpec => ({ type: 'presubmit', job: 'unit', context: 'unit', refs, ...parts });
const periodicSpec = (parts: Partial<ProwJobSpec> = {}): ProwJobSpec => ({ type: 'periodic', job: 'nightly', ...parts });
const runOf = (spec: ProwJobSpec): ProwJob => ({
  metadata: { name: 'r', namespace: 'ci', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec,
});
const slack = (settings: object) => ({ pod_spec: { containers: [{}] }, reporter_config: { slack: { channel: 'c', ...settings } } });
const reportOf = (settings: object): boolean | undefined =>
  buildRun(newPeriodic({ spec: { jobTemplate: { spec: slack(settings) } } }), { kind: 'manual', token: 't' }).spec.reporter_config?.slack
    ?.report;

const decorated = (bucket: string): ProwJob =>
  runOf(specOf({ decoration_config: { gcs_configuration: { bucket, path_strategy: 'explicit' } } }));
const link = (run: ProwJob, prefix?: string): string | undefined =>
  jobUrlOf(run, '7', {
    prowJobs: {
      ...defaultPolicy.prowJobs,
      jobUrlTemplate: 'https://ci/{{.Spec.Job}}/{{.Status.BuildID}}',
      jobUrlPrefixes: new Map(prefix === undefined ? [] : [['*', prefix]]),
    },
  });

const podOf = (spec: ProwJobSpec) => {
  const run = runOf(spec);
  return buildPod(run, planAttempt(run, 1, defaultPolicy)).spec;
};
const container = { name: 'main', image: 'i' };

const rows: readonly SpecRow[] = [
  same('J1', 'a periodic without repositories', () => {
    expect(labelsForSpec(periodicSpec())).toEqual({
      [label.createdByProw]: 'true',
      [label.type]: 'periodic',
      [label.job]: 'nightly',
      [label.context]: '',
    });
    expect(annotationsForSpec(periodicSpec())).toEqual({ 'prow.k8s.io/job': 'nightly', 'prow.k8s.io/context': '' });
  }),
  same('J2', "the job's own labels and annotations", () => {
    expect(labelsForSpec(periodicSpec(), { [label.job]: 'mine', team: 'a' })).toMatchObject({ [label.job]: 'mine', team: 'a' });
    expect(annotationsForSpec(periodicSpec(), { 'prow.k8s.io/job': 'mine' })).toMatchObject({ 'prow.k8s.io/job': 'mine' });
  }),
  same('J3', 'a name longer than a label', () => {
    const job = `${'a'.repeat(62)}-b`;
    expect(labelsForSpec(periodicSpec({ job }))[label.job]).toBe('a'.repeat(62));
    expect(annotationsForSpec(periodicSpec({ job }))['prow.k8s.io/job']).toBe(job);
  }),
  same('J4', 'a presubmit for pull request 1', () => {
    expect(labelsForSpec(specOf())).toMatchObject({
      [label.org]: 'acme',
      [label.repo]: 'widget',
      [label.baseRef]: 'main',
      [label.pull]: '1',
    });
  }),
  same('J5', 'only further repositories', () => {
    expect(labelsForSpec(periodicSpec({ extra_refs: [{ org: 'acme', repo: 'widget', base_ref: 'main' }] }))).toMatchObject({
      [label.org]: 'acme',
      [label.repo]: 'widget',
    });
  }),
  same('J6', 'an org that is no label', () => {
    expect(labelsForSpec(specOf({ refs: { ...refs, org: 'https://gerrit.example' } }))[label.org]).toBe('gerrit.example');
  }),
  differs('J7', 'the first state', 'a run is made without a status and read as triggered; scheduling is left to whoever schedules', () => {
    expect(buildRun(newPeriodic(), { kind: 'manual', token: 't' }).status).toBeUndefined();
    expect(isOurs({ ...runOf(specOf()), status: { state: 'scheduling' } })).toBe(false);
  }),
  same('J8', 'whether Slack is told', () => {
    expect([
      reportOf({ job_states_to_report: [] }),
      reportOf({ job_states_to_report: ['failure'] }),
      reportOf({}),
      reportOf({ report: false }),
    ]).toEqual([false, true, true, false]);
  }),
  same('J13', 'a periodic is reported', () => {
    expect(buildRun(newPeriodic(), { kind: 'manual', token: 't' }).spec.report).toBe(true);
  }),
  differs('J15', 'the latest run of a periodic', 'of those that the Periodic owns, not of those with its name', () => {
    const run = newRun(newPeriodic({ uid: 'p' }), { slot: '2026-01-01T00:00:00Z' });
    expect(periodicUidOf(run)).toBe('p');
    expect(periodicUidOf({ ...run, metadata: { ...run.metadata, ownerReferences: [] } })).toBeUndefined();
  }),
  differs('J16', 'undecorated, with a template', 'values are escaped, and an unknown name is left to be seen', () => {
    expect(link(runOf(specOf({ job: 'a/b' })))).toBe('https://ci/a%2Fb/7');
    const prowJobs = { ...defaultPolicy.prowJobs, jobUrlTemplate: 'https://ci/{{.Nope}}' };
    expect(jobUrlOf(runOf(specOf()), '7', { prowJobs })).toBe('https://ci/{{.Nope}}');
  }),
  same('J17', 'decorated, without a prefix', () => {
    expect(link(decorated('bucket'))).toBe('https://ci/unit/7');
  }),
  same('J18', 'decorated, with a prefix', () => {
    const directory = 'pr-logs/pull/acme_widget/1/unit/7';
    expect(['bucket', 'gs://bucket', 's3://bucket'].map((bucket) => link(decorated(bucket), 'https://deck'))).toEqual([
      `https://deck/gs/bucket/${directory}`,
      `https://deck/gs/bucket/${directory}`,
      `https://deck/s3/bucket/${directory}`,
    ]);
  }),
  same('J19', 'a bucket with a path inside', () => {
    expect(link(decorated('bucket/path'), 'https://deck')).toBe('https://deck/gs/bucket/path/pr-logs/pull/acme_widget/1/unit/7');
  }),
  differs('J20', 'build ids', 'from creation time, uid and attempt: nobody has to be asked, and nothing can fail', () => {
    const id = (attempt: number): string => buildIdOf({ createdMs: Date.UTC(2026, 0, 1), uid: 'u', attempt });
    expect(id(1)).toMatch(/^\d{19}$/);
    expect(id(1)).toBe(id(1));
    expect(BigInt(id(2))).toBeGreaterThan(BigInt(id(1)));
  }),
  same('U2', 'one container, undecorated', () => {
    const { containers, ...spec } = podOf(periodicSpec({ pod_spec: { containers: [container] } }));
    expect(spec).toEqual({ restartPolicy: 'Never', automountServiceAccountToken: false });
    expect(containers[0]).toMatchObject({ name: 'test', terminationMessagePolicy: 'FallbackToLogsOnError' });
  }),
  same('U5', "the pod's own grace", () => {
    const spec = { containers: [container], terminationGracePeriodSeconds: 60 };
    const decoration = { grace_period: '1h' };
    expect(podOf(periodicSpec({ pod_spec: spec, decoration_config: decoration })).terminationGracePeriodSeconds).toBe(60);
  }),
  same('U32', 'default memory request, and limit as request', () => {
    const decoration = { default_memory_request: '1Gi', set_limit_equals_memory_request: true };
    const [test] = podOf(periodicSpec({ pod_spec: { containers: [container] }, decoration_config: decoration })).containers;
    expect(test).toMatchObject({ resources: { requests: { memory: '1Gi' }, limits: { memory: '1Gi' } } });
  }),
];

/** Rows about webhooks and trigger comments, which nothing here receives yet. */
const later = ['J9', 'J10', 'J12', 'J21', 'J22'];

const different = rows.filter(({ outcome }) => outcome !== 'upstream');
const counts = `${rows.length - different.length} as upstream, ${different.length} differ on purpose, ${later.length} come with webhooks`;

describe(`making runs and pods: ${rows.length + later.length} rows, ${counts}`, () => {
  it.each(rows)('$id $given: $outcome', ({ check }) => {
    check();
  });

  it('has each row once, and every difference is in the documentation', () => {
    const ids = [...rows.map(({ id }) => id), ...later];
    expect(new Set(ids).size).toBe(ids.length);
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/differences-from-prow.md'), 'utf8');
    const named = new Set(page.match(/\b[JU]\d{1,2}\b/g));
    expect(different.map(({ id }) => id).filter((id) => !named.has(id))).toEqual([]);
    expect(rows.filter(({ id, outcome }) => outcome === 'upstream' && named.has(id)).map(({ id }) => id)).toEqual([]);
  });
});
