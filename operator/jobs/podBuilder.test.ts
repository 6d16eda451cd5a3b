/** The pod of an attempt, field by field, and the environment of each type of run. */
import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { label } from './labels.ts';
import { InvalidSpecError, buildPod, planAttempt, podNamespaceOf } from './podBuilder.ts';
import { defaultPolicy } from './policy.ts';

const refs: Refs = {
  org: 'acme',
  repo: 'widget',
  base_ref: 'main',
  base_sha: 'abc',
  pulls: [{ number: 7, author: 'ann', sha: 'def', title: 'Fix <it>', head_ref: 'fix' }],
};

const aRun = (spec: Partial<ProwJobSpec> = {}, metadata: Partial<ProwJob['metadata']> = {}): ProwJob => ({
  metadata: { name: 'run-1', namespace: 'ci', uid: 'u-1', creationTimestamp: '2026-06-01T12:00:00Z', ...metadata },
  spec: {
    type: 'periodic',
    agent: 'kubernetes',
    job: 'unit',
    pod_spec: { containers: [{ name: 'main', image: 'busybox', env: [{ name: 'MINE', value: '1' }] }] },
    ...spec,
  },
});

const built = (run: ProwJob, attempt = 1) => buildPod(run, planAttempt(run, attempt, defaultPolicy));
const environment = (run: ProwJob): Record<string, string | undefined> =>
  Object.fromEntries((built(run).spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));

describe('U2 an undecorated pod', () => {
  it('gets name, restart policy, token and termination message policy', () => {
    const pod = built(aRun());
    expect(pod.metadata).toMatchObject({ name: 'run-1', namespace: 'ci' });
    expect(pod.spec).toMatchObject({ restartPolicy: 'Never', automountServiceAccountToken: false });
    expect(pod.spec.containers).toEqual([
      expect.objectContaining({ name: 'test', image: 'busybox', terminationMessagePolicy: 'FallbackToLogsOnError' }),
    ]);
  });
  it('appends its environment after the own one, sorted', () => {
    const names = built(aRun()).spec.containers[0]!.env!.map(({ name }) => name);
    expect(names).toEqual(['MINE', 'BUILD_ID', 'BUILD_NUMBER', 'CI', 'JOB_NAME', 'JOB_SPEC', 'JOB_TYPE', 'PROW_JOB_ID']);
  });
  it('U5 keeps what the pod says itself', () => {
    const own = { automountServiceAccountToken: true, terminationGracePeriodSeconds: 60, restartPolicy: 'Always' };
    const pod = built(aRun({ pod_spec: { containers: [{ name: 'a', terminationMessagePolicy: 'File' }], ...own } }));
    expect(pod.spec).toMatchObject({ automountServiceAccountToken: true, terminationGracePeriodSeconds: 60, restartPolicy: 'Never' });
    expect(pod.spec.containers[0]?.terminationMessagePolicy).toBe('File');
  });
  it('leaves the token alone when there is a service account', () => {
    expect(built(aRun({ pod_spec: { containers: [{}], serviceAccountName: 'builder' } })).spec).not.toHaveProperty(
      'automountServiceAccountToken',
    );
  });
  it('several containers keep their names and all get the environment; init containers only the message policy', () => {
    const pod = built(aRun({ pod_spec: { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] } }));
    expect(pod.spec.containers.map(({ name, env }) => [name, env?.length])).toEqual([
      ['a', 7],
      ['b', 7],
    ]);
    expect(pod.spec.initContainers).toEqual([{ name: 'i', terminationMessagePolicy: 'FallbackToLogsOnError' }]);
  });
  it('does not change the run', () => {
    const run = aRun({ type: 'presubmit', refs }, { labels: { team: 'a' }, annotations: { note: 'b' } });
    const text = JSON.stringify(run);
    built(run);
    expect(JSON.stringify(run)).toBe(text);
  });
  it('carries labels and annotations of the run, and its own, which nobody can override', () => {
    const run = aRun(
      { type: 'presubmit', refs, context: 'ci/unit' },
      { labels: { team: 'a', [label.createdByProw]: 'false', [label.id]: 'other', [label.job]: 'mine' }, annotations: { note: 'b' } },
    );
    const { metadata } = built(run, 2);
    expect(metadata.name).toBe('run-1-2');
    expect(metadata.labels).toEqual({
      'created-by-prow': 'true',
      'prow.k8s.io/type': 'presubmit',
      'prow.k8s.io/job': 'mine',
      'prow.k8s.io/context': 'unit',
      'prow.k8s.io/refs.org': 'acme',
      'prow.k8s.io/refs.repo': 'widget',
      'prow.k8s.io/refs.base_ref': 'main',
      'prow.k8s.io/refs.pull': '7',
      team: 'a',
      'prow.k8s.io/id': 'run-1',
      'prow.k8s.io/run-uid': 'u-1',
      'prow.k8s.io/attempt': '2',
      'prow.k8s.io/build-id': expect.stringMatching(/^\d{19}$/),
    });
    expect(metadata.annotations).toEqual({
      'prow.k8s.io/job': 'unit',
      'prow.k8s.io/context': 'ci/unit',
      note: 'b',
      'prow.k8s.io/run': 'ci/run-1',
    });
  });
});

describe('U1 the environment', () => {
  const buildId = planAttempt(aRun(), 1, defaultPolicy).buildId;
  const all = { CI: 'true', JOB_NAME: 'unit', BUILD_ID: buildId, BUILD_NUMBER: buildId, PROW_JOB_ID: 'run-1' };
  const repository = {
    REPO_OWNER: 'acme',
    REPO_NAME: 'widget',
    SRC_HOST: 'github.com',
    SRC_BASE: 'acme/widget',
    PULL_BASE_REF: 'main',
    PULL_BASE_SHA: 'abc',
  };
  const { pulls: _pulls, ...base } = refs;

  it('of a periodic run', () => {
    const { JOB_SPEC, ...env } = environment(aRun({ extra_refs: [base] }));
    expect(env).toEqual({ MINE: '1', ...all, JOB_TYPE: 'periodic' });
    expect(JOB_SPEC).toBe(
      `{"type":"periodic","job":"unit","buildid":"${buildId}","prowjobid":"run-1","extra_refs":[{"org":"acme","repo":"widget","base_ref":"main","base_sha":"abc"}]}`,
    );
  });
  it('of a postsubmit run', () => {
    const { JOB_SPEC: _spec, ...env } = environment(aRun({ type: 'postsubmit', refs: base }));
    expect(env).toEqual({ MINE: '1', ...all, ...repository, JOB_TYPE: 'postsubmit', PULL_REFS: 'main:abc' });
  });
  it('of a batch run', () => {
    const two = { ...refs, pulls: [...refs.pulls!, { number: 8, author: 'bob', sha: 'ghi', ref: 'refs/x' }] };
    const { JOB_SPEC: _spec, ...env } = environment(aRun({ type: 'batch', refs: two }));
    expect(env).toEqual({ MINE: '1', ...all, ...repository, JOB_TYPE: 'batch', PULL_REFS: 'main:abc,7:def,8:ghi:refs/x' });
  });
  it('of a presubmit run', () => {
    const { JOB_SPEC, ...env } = environment(aRun({ type: 'presubmit', refs }));
    const pull = { PULL_REFS: 'main:abc,7:def', PULL_NUMBER: '7', PULL_PULL_SHA: 'def', PULL_HEAD_REF: 'fix', PULL_TITLE: 'Fix <it>' };
    expect(env).toEqual({ MINE: '1', ...all, ...repository, ...pull, JOB_TYPE: 'presubmit' });
    expect(JOB_SPEC).toContain('"pulls":[{"number":7,"author":"ann","sha":"def","title":"Fix \\u003cit\\u003e","head_ref":"fix"}]');
  });
  it.each([
    { name: 'a path alias', change: { path_alias: 'k8s.io/api' }, host: 'k8s.io', base: 'api' },
    { name: 'the page of the repository', change: { repo_link: 'https://git.example.com/a/b' }, host: 'git.example.com', base: 'a/b' },
  ])('takes the source root from $name', ({ change, host, base: path }) => {
    expect(environment(aRun({ type: 'postsubmit', refs: { ...base, ...change } }))).toMatchObject({ SRC_HOST: host, SRC_BASE: path });
  });
  it('has the slot of a schedule', () => {
    const at = '2026-06-01T12:00:00Z';
    expect(environment(aRun({}, { annotations: { 'prow.k8s.io/scheduled-time': at } }))).toMatchObject({ SCHEDULED_TIME: at });
  });
});

describe('the namespace', () => {
  const tenants = new Map([['ci', ['heavy']]]);
  it.each([
    { name: 'its own by default', spec: {}, policy: defaultPolicy, want: 'ci' },
    { name: "the settings' one", spec: {}, policy: { ...defaultPolicy, podNamespace: 'pods' }, want: 'pods' },
    { name: 'a listed one', spec: { namespace: 'heavy' }, policy: { ...defaultPolicy, podNamespace: 'pods', tenants }, want: 'heavy' },
    { name: 'not an unlisted one', spec: { namespace: 'kube-system' }, policy: { ...defaultPolicy, tenants }, want: 'ci' },
    {
      name: "not another tenant's",
      spec: { namespace: 'heavy' },
      policy: { ...defaultPolicy, tenants: new Map([['other', ['heavy']]]) },
      want: 'ci',
    },
  ])('$name', ({ spec, policy, want }) => expect(podNamespaceOf(aRun(spec), policy)).toBe(want));
});

it.each([
  {
    name: 'decorated, with something to clone',
    spec: { decoration_config: {}, extra_refs: [{ org: 'o', repo: 'r' }] },
    field: 'spec.decoration_config',
  },
  { name: 'a deadline longer than time', spec: { timeouts: { running: '99999999999999999999h' } }, field: 'spec.timeouts.running' },
  { name: 'no refs', spec: { type: 'postsubmit' as const }, field: 'spec.refs' },
  { name: 'no pulls', spec: { type: 'presubmit' as const, refs: { org: 'o', repo: 'r' } }, field: 'spec.refs.pulls' },
  {
    name: 'env that is no list',
    spec: { pod_spec: { containers: [{}, { env: 'x' as never }] } },
    field: 'spec.pod_spec.containers[1].env',
  },
  { name: 'a container that is null', spec: { pod_spec: { containers: [null as never] } }, field: 'spec.pod_spec.containers' },
])('a run that cannot become a pod is refused by its field: $name', ({ spec, field }) => {
  const run = aRun(spec);
  expect(() => built(run)).toThrow(InvalidSpecError);
  expect(() => built(run)).toThrow(`${field}: `);
});
