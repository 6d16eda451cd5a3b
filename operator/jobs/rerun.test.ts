/** Reruns: what is handed on and what is not, and their names. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { firstRerunNumber, rerunNameOf, rerunOf, runOfTemplate } from './rerun.ts';
import { containers, newPeriodic, newRun } from './testing/periodics.ts';

const original: ProwJob = {
  metadata: {
    name: 'pull-7',
    namespace: 'ci',
    uid: 'u',
    resourceVersion: '9',
    labels: {
      'created-by-prow': 'true',
      'prow.k8s.io/id': 'old-id',
      'prow.k8s.io/build-id': '123',
      'prow.k8s.io/run-uid': 'u',
      'prow.k8s.io/attempt': '2',
      'prow.k8s.io/re-run': '3',
      team: 'blue',
    },
    annotations: {
      'prow.k8s.io/run-now-token': 't',
      'prow.k8s.io/slot-attempt': '2',
      'prow.k8s.io/scheduled-time': '2026-01-01T00:00:00Z',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      note: 'kept',
    },
    ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'p', uid: 'p', controller: true }],
    finalizers: ['x'],
  },
  spec: { type: 'periodic', job: 'unit', priority: 3, abort: { by: 'eve' }, pod_spec: { containers } },
  status: { state: 'aborted', completionTime: '2026-01-01T00:00:00Z' },
};

describe('a rerun of the run as it was', () => {
  const run = rerunOf(original, 'pull-7-rerun-1');
  it('has its spec but for the abort, and no status', () => {
    expect(run.spec).toEqual({ type: 'periodic', job: 'unit', priority: 3, pod_spec: { containers } });
    expect(run.status).toBeUndefined();
  });
  it('has the labels of its job and the ids of no other run', () =>
    expect(run.metadata.labels).toEqual({
      'created-by-prow': 'true',
      'prow.k8s.io/type': 'periodic',
      'prow.k8s.io/job': 'unit',
      'prow.k8s.io/context': '',
      team: 'blue',
    }));
  it('says what it repeats and keeps the slot', () =>
    expect(run.metadata.annotations).toEqual({
      'prow.k8s.io/job': 'unit',
      'prow.k8s.io/context': '',
      'prow.k8s.io/scheduled-time': '2026-01-01T00:00:00Z',
      'prow.k8s.io/rerun-of': 'pull-7',
      note: 'kept',
    }));
  it('has nothing else of the first one', () =>
    expect(Object.keys(run.metadata).sort()).toEqual(['annotations', 'labels', 'name', 'namespace']));
  it('leaves the first one as it was', () => expect(original.spec.abort).toEqual({ by: 'eve' }));
});

it('with the latest template runs what the Periodic says now, for the slot of then', () => {
  const before = newPeriodic();
  const now = newPeriodic({
    spec: { jobTemplate: { metadata: { labels: { version: '2' } }, spec: { job: 'new', pod_spec: { containers } } } },
  });
  const run = rerunOf(newRun(before, { slot: '2026-01-01T00:10:00Z' }), 'again', now);
  expect(run.spec).toMatchObject({ type: 'periodic', job: 'new' });
  expect(run.metadata).toMatchObject({
    name: 'again',
    labels: { version: '2', 'prow.k8s.io/job': 'new' },
    annotations: { 'prow.k8s.io/scheduled-time': '2026-01-01T00:10:00Z', 'prow.k8s.io/rerun-of': 'nightly-20260101t0010z' },
  });
  expect(run.metadata.ownerReferences).toBeUndefined();
});

it('a run of a template fills no slot and has no owner', () => {
  const run = runOfTemplate(newPeriodic(), 'try');
  expect(run.metadata.annotations).toEqual({ 'prow.k8s.io/job': 'nightly', 'prow.k8s.io/context': '' });
  expect([run.metadata.name, run.metadata.namespace, run.metadata.ownerReferences]).toEqual(['try', 'team', undefined]);
});

it.each([
  ['unit', 1, 'unit-rerun-1'],
  ['unit-rerun-1', 2, 'unit-rerun-2'],
  ['unit-rerun-x', 1, 'unit-rerun-x-rerun-1'],
  ['a'.repeat(63), 12, /^a{45}-[0-9a-f]{8}-rerun-12$/],
])('%s, %d: %s', (name, number, want) => {
  const got = rerunNameOf(name, number);
  if (typeof want === 'string') expect(got).toBe(want);
  else expect(got).toMatch(want);
  expect(got.length).toBeLessThanOrEqual(63);
});

it('goes on counting where a rerun is run again', () => {
  expect([firstRerunNumber('unit'), firstRerunNumber('unit-rerun-3'), firstRerunNumber('rerun-3')]).toEqual([1, 4, 1]);
});
