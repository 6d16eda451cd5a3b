/** Upstream's rule for defaults of decoration, field by field. */
import { describe, expect, it } from 'vitest';
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import { decorationDefaultsFor, mergeDecoration } from './decorationDefaults.ts';

interface Row {
  readonly name: string;
  readonly base: DecorationConfig | undefined;
  readonly defaults: DecorationConfig | undefined;
  readonly want: DecorationConfig | undefined;
}

const rows: readonly Row[] = [
  { name: 'nothing and nothing', base: undefined, defaults: undefined, want: undefined },
  { name: 'only the job', base: { timeout: '1h' }, defaults: undefined, want: { timeout: '1h' } },
  { name: 'only defaults', base: undefined, defaults: { timeout: '1h' }, want: { timeout: '1h' } },
  {
    name: 'the job comes first',
    base: { timeout: '1h' },
    defaults: { timeout: '2h', grace_period: '15s' },
    want: { timeout: '1h', grace_period: '15s' },
  },
  {
    name: 'false was written, so it holds',
    base: { skip_cloning: false, censor_secrets: true },
    defaults: { skip_cloning: true, censor_secrets: false },
    want: { skip_cloning: false, censor_secrets: true },
  },
  {
    name: 'an empty secret name switches the default off',
    base: { gcs_credentials_secret: '', cookiefile_secret: '' },
    defaults: { gcs_credentials_secret: 'gcs', cookiefile_secret: 'cookies' },
    want: { gcs_credentials_secret: '', cookiefile_secret: '' },
  },
  { name: 'an empty app id does not', base: { github_app_id: '' }, defaults: { github_app_id: '7' }, want: { github_app_id: '7' } },
  {
    name: 'lists are replaced when empty, never joined',
    base: { ssh_key_secrets: ['mine'], sparse_checkout_files: [] },
    defaults: { ssh_key_secrets: ['theirs'], sparse_checkout_files: ['a'] },
    want: { ssh_key_secrets: ['mine'], sparse_checkout_files: ['a'] },
  },
  {
    name: 'images one by one',
    base: { utility_images: { sidecar: 'mine', entrypoint: '' } },
    defaults: { utility_images: { sidecar: 'theirs', entrypoint: 'theirs' } },
    want: { utility_images: { sidecar: 'mine', entrypoint: 'theirs' } },
  },
  {
    name: 'resources by container, not by amount',
    base: { resources: { sidecar: { requests: { cpu: '1' } } } },
    defaults: { resources: { sidecar: { requests: { memory: '1Gi' } }, clonerefs: { requests: { cpu: '2' } } } },
    want: { resources: { sidecar: { requests: { cpu: '1' } }, clonerefs: { requests: { cpu: '2' } } } },
  },
  {
    name: 'media types of the defaults replace those of the job',
    base: { gcs_configuration: { bucket: 'mine', mediaTypes: { log: 'text/mine', xml: 'text/xml' } } },
    defaults: { gcs_configuration: { bucket: 'theirs', path_strategy: 'explicit', mediaTypes: { log: 'text/plain' } } },
    want: { gcs_configuration: { bucket: 'mine', path_strategy: 'explicit', mediaTypes: { log: 'text/plain', xml: 'text/xml' } } },
  },
  {
    name: 'scheduling: affinity and tolerations apart',
    base: { scheduling_options: { tolerations: [{ key: 'a' }] } },
    defaults: { scheduling_options: { affinity: { nodeAffinity: {} }, tolerations: [{ key: 'b' }] } },
    want: { scheduling_options: { affinity: { nodeAffinity: {} }, tolerations: [{ key: 'a' }] } },
  },
];

describe('mergeDecoration', () => {
  it.each(rows)('$name', ({ base, defaults, want }) => {
    const before = JSON.stringify([base, defaults]);
    expect(mergeDecoration(base, defaults)).toEqual(want);
    expect(JSON.stringify([base, defaults]), 'inputs are not changed').toBe(before);
  });
});

describe('decorationDefaultsFor', () => {
  const defaults = [
    { config: { timeout: '1h', grace_period: '1s' } },
    { repo: 'acme', config: { timeout: '2h' } },
    { repo: 'acme/widget', cluster: 'gpu', config: { timeout: '3h' } },
    { repo: '*', cluster: 'arm', config: { grace_period: '4s' } },
  ];
  it.each([
    { repo: '', cluster: 'default', want: { timeout: '1h', grace_period: '1s' } },
    { repo: 'acme/other', cluster: 'default', want: { timeout: '2h', grace_period: '1s' } },
    { repo: 'acme/widget', cluster: 'default', want: { timeout: '2h', grace_period: '1s' } },
    { repo: 'acme/widget', cluster: 'gpu', want: { timeout: '3h', grace_period: '1s' } },
    { repo: 'acme/widget', cluster: 'arm', want: { timeout: '2h', grace_period: '4s' } },
    { repo: 'acmetoo/widget', cluster: 'default', want: { timeout: '1h', grace_period: '1s' } },
  ])('later entries come first: $repo on $cluster', ({ want, ...subject }) => {
    expect(decorationDefaultsFor(subject, defaults)).toEqual(want);
  });
  it('none fits', () => {
    expect(decorationDefaultsFor({ repo: 'x/y', cluster: 'default' }, [{ repo: 'acme', config: {} }])).toBeUndefined();
  });
});
