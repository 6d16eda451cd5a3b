/** What counts as the same test, and which of two runs is the newer. The rows D* of upstream are in reconcilers/prowjob/specRows.test.ts. */
import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec, ProwJobStatus } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { identityOf, isNewer } from './identity.ts';

const refs: Refs = { org: 'acme', repo: 'widget', base_ref: 'main', pulls: [{ number: 7, author: 'ann', sha: 'p1' }] };

interface Parts {
  readonly spec?: Partial<ProwJobSpec>;
  readonly status?: ProwJobStatus;
  readonly namespace?: string;
  readonly created?: string;
  readonly uid?: string;
}

const aRun = ({ spec, status, namespace = 'ci', created = '2026-01-01T00:00:00Z', uid = 'u' }: Parts = {}): ProwJob => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name: 'run', namespace, uid, creationTimestamp: created },
  spec: { type: 'presubmit', job: 'unit', refs, ...spec },
  ...(status === undefined ? {} : { status }),
});

const twelve = { number: 12, author: 'bob', sha: 'p2' };
const others: readonly { readonly what: string; readonly parts: Parts; readonly same: boolean }[] = [
  {
    what: 'another author, SHA and title',
    parts: { spec: { refs: { ...refs, pulls: [{ number: 7, author: 'x', sha: 'y' }] } } },
    same: true,
  },
  { what: 'another base SHA', parts: { spec: { refs: { ...refs, base_sha: 'b' } } }, same: true },
  { what: 'another pod', parts: { spec: { pod_spec: { containers: [] } } }, same: true },
  { what: 'another job', parts: { spec: { job: 'lint' } }, same: false },
  { what: 'another pull request', parts: { spec: { refs: { ...refs, pulls: [twelve] } } }, same: false },
  { what: 'one pull request more', parts: { spec: { refs: { ...refs, pulls: [...refs.pulls!, twelve] } } }, same: false },
  { what: 'another repository', parts: { spec: { refs: { ...refs, repo: 'gadget' } } }, same: false },
  { what: 'another owner', parts: { spec: { refs: { ...refs, org: 'umbrella' } } }, same: false },
  { what: 'another branch', parts: { spec: { refs: { ...refs, base_ref: 'stable' } } }, same: false },
  { what: 'an extra repository', parts: { spec: { extra_refs: [{ org: 'acme', repo: 'api' }] } }, same: false },
  { what: 'another namespace', parts: { namespace: 'other' }, same: false },
  { what: 'names that join to the same text', parts: { spec: { refs: { ...refs, org: 'acme/widget', repo: '' } } }, same: false },
];

describe('identity', () => {
  it.each(others)('$what: $same', ({ parts, same }) => {
    expect(identityOf(aRun(parts)) === identityOf(aRun())).toBe(same);
  });

  it('is for the unfinished presubmits of this operator only', () => {
    expect(identityOf(aRun())).toBeDefined();
    for (const type of ['postsubmit', 'batch', 'periodic'] as const) expect(identityOf(aRun({ spec: { type } }))).toBeUndefined();
    expect(identityOf(aRun({ spec: { agent: 'jenkins' } }))).toBeUndefined();
    expect(identityOf(aRun({ status: { state: 'scheduling' } }))).toBeUndefined();
    expect(identityOf(aRun({ status: { state: 'success', completionTime: '2026-01-01T00:00:00Z' } }))).toBeUndefined();
  });

  it('orders pull requests by number, not by text', () => {
    const both = [twelve, ...refs.pulls!];
    expect(identityOf(aRun({ spec: { refs: { ...refs, pulls: both } } }))).toBe(
      identityOf(aRun({ spec: { refs: { ...refs, pulls: both.toReversed() } } })),
    );
  });
});

it('of two runs exactly one is newer: the later one, or of the same second the one with the greater uid', () => {
  const [a, b, c] = [aRun({ uid: 'z' }), aRun({ created: '2026-01-01T00:00:01Z', uid: 'a' }), aRun({ uid: 'b' })];
  expect([isNewer(b, a), isNewer(a, b), isNewer(a, c), isNewer(c, a), isNewer(a, a)]).toEqual([true, false, true, false, false]);
});
