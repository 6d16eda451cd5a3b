import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runSummary } from './summary.ts';

const condition = (type: string): NonNullable<NonNullable<ProwJob['status']>['conditions']>[number] => ({
  type,
  status: 'True',
  reason: 'Uploaded',
  message: 'Log and results are in gs://results/logs/nightly/1.',
  lastTransitionTime: '2026-01-01T10:05:00Z',
});

/** A run as the API server has it, with all that a schedule and an operator write. */
function finishedRun(name: string): ProwJob {
  return {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: {
      name,
      namespace: 'team',
      uid: `uid-of-${name}`,
      resourceVersion: '7',
      generation: 1,
      creationTimestamp: '2026-01-01T10:00:00Z',
      labels: { 'created-by-prow': 'true', 'prow.k8s.io/job': 'nightly' },
      annotations: { 'prow.k8s.io/job': 'nightly', 'prow.k8s.io/scheduled-time': '2026-01-01T10:00:00Z' },
      ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'nightly', uid: 'uid-of-nightly', controller: true }],
      managedFields: [{ manager: 'prow-operator' }],
    },
    spec: { type: 'periodic', job: 'nightly', cluster: 'default', pod_spec: { containers: [{ name: 'test', image: 'busybox' }] } },
    status: {
      state: 'success',
      reason: 'Succeeded',
      description: 'All containers ended with exit code 0.',
      startTime: '2026-01-01T10:00:00Z',
      pendingTime: '2026-01-01T10:00:01Z',
      completionTime: '2026-01-01T10:04:00Z',
      pod_name: name,
      build_id: '2124648040431533408',
      conditions: [condition('Ready'), condition('Archived')],
      attempts: [{ number: 1, pod_name: name, pod_namespace: 'pods', build_id: '2124648040431533408', node: 'node-12', exit_code: 0 }],
    },
  };
}

describe('what the cache keeps of a run', () => {
  it('is of a finished one what deletes, counts, archives or keeps it', () => {
    const summary = runSummary()(finishedRun('nightly-1'));
    expect(summary).toStrictEqual({
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: {
        name: 'nightly-1',
        namespace: 'team',
        uid: 'uid-of-nightly-1',
        resourceVersion: '7',
        creationTimestamp: '2026-01-01T10:00:00Z',
        annotations: { 'prow.k8s.io/scheduled-time': '2026-01-01T10:00:00Z' },
        ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'nightly', uid: 'uid-of-nightly', controller: true }],
      },
      spec: { type: 'periodic', job: 'nightly', cluster: 'default' },
      status: {
        state: 'success',
        reason: 'Succeeded',
        completionTime: '2026-01-01T10:04:00Z',
        conditions: [{ ...condition('Archived'), message: '' }],
        attempts: [{ number: 1, pod_name: 'nightly-1', pod_namespace: 'pods', build_id: '2124648040431533408' }],
      },
    });
  });

  it('keeps the time at which the run started where it is not that of its creation', () => {
    const run = finishedRun('nightly-1');
    const status = { ...run.status, state: 'success' as const, startTime: '2026-01-01T10:00:07Z' };
    expect(runSummary()({ ...run, status }).status?.startTime).toBe('2026-01-01T10:00:07Z');
  });

  it('keeps what somebody waits for when a run is deleted', () => {
    const run = finishedRun('nightly-1');
    const going = { deletionTimestamp: '2026-01-01T11:00:00Z', deletionGracePeriodSeconds: 0, finalizers: ['example.com/hold'] };
    expect(runSummary()({ ...run, metadata: { ...run.metadata, ...going } }).metadata).toMatchObject(going);
  });

  it("keeps the one pod of a run that upstream's plank carried out", () => {
    const run = finishedRun('nightly-1');
    const { attempts: _none, ...status } = run.status ?? { state: 'success' as const };
    expect(runSummary()({ ...run, status }).status).toMatchObject({
      pendingTime: '2026-01-01T10:00:01Z',
      pod_name: 'nightly-1',
      build_id: '2124648040431533408',
    });
  });

  it('is of an unfinished run everything but managedFields', () => {
    const run = finishedRun('nightly-1');
    const { managedFields, ...metadata } = run.metadata;
    const { completionTime, ...status } = run.status ?? { state: 'pending' as const };
    expect([managedFields, completionTime]).not.toContain(undefined);
    expect(runSummary()({ ...run, status })).toStrictEqual({ ...run, metadata, status });
  });

  it('is whole while an abort that came too late is to be answered', () => {
    const run = finishedRun('nightly-1');
    const asked = { ...run, metadata: { ...run.metadata, generation: 2 }, spec: { ...run.spec, abort: {} } };
    expect(runSummary()(asked).status?.conditions).toHaveLength(2);
  });

  it('is one and the same for what runs of one schedule have in common', () => {
    const summarize = runSummary();
    const [first, second] = ['nightly-1', 'nightly-2'].map((name) => summarize(finishedRun(name)));
    expect(second?.spec).toBe(first?.spec);
    expect(second?.metadata.ownerReferences).toBe(first?.metadata.ownerReferences);
    expect(second?.metadata.name).not.toBe(first?.metadata.name);
  });
});
