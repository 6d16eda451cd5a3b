/** What decoration means for a pod without helper containers (U5 and U32 of upstream's scenarios), and what is not carried out. */
import { describe, expect, it } from 'vitest';
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import { decoratePod, needsCloning, unsupportedDecoration } from './podDecoration.ts';

const pod: JobPodSpec = { containers: [{ name: 'test' }] };

interface Row {
  readonly name: string;
  readonly spec?: JobPodSpec;
  readonly decoration: DecorationConfig | undefined;
  readonly want: object;
}

const memory = (request: string, limit?: string) => ({
  requests: { memory: request },
  ...(limit === undefined ? {} : { limits: { memory: limit } }),
});

const rows: readonly Row[] = [
  { name: 'not decorated', decoration: undefined, want: pod },
  { name: 'nothing about pods', decoration: { timeout: '1h', skip_cloning: true }, want: pod },
  { name: 'U32 memory', decoration: { default_memory_request: '1Gi' }, want: { containers: [{ name: 'test', resources: memory('1Gi') }] } },
  {
    name: 'U32 memory as limit',
    decoration: { default_memory_request: '1Gi', set_limit_equals_memory_request: true },
    want: { containers: [{ name: 'test', resources: memory('1Gi', '1Gi') }] },
  },
  {
    name: "the container's own request; its limit is replaced, as upstream does",
    spec: { containers: [{ resources: { requests: { cpu: '1', memory: '2Gi' }, limits: { cpu: '2', memory: '4Gi' } } }, {}] },
    decoration: { default_memory_request: '1Gi', set_limit_equals_memory_request: true },
    want: {
      containers: [
        { resources: { requests: { cpu: '1', memory: '2Gi' }, limits: { cpu: '2', memory: '2Gi' } } },
        { resources: memory('1Gi', '1Gi') },
      ],
    },
  },
  { name: 'no request: no limit', decoration: { set_limit_equals_memory_request: true }, want: pod },
  {
    name: 'only test containers',
    spec: { ...pod, initContainers: [{ name: 'i' }] },
    decoration: { default_memory_request: '1Gi' },
    want: { containers: [{ resources: memory('1Gi') }], initContainers: [{ name: 'i' }] },
  },
  { name: 'grace: a quarter more', decoration: { grace_period: '15s' }, want: { ...pod, terminationGracePeriodSeconds: 18 } },
  { name: 'grace: whole seconds first', decoration: { grace_period: '15.9s' }, want: { ...pod, terminationGracePeriodSeconds: 18 } },
  { name: 'grace: less than a second is none', decoration: { grace_period: '900ms' }, want: pod },
  { name: 'grace: longer than time is none', decoration: { grace_period: '99999999999999999999h' }, want: pod },
  {
    name: "U5 the pod's own grace",
    spec: { ...pod, terminationGracePeriodSeconds: 60 },
    decoration: { grace_period: '15s' },
    want: { ...pod, terminationGracePeriodSeconds: 60 },
  },
  { name: 'account', decoration: { default_service_account_name: 'ci' }, want: { ...pod, serviceAccountName: 'ci' } },
  {
    name: "the pod's own account",
    spec: { ...pod, serviceAccountName: 'own' },
    decoration: { default_service_account_name: 'ci' },
    want: { ...pod, serviceAccountName: 'own' },
  },
  { name: 'no account, on purpose', decoration: { default_service_account_name: '' }, want: pod },
  {
    name: 'user and groups, where the pod does not say',
    spec: { ...pod, securityContext: { runAsUser: 7, runAsNonRoot: true } },
    decoration: { run_as_user: 1000, run_as_group: 0, fs_group: 3000 },
    want: { ...pod, securityContext: { runAsUser: 7, runAsNonRoot: true, runAsGroup: 0, fsGroup: 3000 } },
  },
  {
    name: 'place',
    decoration: { scheduling_options: { affinity: { nodeAffinity: {} }, tolerations: [{ key: 'a' }] } },
    want: { ...pod, affinity: { nodeAffinity: {} }, tolerations: [{ key: 'a' }] },
  },
  {
    name: "the pod's own place",
    spec: { ...pod, affinity: { podAffinity: {} }, tolerations: [{ key: 'own' }] },
    decoration: { scheduling_options: { affinity: { nodeAffinity: {} }, tolerations: [{ key: 'a' }] } },
    want: { ...pod, affinity: { podAffinity: {} }, tolerations: [{ key: 'own' }] },
  },
];

describe('decoratePod', () => {
  it.each(rows)('$name', ({ spec = pod, decoration, want }) => {
    const before = JSON.stringify(spec);
    const decorated = decoratePod(spec, decoration);
    expect(decorated).toMatchObject(want);
    if (want === pod) expect(decorated).toEqual(pod);
    expect(JSON.stringify(spec)).toBe(before);
  });
});

it('names what it does not act on', () => {
  const decoration: DecorationConfig = {
    timeout: '1h',
    utility_images: { sidecar: 'i' },
    gcs_configuration: { bucket: 'b' },
    censor_secrets: false,
    ssh_key_secrets: ['k'],
  };
  expect(unsupportedDecoration(decoration, false)).toEqual(['decoration_config.utility_images', 'decoration_config.gcs_configuration']);
  expect(unsupportedDecoration(decoration, true)).toEqual(['decoration_config.utility_images']);
  expect(unsupportedDecoration(undefined, false)).toEqual([]);
});

it.each([
  { name: 'not decorated', spec: { extra_refs: [{ org: 'o', repo: 'r' }] }, want: false },
  { name: 'nothing to clone', spec: { decoration_config: {} }, want: false },
  { name: 'an empty list is nothing', spec: { decoration_config: {}, extra_refs: [] }, want: false },
  { name: 'its repository', spec: { decoration_config: {}, refs: { org: 'o', repo: 'r' } }, want: true },
  { name: 'a further one', spec: { decoration_config: {}, extra_refs: [{ org: 'o', repo: 'r' }] }, want: true },
  { name: 'it clones by itself', spec: { decoration_config: { skip_cloning: true }, refs: { org: 'o', repo: 'r' } }, want: false },
])('whether a job wants a clone: $name', ({ spec, want }) => expect(needsCloning({ type: 'periodic', job: 'j', ...spec })).toBe(want));
