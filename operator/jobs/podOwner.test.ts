/** Which pods a run believes. A wrong answer here reports a stranger's result, or runs a test twice. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { annotation, label } from './labels.ts';
import { buildIdOfPod, mayHostPod, ownerOf, podIndexers, runKeyOfPod } from './podOwner.ts';
import type { PodShape } from './podShape.ts';
import { defaultPolicy } from './policy.ts';

const run: ProwJob = { metadata: { name: 'run', namespace: 'ci', uid: 'u-1' }, spec: { type: 'periodic', job: 'j' } };

interface Marks {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly env?: { name: string; value: string }[];
}

const pod = ({ labels = {}, annotations = {}, env = [] }: Marks = {}): PodShape => ({
  metadata: { name: 'pod', namespace: 'pods', labels, annotations },
  spec: { containers: [{ name: 'test', env }] },
});
const prow = { [label.createdByProw]: 'true' };

describe('ownerOf', () => {
  it.each([
    { name: 'the uid of the run', marks: { labels: { ...prow, [label.runUid]: 'u-1' } }, want: 'own' },
    {
      name: 'an earlier uid of the same run',
      marks: { labels: { ...prow, [label.runUid]: 'u-0' }, annotations: { [annotation.run]: 'ci/run' } },
      want: 'former',
    },
    {
      name: 'a uid of another run',
      marks: { labels: { ...prow, [label.runUid]: 'u-2' }, annotations: { [annotation.run]: 'ci/other' } },
      want: 'stranger',
    },
    { name: "plank's label", marks: { labels: { ...prow, [label.id]: 'run' } }, want: 'own' },
    { name: "plank's label of another run", marks: { labels: { ...prow, [label.id]: 'other' } }, want: 'stranger' },
    { name: 'no mark of ours', marks: { labels: { [label.runUid]: 'u-1' } }, want: 'stranger' },
    { name: 'nothing', marks: {}, want: 'stranger' },
  ])('$name: $want', ({ marks, want }) => expect(ownerOf(pod(marks), run)).toBe(want));
});

it.each([
  { name: 'the annotation', marks: { annotations: { [annotation.run]: 'ci/run' } }, want: 'ci/run' },
  { name: 'the label, in the namespace of the pod', marks: { labels: { [label.id]: 'run' } }, want: 'pods/run' },
  { name: 'an annotation that is no key', marks: { annotations: { [annotation.run]: 'nonsense' } }, want: 'pods/pod' },
])('a pod names its run by $name', ({ marks, want }) => {
  expect(runKeyOfPod(pod(marks))).toBe(want);
  expect(podIndexers.run(pod(marks))).toEqual([want]);
});

it.each([
  { namespace: 'ci', policy: defaultPolicy, want: true },
  { namespace: 'pods', policy: defaultPolicy, want: false },
  { namespace: 'pods', policy: { ...defaultPolicy, podNamespace: 'pods' }, want: true },
  { namespace: 'heavy', policy: { ...defaultPolicy, tenants: new Map([['ci', ['heavy']]]) }, want: true },
  { namespace: 'heavy', policy: { ...defaultPolicy, tenants: new Map([['other', ['heavy']]]) }, want: false },
])('pods of ci in $namespace: $want', ({ namespace, policy, want }) => expect(mayHostPod(run, namespace, policy)).toBe(want));

it("the build id comes from the label, else from upstream's variable", () => {
  const env = [{ name: 'BUILD_ID', value: '2' }];
  expect(buildIdOfPod(pod({ labels: { [label.buildId]: '1' }, env }))).toBe('1');
  expect(buildIdOfPod(pod({ env }))).toBe('2');
  expect(buildIdOfPod(pod())).toBeUndefined();
});
