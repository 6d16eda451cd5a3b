/** Where the log of an attempt is looked for when its pod is gone. */
import { expect, it } from 'vitest';
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import { archivedLogPath, type ArchiveHints } from './archivedLog.ts';

const attempts: readonly Attempt[] = [
  { number: 1, pod_name: 'run', build_id: '100' },
  { number: 2, pod_name: 'run-2', build_id: '200' },
];
const run = (spec: Partial<ProwJob['spec']> = {}): ProwJob => ({
  metadata: { name: 'run', namespace: 'ci' },
  spec: { type: 'periodic', job: 'unit', pod_spec: { containers: [{ name: 'test' }], initContainers: [{ name: 'get' }] }, ...spec },
  status: { state: 'success', attempts: [...attempts] },
});
const archived = 'Log and results are in file:///results/logs/unit/200/. Something else.';
const two = { pod_spec: { containers: [{ name: 'a' }, { name: 'b' }] } };

interface Case {
  readonly name: string;
  readonly hints: Partial<ArchiveHints>;
  readonly spec?: Partial<ProwJob['spec']>;
  /** Default: the latest. */
  readonly attempt?: number;
  readonly want: string | undefined;
}

const cases: readonly Case[] = [
  { name: 'below the directory that was given', hints: { root: '/kept/' }, want: '/kept/logs/unit/200/build-log.txt' },
  { name: 'an earlier attempt', hints: { root: '/kept' }, attempt: 0, want: '/kept/logs/unit/100/build-log.txt' },
  { name: 'where its status says', hints: { archived }, want: '/results/logs/unit/200/build-log.txt' },
  { name: 'an earlier attempt, from its status', hints: { archived }, attempt: 0, want: '/results/logs/unit/100/build-log.txt' },
  { name: 'an init container', hints: { archived, container: 'get' }, want: '/results/logs/unit/200/get-build-log.txt' },
  { name: 'the first of several containers', hints: { root: '/k' }, spec: two, want: '/k/logs/unit/200/a-build-log.txt' },
  { name: 'one of several containers', hints: { root: '/k', container: 'b' }, spec: two, want: '/k/logs/unit/200/b-build-log.txt' },
  { name: 'no hint', hints: {}, want: undefined },
  { name: 'an archive that is no directory', hints: { archived: 'Log and results are in s3://bucket/logs/unit/200/.' }, want: undefined },
  { name: 'a run that has no place', hints: { root: '/k' }, spec: { type: 'presubmit' }, want: undefined },
  {
    name: 'a job whose name leads elsewhere',
    hints: { root: '/k' },
    spec: { job: '../../etc' },
    want: '/k/logs/.._.._etc/200/build-log.txt',
  },
];

it.each(cases)('$name', ({ hints, spec, attempt = 1, want }) => {
  expect(archivedLogPath(run(spec), attempts[attempt]!, { root: undefined, archived: undefined, container: undefined, ...hints })).toBe(
    want,
  );
});
