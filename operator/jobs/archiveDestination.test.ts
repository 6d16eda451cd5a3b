import { expect, it } from 'vitest';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { destinationOf } from './archiveDestination.ts';
import type { ArchivePolicy } from './archivePolicy.ts';

const policy: ArchivePolicy = {
  location: { scheme: 's3', bucket: 'main', prefix: 'ci/' },
  allowedBuckets: [
    { scheme: 'gs', bucket: 'team', prefix: '' },
    { scheme: 's3', bucket: 'other', prefix: 'x/' },
  ],
  pathStrategy: 'single',
  defaultOrg: 'acme',
  defaultRepo: 'widget',
  holdCleanupMs: 1,
};
type Wish = NonNullable<NonNullable<ProwJobSpec['decoration_config']>['gcs_configuration']>;
const to = (wish?: Wish) =>
  destinationOf({ type: 'periodic', job: 'x', ...(wish === undefined ? {} : { decoration_config: { gcs_configuration: wish } }) }, policy);

const usual = { location: policy.location, pathPrefix: '', strategy: 'single', defaultOrg: 'acme', defaultRepo: 'widget' };

it('is the place of the installation for a job that says nothing', () => {
  expect(to()).toEqual(usual);
  expect(to({})).toEqual(usual);
});
it.each([
  ['team', 'gs', 'team', ''],
  ['gs://team', 'gs', 'team', ''],
  ['s3://other', 's3', 'other', 'x/'],
  ['s3://main', 's3', 'main', 'ci/'],
])('is the bucket %s where that is allowed', (bucket, scheme, name, prefix) => {
  expect(to({ bucket })).toEqual({ ...usual, location: { scheme, bucket: name, prefix } });
});
it.each(['s3://team', 'foreign', 'gs://', 'file:///etc', '../..'])('is not %s, which nobody allowed, and says so', (bucket) => {
  expect(to({ bucket, path_prefix: 'mine', path_strategy: 'legacy' })).toEqual({ ...usual, refusedBucket: bucket });
});
it('takes the rest from the job', () => {
  expect(to({ path_prefix: '/a//b/', path_strategy: 'legacy', default_org: 'o', default_repo: 'r' })).toEqual({
    location: policy.location,
    pathPrefix: 'a/b/',
    strategy: 'legacy',
    defaultOrg: 'o',
    defaultRepo: 'r',
  });
});
it.each([
  ['..', ''],
  ['../../x', 'x/'],
  ['./a/../b', 'a/b/'],
])('keeps the prefix %s inside the bucket', (path_prefix, pathPrefix) => {
  expect(to({ path_prefix }).pathPrefix).toBe(pathPrefix);
});
