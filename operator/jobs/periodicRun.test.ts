import { describe, expect, it } from 'vitest';
import { attemptOfRun, buildRun, periodicUidOf, runNameOf, runNowTokenOf, slotOfRun, tokenOfRun } from './periodicRun.ts';
import { containers, newPeriodic } from './testing/periodics.ts';

const slotMs = Date.parse('2026-01-01T10:00:00Z');
const longName = `${'a'.repeat(45)}.${'b'.repeat(80)}`;

describe('runNameOf', () => {
  it.each([
    { name: 'a slot on the minute', periodic: 'nightly', cause: { kind: 'slot', slotMs } as const, want: 'nightly-20260101t1000z' },
    {
      name: 'a slot between minutes',
      periodic: 'nightly',
      cause: { kind: 'slot', slotMs: slotMs + 7000 } as const,
      want: 'nightly-20260101t100007z',
    },
    {
      name: 'a repetition, told apart from the second pod of the run it repeats',
      periodic: 'nightly',
      cause: { kind: 'slot', slotMs, attempt: 2 } as const,
      want: 'nightly-20260101t1000z-r1',
    },
    { name: 'a start by hand', periodic: 'nightly', cause: { kind: 'manual', token: 'now' } as const, want: /^nightly-now-[0-9a-f]{12}$/ },
    { name: 'a long name', periodic: longName, cause: { kind: 'slot', slotMs } as const, want: /^a{39}-[0-9a-f]{8}-20260101t1000z$/ },
    {
      name: 'a cut that would end in punctuation',
      periodic: `${'a'.repeat(38)}.${'b'.repeat(80)}`,
      cause: { kind: 'slot', slotMs } as const,
      want: /^a{38}-[0-9a-f]{8}-20260101t1000z$/,
    },
  ])('$name', ({ periodic, cause, want }) => {
    const name = runNameOf(periodic, cause);
    expect(name.length).toBeLessThanOrEqual(63);
    if (typeof want === 'string') expect(name).toBe(want);
    else expect(name).toMatch(want);
  });

  it('tells long names apart that begin alike, and tokens', () => {
    expect(runNameOf(longName, { kind: 'slot', slotMs })).not.toBe(runNameOf(`${longName}c`, { kind: 'slot', slotMs }));
    expect(runNameOf('a', { kind: 'manual', token: 'x' })).not.toBe(runNameOf('a', { kind: 'manual', token: 'y' }));
  });
});

describe('buildRun', () => {
  it('counts repetitions as upstream does, and lets no template forge what a run is known by', () => {
    const forged = {
      'prow.k8s.io/scheduled-time': '2020-01-01T00:00:00Z',
      'prow.k8s.io/slot-attempt': '7',
      'prow.k8s.io/run-now-token': 'forged',
    };
    const periodic = newPeriodic();
    const template = { ...periodic.spec.jobTemplate, metadata: { annotations: forged } };
    const runs = [1, 2].map((attempt) =>
      buildRun({ ...periodic, spec: { ...periodic.spec, jobTemplate: template } }, { kind: 'slot', slotMs, attempt }),
    );
    expect(runs.map((run) => run.metadata.labels?.['prow.k8s.io/re-run'])).toEqual([undefined, '1']);
    expect(runs.map(attemptOfRun)).toEqual([1, 2]);
    expect(runs.map(slotOfRun)).toEqual([slotMs, slotMs]);
    expect(runs.map(tokenOfRun)).toEqual([undefined, undefined]);
  });

  it('fills in what upstream fills in, and belongs to the Periodic', () => {
    const run = buildRun(newPeriodic(), { kind: 'slot', slotMs });
    expect(run).toEqual({
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: {
        name: 'nightly-20260101t1000z',
        namespace: 'team',
        labels: { 'created-by-prow': 'true', 'prow.k8s.io/type': 'periodic', 'prow.k8s.io/job': 'nightly', 'prow.k8s.io/context': '' },
        annotations: { 'prow.k8s.io/job': 'nightly', 'prow.k8s.io/context': '', 'prow.k8s.io/scheduled-time': '2026-01-01T10:00:00Z' },
        ownerReferences: [
          {
            apiVersion: 'prow.k8s.io/v1',
            kind: 'Periodic',
            name: 'nightly',
            uid: 'periodic-uid',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: {
        type: 'periodic',
        agent: 'kubernetes',
        cluster: 'default',
        job: 'nightly',
        report: true,
        prowjob_defaults: { tenant_id: 'GlobalDefaultID' },
        pod_spec: { containers },
      },
    });
    expect(periodicUidOf(run)).toBe('periodic-uid');
  });

  it('J2: lets the template win, except for what ties the run to its slot', () => {
    const metadata = {
      labels: { team: 'blue', 'prow.k8s.io/job': 'mine' },
      annotations: { note: 'x', 'prow.k8s.io/scheduled-time': 'forged' },
    };
    const spec = {
      job: 'named',
      agent: 'jenkins',
      cluster: 'gpu',
      report: false,
      prowjob_defaults: { tenant_id: 'me' },
      extra_refs: [{ org: 'acme', repo: 'widget', base_ref: 'main' }],
    };
    const run = buildRun(newPeriodic({ spec: { jobTemplate: { metadata, spec } } }), { kind: 'slot', slotMs });
    expect(run.metadata.labels).toMatchObject({
      team: 'blue',
      'prow.k8s.io/job': 'mine',
      'prow.k8s.io/refs.org': 'acme',
      'prow.k8s.io/refs.base_ref': 'main',
    });
    expect(run.metadata.annotations).toMatchObject({
      note: 'x',
      'prow.k8s.io/scheduled-time': '2026-01-01T10:00:00Z',
      'prow.k8s.io/job': 'named',
    });
    expect(run.spec).toEqual({ type: 'periodic', ...spec });
  });

  it.each([
    { name: 'explicitly no states', slack: { channel: 'c', job_states_to_report: [] }, want: false },
    { name: 'some states', slack: { channel: 'c', job_states_to_report: ['failure' as const] }, want: true },
    { name: 'nothing said', slack: { channel: 'c' }, want: true },
    { name: 'report wins', slack: { channel: 'c', job_states_to_report: [], report: true }, want: true },
  ])('J8: Slack report with $name', ({ slack, want }) => {
    const run = buildRun(newPeriodic({ spec: { jobTemplate: { spec: { reporter_config: { slack } } } } }), { kind: 'slot', slotMs });
    expect(run.spec.reporter_config?.slack).toEqual({ ...slack, report: want });
  });

  it('keeps the token of a start by hand, and names no slot', () => {
    const { annotations } = buildRun(newPeriodic(), { kind: 'manual', token: 'please' }).metadata;
    expect(annotations).toMatchObject({ 'prow.k8s.io/run-now-token': 'please' });
    expect(annotations).not.toHaveProperty('prow.k8s.io/scheduled-time');
  });
});

it('keeps a long token as its hash', () => {
  const token = runNowTokenOf(newPeriodic({ annotations: { 'prow.k8s.io/run-now': 'x'.repeat(5000) } }));
  expect(token).toMatch(/^sha256:[0-9a-f]{64}$/);
});
