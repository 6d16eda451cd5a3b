/** What presets add to a pod, and what they refuse to override. */
import { describe, expect, it } from 'vitest';
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import { applyPresets, repeatedPresetLabels, type Preset } from './presets.ts';

interface Row {
  readonly name: string;
  readonly podSpec?: JobPodSpec;
  readonly labels?: Readonly<Record<string, string>>;
  readonly presets: readonly Preset[];
  readonly want: object;
  /** Paths of the problems. Default: none. */
  readonly problems?: readonly string[];
}

const one: JobPodSpec = { containers: [{ name: 'test' }] };
const service: Preset = {
  labels: { 'preset-service': 'true' },
  env: [{ name: 'ZONE', value: 'eu' }],
  volumes: [{ name: 'key', secret: { secretName: 'key' } }],
  volumeMounts: [{ name: 'key', mountPath: '/etc/key' }],
  tolerations: [{ key: 'tests', operator: 'Exists' }],
};
const labels = { 'preset-service': 'true', other: 'x' };
const served = {
  containers: [{ name: 'test', env: service.env, volumeMounts: service.volumeMounts }],
  volumes: service.volumes,
  tolerations: service.tolerations,
};

const rows: readonly Row[] = [
  { name: 'every label fits', labels, presets: [service], want: served },
  { name: 'another value', labels: { 'preset-service': 'false' }, presets: [service], want: one },
  { name: 'a label is missing', labels, presets: [{ ...service, labels: { ...service.labels, more: 'true' } }], want: one },
  {
    name: 'no labels: every job',
    presets: [{ env: [{ name: 'A', value: '1' }] }],
    want: { containers: [{ env: [{ name: 'A', value: '1' }] }] },
  },
  { name: 'a key that every object has is no label', presets: [{ labels: { constructor: 'true' }, env: [{ name: 'A' }] }], want: one },
  {
    name: 'every container, after its own',
    podSpec: { containers: [{ name: 'a', env: [{ name: 'OWN', value: '1' }] }, { name: 'b' }] },
    labels,
    presets: [{ ...service, volumes: [], volumeMounts: [], tolerations: [] }],
    want: {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'OWN', value: '1' },
            { name: 'ZONE', value: 'eu' },
          ],
        },
        { name: 'b', env: [{ name: 'ZONE', value: 'eu' }] },
      ],
    },
  },
  {
    name: 'init containers are left alone',
    podSpec: { ...one, initContainers: [{ name: 'proxy' }] },
    labels,
    presets: [service],
    want: { ...served, initContainers: [{ name: 'proxy' }] },
  },
  { name: 'applied before, in the same words', podSpec: served as unknown as JobPodSpec, labels, presets: [service], want: served },
  {
    name: 'another value of the same variable, volume and mount',
    podSpec: {
      containers: [{ name: 'test', env: [{ name: 'ZONE', value: 'us' }], volumeMounts: [{ name: 'key', mountPath: '/k' }] }],
      volumes: [{ name: 'key', emptyDir: {} }],
    },
    labels,
    presets: [service],
    want: { containers: [{ env: [{ name: 'ZONE', value: 'us' }] }], volumes: [{ name: 'key', emptyDir: {} }] },
    problems: ['containers[0].env', 'containers[0].volumeMounts', 'volumes'],
  },
  {
    name: 'two presets that contradict each other',
    presets: [{ env: [{ name: 'A', value: '1' }] }, { env: [{ name: 'A', value: '2' }] }],
    want: { containers: [{ env: [{ name: 'A', value: '1' }] }] },
    problems: ['containers[0].env'],
  },
  {
    name: 'lists that are none',
    podSpec: { containers: [{ name: 'test', volumeMounts: 'x' as never }], volumes: 7 as never },
    labels,
    presets: [service],
    want: { containers: [{ volumeMounts: 'x' }], volumes: 7 },
  },
];

describe('applyPresets', () => {
  it.each(rows)('$name', ({ podSpec = one, labels: own = {}, presets, want, problems = [] }) => {
    const before = JSON.stringify([podSpec, presets]);
    const result = applyPresets(podSpec, own, presets);
    expect(result.podSpec).toMatchObject(want);
    if (want === one || want === served) expect(result.podSpec).toEqual(want);
    expect(result.problems.map(({ path }) => path)).toEqual(problems);
    expect(JSON.stringify([podSpec, presets]), 'inputs are not changed').toBe(before);
  });

  it('says what is to be done', () => {
    const { problems } = applyPresets({ containers: [{ env: [{ name: 'ZONE' }] }] }, labels, [service]);
    expect(problems[0]?.message).toBe('preset preset-service=true and the job itself both set "ZONE"; rename or remove one of them');
  });
});

it('a pair of label and value belongs to one preset', () => {
  const presets = [{ labels: { a: '1' } }, { labels: { a: '2', b: '1' } }, { labels: { b: '1', a: '1' } }];
  expect(repeatedPresetLabels(presets)).toEqual([
    { index: 2, pair: 'b: 1' },
    { index: 2, pair: 'a: 1' },
  ]);
});
