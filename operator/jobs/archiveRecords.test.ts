import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { finishedJson, podInfoJson, prowJobJson, startedJson } from './archiveRecords.ts';

const main: Refs = { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'b5' };
const pull = { number: 7, author: 'ann', sha: 'c0ffee' };
const extra: Refs = { org: 'acme', repo: 'tools', base_ref: 'v2' };

const run = (spec: Partial<ProwJobSpec> = {}, status: Partial<NonNullable<ProwJob['status']>> = {}): ProwJob => ({
  metadata: { name: 'r', namespace: 'ci', resourceVersion: '5', managedFields: [{}], creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { type: 'presubmit', job: 'unit', ...spec },
  status: { state: 'success', completionTime: '2026-01-01T00:10:00Z', ...status },
});
const json = (text: string): unknown => JSON.parse(text);
const attempt = { started: '2026-01-01T00:01:00Z', finished: '2026-01-01T00:05:00Z' };
const begun = { timestamp: Date.UTC(2026, 0, 1, 0, 1) / 1000, metadata: { uploader: 'prow-operator' } };
const commit = (text: string): object => ({ 'repo-commit': text, 'repo-version': text });

describe('started.json (U30)', () => {
  it.each<{ what: string; spec: Partial<ProwJobSpec>; want: object }>([
    { what: 'no repository', spec: {}, want: {} },
    { what: 'a base', spec: { refs: main }, want: { repos: { 'acme/widget': 'main:b5' }, ...commit('b5') } },
    {
      what: 'a base without a commit',
      spec: { refs: { ...main, base_sha: '' } },
      want: { repos: { 'acme/widget': 'main' }, ...commit('main') },
    },
    {
      what: 'a pull',
      spec: { refs: { ...main, pulls: [pull] } },
      want: { pull: '7', repos: { 'acme/widget': 'main:b5,7:c0ffee' }, ...commit('c0ffee') },
    },
    {
      what: 'extra refs',
      spec: { refs: main, extra_refs: [extra] },
      want: { repos: { 'acme/widget': 'main:b5', 'acme/tools': 'v2' }, ...commit('b5') },
    },
    {
      what: 'extra refs alone',
      spec: { extra_refs: [{ ...main, auxiliary: true }, extra] },
      want: { repos: { 'acme/widget': 'main:b5', 'acme/tools': 'v2' }, ...commit('v2') },
    },
  ])('of a run with $what', ({ spec, want }) => {
    expect(json(startedJson(run(spec), attempt))).toEqual({ ...begun, ...want });
  });
  it('falls back to the creation', () => {
    expect(json(startedJson(run(), {}))).toMatchObject({ timestamp: Date.UTC(2026, 0, 1) / 1000 });
  });
});

describe('finished.json', () => {
  it.each([
    ['success', true, 'SUCCESS'],
    ['failure', false, 'FAILURE'],
    ['aborted', false, 'ABORTED'],
    ['error', false, 'ERROR'],
  ] as const)('of %s', (state, passed, result) => {
    expect(json(finishedJson(run({ refs: main }, { state, reason: 'TestFailed' }), attempt, true))).toEqual({
      timestamp: Date.UTC(2026, 0, 1, 0, 10) / 1000,
      passed,
      result,
      metadata: { uploader: 'prow-operator', reason: 'TestFailed' },
      revision: 'b5',
    });
  });
  it('of an attempt that another followed says nothing about the test', () => {
    expect(json(finishedJson(run(), { ...attempt, cause: 'Evicted' }, false))).toEqual({
      timestamp: Date.UTC(2026, 0, 1, 0, 5) / 1000,
      passed: false,
      result: 'ABORTED',
      metadata: { uploader: 'prow-operator', reason: 'Evicted' },
    });
  });
});

it('prowjob.json does not change when the run is archived', () => {
  const condition = (type: string) =>
    ({ type, status: 'True', reason: 'x', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }) as const;
  const before = run({}, { conditions: [condition('Ready')] });
  const after = run({}, { conditions: [condition('Ready'), condition('Archived')] });
  expect(prowJobJson({ ...after, metadata: { ...after.metadata, resourceVersion: '6' } })).toBe(prowJobJson(before));
  expect(json(prowJobJson(after))).toEqual({
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: { name: 'r', namespace: 'ci', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: after.spec,
    status: before.status,
  });
});

it('podinfo.json has pod and events without what only API servers read', () => {
  const metadata = { name: 'p', managedFields: [{}] };
  expect(json(podInfoJson({ metadata, spec: {} }, [{ metadata, reason: 'Started' }]))).toEqual({
    pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {} },
    events: [{ metadata: { name: 'p' }, reason: 'Started' }],
  });
});
