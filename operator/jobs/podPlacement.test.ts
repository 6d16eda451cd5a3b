/** Which nodes the next attempt stays away from, and when it may not. */
import { describe, expect, it } from 'vitest';
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { Attempt, RunReason } from '../../crds/v1/prowJob.ts';
import { avoidNodes, lostNodes } from './podPlacement.ts';

const attempt = (number: number, cause?: RunReason, node?: string): Attempt => ({
  number,
  pod_name: 'p',
  build_id: '1',
  ...(cause === undefined ? {} : { cause }),
  ...(node === undefined ? {} : { node }),
});

describe('lostNodes', () => {
  it.each([
    { name: 'none before the first', attempts: undefined, number: 1, want: [] },
    {
      name: 'each once, in order',
      attempts: [attempt(1, 'Evicted', 'b'), attempt(2, 'NodeLost', 'a'), attempt(3, 'Evicted', 'b')],
      number: 4,
      want: ['a', 'b'],
    },
    { name: 'only earlier ones', attempts: [attempt(1, 'Evicted', 'a'), attempt(2, 'Evicted', 'b')], number: 2, want: ['a'] },
    {
      name: 'a node is not blamed for a deletion, a deadline or the test',
      attempts: [attempt(1, 'PodDeleted', 'a'), attempt(2, 'UnscheduledTimeout', 'b'), attempt(3, 'OOMKilled', 'c')],
      number: 4,
      want: [],
    },
    { name: 'nor one that nobody knows', attempts: [attempt(1, 'NodeLost')], number: 2, want: [] },
    {
      name: 'the last ten',
      attempts: Array.from({ length: 12 }, (_, index) => attempt(index + 1, 'Evicted', `n${index + 1}`)),
      number: 13,
      want: Array.from({ length: 10 }, (_, index) => `n${index + 3}`),
    },
  ])('$name', ({ attempts, number, want }) => expect(lostNodes(attempts, number)).toEqual(want));
});

describe('avoidNodes', () => {
  const pod: JobPodSpec = { containers: [{}] };
  const notOn = (...nodes: string[]) => ({
    weight: 100,
    preference: { matchFields: nodes.map((node) => ({ key: 'metadata.name', operator: 'NotIn', values: [node] })) },
  });
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
  const required = (requirement: object, field = 'matchExpressions') => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ [field]: [requirement] }] } } },
  });

  it('is a wish beside the wishes of the pod', () => {
    const own = { weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } };
    const given = { ...pod, affinity: { podAffinity: {}, nodeAffinity: { [preferred]: [own] } } };
    expect(avoidNodes(given, ['a', 'b'])).toEqual({
      ...pod,
      affinity: { podAffinity: {}, nodeAffinity: { [preferred]: [own, notOn('a', 'b')] } },
    });
    expect(avoidNodes(pod, ['a'])).toEqual({ ...pod, affinity: { nodeAffinity: { [preferred]: [notOn('a')] } } });
  });

  it.each([
    { name: 'no node was lost', spec: pod, nodes: [] },
    { name: 'nodeName', spec: { ...pod, nodeName: 'a' } },
    { name: 'nodeSelector', spec: { ...pod, nodeSelector: { 'kubernetes.io/hostname': 'a' } } },
    { name: 'a required host name', spec: { ...pod, ...required({ key: 'kubernetes.io/hostname', operator: 'In', values: ['a'] }) } },
    { name: 'a required node', spec: { ...pod, ...required({ key: 'metadata.name', operator: 'In', values: ['a'] }, 'matchFields') } },
    { name: 'an affinity that is none', spec: { ...pod, affinity: 'x' } },
    { name: 'wishes that are no list', spec: { ...pod, affinity: { nodeAffinity: { [preferred]: {} } } } },
    { name: 'a node affinity that is none', spec: { ...pod, affinity: { nodeAffinity: 7 } } },
  ])('leaves the pod as it is: $name', ({ spec, nodes = ['a'] }) => expect(avoidNodes(spec, nodes)).toBe(spec));

  it('a pod that excludes hosts is not pinned', () => {
    const spec = { ...pod, ...required({ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['z'] }) };
    expect(avoidNodes(spec, ['a'])).toMatchObject({ affinity: { nodeAffinity: { [preferred]: [notOn('a')] } } });
  });
});
