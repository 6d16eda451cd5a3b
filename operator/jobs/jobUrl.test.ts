/** J16 to J19 of upstream's scenarios, and what ours adds: the links of runs. */
import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { jobUrlOf, type LinkPolicy } from './jobUrl.ts';

const refs = { org: 'acme', repo: 'widget', pulls: [{ number: 42, author: 'ann', sha: 'f00' }] };
const aRun = (spec: Partial<ProwJobSpec> = {}): ProwJob => ({
  metadata: { name: 'r 1', namespace: 'ci' },
  spec: { type: 'presubmit', job: 'unit', refs, ...spec },
});
const viewer = 'https://deck.example/view';
const decorated = (gcs: object): Partial<ProwJobSpec> => ({
  decoration_config: { gcs_configuration: { path_strategy: 'explicit', ...gcs } },
});
const archive = {
  location: { scheme: 's3', bucket: 'kept', prefix: 'all/' },
  allowedBuckets: [],
  pathStrategy: 'explicit',
  defaultOrg: '',
  defaultRepo: '',
  holdCleanupMs: 0,
} as const;

interface Row {
  readonly name: string;
  readonly run: ProwJob;
  readonly template?: string;
  readonly prefixes?: Readonly<Record<string, string>>;
  readonly omitProvider?: boolean;
  readonly archive?: LinkPolicy['archive'];
  readonly want: string | undefined;
}

const directory = 'pr-logs/pull/acme_widget/42/unit/7';
const rows: readonly Row[] = [
  { name: 'nothing is set', run: aRun(), want: undefined },
  {
    name: 'J16 undecorated: the template, with every value escaped',
    run: aRun(),
    template: 'https://ci/{{namespace}}/{{ name }}/{{build_id}}?t={{type}}&o={{org}}&r={{repo}}&x={{nope}}',
    want: 'https://ci/ci/r%201/7?t=presubmit&o=acme&r=widget&x={{nope}}',
  },
  {
    name: "J16 the template in upstream's words",
    run: aRun(),
    template: 'https://ci/{{.Spec.Job}}/{{ .Status.BuildID }}',
    want: 'https://ci/unit/7',
  },
  { name: 'J17 decorated, no prefix', run: aRun(decorated({ bucket: 'b' })), template: 'https://ci/{{job}}', want: 'https://ci/unit' },
  { name: 'J18 bucket', run: aRun(decorated({ bucket: 'bucket' })), prefixes: { '*': viewer }, want: `${viewer}/gs/bucket/${directory}` },
  {
    name: 'J18 gs://',
    run: aRun(decorated({ bucket: 'gs://bucket' })),
    prefixes: { '*': viewer },
    want: `${viewer}/gs/bucket/${directory}`,
  },
  {
    name: 'J18 s3://',
    run: aRun(decorated({ bucket: 's3://bucket' })),
    prefixes: { '*': viewer },
    want: `${viewer}/s3/bucket/${directory}`,
  },
  {
    name: 'J19 a bucket with a path inside',
    run: aRun(decorated({ bucket: 'gs://bucket/some/path' })),
    prefixes: { '*': viewer },
    want: `${viewer}/gs/bucket/some/path/${directory}`,
  },
  {
    name: 'a directory',
    run: aRun(decorated({ bucket: 'file:///srv/ci' })),
    prefixes: { '*': viewer },
    want: `${viewer}/file/srv/ci/${directory}`,
  },
  {
    name: 'without the provider',
    run: aRun(decorated({ bucket: 'bucket' })),
    prefixes: { '*': viewer },
    omitProvider: true,
    want: `${viewer}/bucket/${directory}`,
  },
  {
    name: "the job's own viewer first",
    run: aRun(decorated({ bucket: 'bucket', job_url_prefix: 'https://own.example/' })),
    prefixes: { 'acme/widget': viewer },
    want: `https://own.example/gs/bucket/${directory}`,
  },
  {
    name: 'a script is no viewer',
    run: aRun(decorated({ bucket: 'bucket', job_url_prefix: 'javascript:alert(1)' })),
    prefixes: { acme: viewer },
    want: `${viewer}/gs/bucket/${directory}`,
  },
  {
    name: 'by repository, then org, then all',
    run: aRun(decorated({ bucket: 'bucket' })),
    prefixes: { '*': 'https://all', acme: 'https://org', 'acme/widget': 'https://repo' },
    want: `https://repo/gs/bucket/${directory}`,
  },
  {
    name: 'by org',
    run: aRun(decorated({ bucket: 'bucket' })),
    prefixes: { '*': 'https://all', acme: 'https://org', 'acme/other': 'https://repo' },
    want: `https://org/gs/bucket/${directory}`,
  },
  {
    name: 'a periodic goes by its first further repository',
    run: aRun({
      type: 'periodic',
      refs: undefined as never,
      extra_refs: [{ org: 'other', repo: 'x' }],
      ...decorated({ bucket: 'bucket' }),
    }),
    prefixes: { '*': 'https://all', other: 'https://org' },
    want: 'https://org/gs/bucket/logs/unit/7',
  },
  {
    name: 'an undecorated run whose results are kept',
    run: aRun(),
    archive,
    prefixes: { '*': viewer },
    want: `${viewer}/s3/kept/all/${directory}`,
  },
  {
    name: 'a bucket nobody allows: where the results really are',
    run: aRun(decorated({ bucket: 'gs://elsewhere' })),
    archive,
    prefixes: { '*': viewer },
    want: `${viewer}/s3/kept/all/${directory}`,
  },
  {
    name: 'a run without a place in the bucket',
    run: aRun({ refs: { org: 'acme', repo: 'widget' } }),
    archive,
    prefixes: { '*': viewer },
    template: 'https://ci/{{job}}',
    want: 'https://ci/unit',
  },
  { name: 'a bucket that is none', run: aRun(decorated({ bucket: '???' })), prefixes: { '*': viewer }, want: undefined },
];

describe('jobUrlOf', () => {
  it.each(rows)('$name', ({ run, template, prefixes = {}, omitProvider = false, archive: kept, want }) => {
    const prowJobs = {
      ...(template === undefined ? {} : { jobUrlTemplate: template }),
      jobUrlPrefixes: new Map(Object.entries(prefixes)),
      jobUrlOmitProvider: omitProvider,
    };
    expect(jobUrlOf(run, '7', { prowJobs, ...(kept === undefined ? {} : { archive: kept }) })).toBe(want);
  });
});
