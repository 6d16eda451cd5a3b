import { describe, expect, it } from 'vitest';
import { SettingsError, defaultSettings, loadSettings } from './loadSettings.ts';

const faultsOf = (text: string): readonly string[] => {
  try {
    loadSettings(text, 'settings.yaml');
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
};

describe('archive', () => {
  it.each(['', 'archive:\n', 'archive: {}', 'archive: {holdCleanup: 1h}'])('is off without a location: %s', (text) => {
    expect(loadSettings(text, 'x').archive).toBeUndefined();
    expect(defaultSettings().archive).toBeUndefined();
  });

  it('has defaults', () => {
    expect(loadSettings('archive: {location: "s3://results/ci"}', 'x').archive).toEqual({
      workers: 4,
      location: { scheme: 's3', bucket: 'results', prefix: 'ci/' },
      allowedBuckets: [],
      forcePathStyle: false,
      pathStrategy: 'explicit',
      defaultOrg: '',
      defaultRepo: '',
      holdCleanupMs: 24 * 3_600_000,
      spoolDir: '/tmp',
      longestLogBytes: 2048 * 1024 * 1024,
      spoolBytes: 8192 * 1024 * 1024,
      mostFollows: 500,
    });
  });

  it('takes every field', () => {
    const text = `
archive:
  workers: 2
  location: file:///var/lib/prow/
  allowedBuckets: [team-a, 's3://team-b/x']
  endpoint: https://minio.example.com:9000
  region: eu-central-1
  forcePathStyle: true
  pathStrategy: legacy
  defaultOrg: acme
  defaultRepo: widget
  holdCleanup: 90m
  spoolDir: /spool
  maxLogMegabytes: 10
  maxSpoolMegabytes: 100
  maxFollows: 7
`;
    expect(loadSettings(text, 'x').archive).toEqual({
      workers: 2,
      location: { scheme: 'file', bucket: '/var/lib/prow', prefix: '' },
      allowedBuckets: [
        { scheme: 'gs', bucket: 'team-a', prefix: '' },
        { scheme: 's3', bucket: 'team-b', prefix: 'x/' },
      ],
      endpoint: 'https://minio.example.com:9000',
      region: 'eu-central-1',
      forcePathStyle: true,
      pathStrategy: 'legacy',
      defaultOrg: 'acme',
      defaultRepo: 'widget',
      holdCleanupMs: 90 * 60_000,
      spoolDir: '/spool',
      longestLogBytes: 10 * 1024 * 1024,
      spoolBytes: 100 * 1024 * 1024,
      mostFollows: 7,
    });
  });

  it.each([
    [
      'archive: {location: bucket}',
      'archive.location: must be file:///DIRECTORY, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, found "bucket"',
    ],
    ['archive: {location: "file://dir"}', 'archive.location: must name an absolute directory, file:///DIRECTORY, found "file://dir"'],
    ['archive: {location: "s3:///x"}', 'archive.location: must name a bucket, s3://BUCKET/PREFIX, found "s3:///x"'],
    ['archive: {location: "s3://b/../x"}', 'archive.location: must not have a part "..", found "s3://b/../x"'],
    ['archive: {allowedBuckets: ["a b"]}', 'archive.allowedBuckets[0]: must name a bucket, gs://BUCKET/PREFIX, found "gs://a b"'],
    ['archive: {endpoint: minio:9000}', 'archive.endpoint: must begin with https:// or http://, found "minio:9000"'],
    ['archive: {spoolDir: spool}', 'archive.spoolDir: must be an absolute path, found "spool"'],
    ['archive: {pathStrategy: other}', 'archive.pathStrategy: must be one of legacy, single, explicit, found "other"'],
    ['archive: {holdCleanup: 1day}', expect.stringContaining('archive.holdCleanup: ')],
  ])('refuses %s', (text, fault) => {
    expect(faultsOf(text)).toEqual([fault]);
  });
});
