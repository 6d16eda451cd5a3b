import { describe, expect, it } from 'vitest';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { ArchiveDestination } from './archiveDestination.ts';
import { LayoutError, isLaterBuild, layoutOf, logNames } from './archiveLayout.ts';

const destination: ArchiveDestination = {
  location: { scheme: 'gs', bucket: 'b', prefix: '' },
  pathPrefix: '',
  strategy: 'explicit',
  defaultOrg: 'kubernetes',
  defaultRepo: 'kubernetes',
};
const refs = (org: string, repo: string): NonNullable<ProwJobSpec['refs']> => ({
  org,
  repo,
  base_ref: 'main',
  pulls: [{ number: 7, author: 'ann', sha: 'c0ffee' }],
});
const spec = (type: ProwJobSpec['type'], more: Partial<ProwJobSpec> = {}): ProwJobSpec => ({ type, job: 'unit', ...more });

describe('the directory of a run', () => {
  it.each([
    ['periodic', spec('periodic'), 'logs/unit/42/'],
    ['postsubmit', spec('postsubmit', { refs: refs('acme', 'widget') }), 'logs/unit/42/'],
    ['presubmit', spec('presubmit', { refs: refs('acme', 'widget') }), 'pr-logs/pull/acme_widget/7/unit/42/'],
    ['batch', spec('batch', { refs: refs('acme', 'widget') }), 'pr-logs/pull/batch/unit/42/'],
  ] as const)('of a %s', (_type, given, directory) => {
    expect(layoutOf(given, '42', destination).directory).toBe(directory);
  });

  it.each([
    ['legacy', 'kubernetes', 'kubernetes', 'pr-logs/pull/7'],
    ['legacy', 'kubernetes', 'test-infra', 'pr-logs/pull/test-infra/7'],
    ['legacy', 'acme', 'widget', 'pr-logs/pull/acme_widget/7'],
    ['single', 'kubernetes', 'kubernetes', 'pr-logs/pull/7'],
    ['single', 'kubernetes', 'test-infra', 'pr-logs/pull/kubernetes_test-infra/7'],
    ['single', 'acme', 'widget', 'pr-logs/pull/acme_widget/7'],
    ['explicit', 'kubernetes', 'kubernetes', 'pr-logs/pull/kubernetes_kubernetes/7'],
    ['explicit', 'https://gerrit.example.com', 'a/b', 'pr-logs/pull/gerrit.example.com_a_b/7'],
  ] as const)('by strategy %s for %s/%s', (strategy, org, repo, pull) => {
    const layout = layoutOf(spec('presubmit', { refs: refs(org, repo) }), '42', { ...destination, strategy });
    expect(layout.directory).toBe(`${pull}/unit/42/`);
    expect(layout.latestBuilds).toEqual(['pr-logs/directory/unit/latest-build.txt', `${pull}/unit/latest-build.txt`]);
  });

  it('has the prefix of the job, which alias and latest build have not, and that of the installation, which all have', () => {
    const to = { ...destination, location: { scheme: 's3', bucket: 'b', prefix: 'ci/' }, pathPrefix: 'team/' } as const;
    expect(layoutOf(spec('batch', { refs: refs('acme', 'widget') }), '42', to)).toEqual({
      directory: 'ci/team/pr-logs/pull/batch/unit/42/',
      latestBuilds: ['ci/pr-logs/directory/unit/latest-build.txt'],
      alias: { key: 'ci/pr-logs/directory/unit/42.txt', content: 's3://b/ci/team/pr-logs/pull/batch/unit/42' },
    });
    expect(layoutOf(spec('periodic'), '42', to).latestBuilds).toEqual(['ci/logs/unit/latest-build.txt']);
  });

  it('U12 has an alias for presubmit and batch only', () => {
    expect(layoutOf(spec('periodic'), '1', destination).alias).toBeUndefined();
    expect(layoutOf(spec('postsubmit', { refs: refs('a', 'b') }), '1', destination).alias).toBeUndefined();
    expect(layoutOf(spec('presubmit', { refs: refs('a', 'b') }), '1', destination).alias?.content).toBe('gs://b/pr-logs/pull/a_b/7/unit/1');
  });

  it.each(['..', '.', 'a/../../b', 'a\\b', 'a\u0000b'])('cannot be left by a job named %j', (job) => {
    const segments = layoutOf(spec('periodic', { job }), '42', destination).directory.split('/');
    expect(segments).toHaveLength(4);
    expect(segments[1]).not.toMatch(/^\.{1,2}$/);
  });

  it('is refused to a presubmit without a pull request', () => {
    expect(() => layoutOf(spec('presubmit'), '42', destination)).toThrow(LayoutError);
  });
});

describe('logs', () => {
  const names = (...list: string[]): { name: string }[] => list.map((name) => ({ name }));
  it.each([
    { pod: { containers: names('test') }, want: [['test', 'build-log.txt']] },
    {
      pod: { containers: names('a', 'b') },
      want: [
        ['a', 'a-build-log.txt'],
        ['b', 'b-build-log.txt'],
      ],
    },
    {
      pod: { containers: names('test'), initContainers: names('setup') },
      want: [
        ['setup', 'setup-build-log.txt'],
        ['test', 'build-log.txt'],
      ],
    },
  ])('$want', ({ pod, want }) => {
    expect([...logNames(pod)]).toEqual(want);
  });
});

it.each([
  ['2', '1', true],
  ['1', '2', false],
  ['7', '7', false],
  ['10000000000000000001', '10000000000000000000', true],
  ['9', '10', false],
  ['5', undefined, true],
  ['5', '4\n', true],
  ['5', '', true],
  ['5', 'rubbish', true],
  ['rubbish', '5', false],
])('build %s after %s moves the latest build: %s', (next, current, moves) => {
  expect(isLaterBuild(next, current)).toBe(moves);
});
