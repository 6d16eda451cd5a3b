/** What becomes of each field of a job, by table; and of a whole configuration, by reviewed output (testdata/*.snap). */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { validateManifests } from '../../crds/validate.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { checkPeriodic } from '../jobs/semanticChecks.ts';
import { SlotComparer } from './compareSlots.ts';
import { importPeriodics, type ImportResult } from './importPeriodics.ts';
import { reportText } from './report.ts';

const options = { namePrefix: '' };
const pod = '    spec: {containers: [{image: busybox}]}';

/** One job with the given fields, and the usual schedule and pod where there is none among them. */
function importJob(fields: string, main?: string, before = ''): ImportResult {
  const own = fields.split('\n').filter((line) => line !== '');
  const has = (name: string): boolean => own.some((line) => line.startsWith(`${name}:`));
  const text = [
    before,
    'periodics:',
    '  - name: unit',
    ...own.map((line) => `    ${line}`),
    ...(has('cron') || has('interval') || has('minimum_interval') ? [] : ['    cron: "@daily"']),
    ...(has('spec') ? [] : [pod]),
  ];
  const files = [{ file: 'jobs.yaml', text: `${text.filter((line) => line !== '').join('\n')}\n` }];
  return importPeriodics({ files, ...(main === undefined ? {} : { main: { file: 'config.yaml', text: main } }) }, options);
}

const specOf = (result: ImportResult): Periodic['spec'] => (parse(result.periodics[0]?.manifest ?? '{}') as Periodic).spec;
const findingsOf = ({ findings }: ImportResult): readonly string[] =>
  findings.filter(({ kind }) => kind !== 'warning').map(({ kind, line, field, reason }) => `${line} ${kind} ${field}: ${reason}`);

interface Row {
  readonly name: string;
  /** Fields of the job, a line each. */
  readonly job: string;
  /** Presets and other keys at the top of the same file. */
  readonly before?: string;
  readonly main?: string;
  /** What spec of the Periodic must contain, without the job template. */
  readonly spec?: object;
  /** What the template's spec must contain. */
  readonly run?: object;
  readonly labels?: object;
  /** Beginnings of what is found; none is left out. */
  readonly findings?: readonly string[];
  readonly isRefused?: boolean;
}

const decorated =
  'plank:\n  default_decoration_configs:\n    "*": {timeout: 2h, gcs_configuration: {bucket: b, mediaTypes: {log: text/plain}}, ssh_key_secrets: [all]}\n';
const nothing = 'tide: {}\n';
const noTide = ['1 note tide: is about the installation'];

const schedules: readonly Row[] = [
  { name: 'cron', job: 'cron: "30 2 * * mon-fri"', spec: { cron: '30 2 * * mon-fri' } },
  { name: '@every', job: 'cron: "@every 90m"', spec: { cron: '@every 90m' } },
  {
    name: '@every shorter than a tick of Prow',
    job: 'cron: "@every 10s"',
    spec: { cron: '@every 10s' },
    findings: ['3 note cron: is 10s'],
  },
  { name: 'interval', job: 'interval: 6h', spec: { interval: '6h' }, findings: ['2 note interval: 1 job with an interval starts at once'] },
  { name: 'minimum_interval', job: 'minimum_interval: 6h', spec: { minimumInterval: '6h' }, findings: ['2 note interval: 1 job'] },
  { name: 'an empty cron is none', job: 'cron: ""\ninterval: 1h', spec: { interval: '1h' }, findings: ['2 note interval'] },
  {
    name: 'a short interval',
    job: 'interval: 10s',
    spec: { interval: '10s' },
    findings: ['2 note interval: 1 job', '3 note interval: is 10s'],
  },
  { name: 'seconds that are 0', job: 'cron: 0 15 4 * * *', spec: { cron: '15 4 * * *' } },
  { name: 'seconds', job: 'cron: 30 15 4 * * *', spec: { cron: '15 4 * * *' }, findings: ['3 leftOut cron: the seconds (30)'] },
  { name: 'seconds that are none', job: 'cron: 61 15 4 * * *', isRefused: true, findings: ['3 refused cron: "61 * * * *": column 1'] },
  {
    name: 'a time zone',
    job: 'cron: CRON_TZ=Asia/Tokyo 0 3 * * *',
    isRefused: true,
    findings: ['3 refused cron: Prow schedules in UTC only'],
  },
  { name: 'H', job: 'cron: 0 H(1-3) * * *', isRefused: true, findings: ['3 refused cron: H is no word'] },
  { name: 'a day named thu is no H', job: 'cron: 0 1 * * thu', spec: { cron: '0 1 * * thu' } },
  {
    name: 'a date that never comes',
    job: 'cron: 0 0 31 2 *',
    isRefused: true,
    findings: ['3 refused cron: "0 0 31 2 *": column 5: never fires'],
  },
  { name: 'no duration', job: 'interval: 1 day', isRefused: true, findings: ['3 refused interval: invalid duration "1 day"'] },
  { name: 'an interval of nothing', job: 'interval: -1h', isRefused: true, findings: ['3 refused interval: must be at least 1s'] },
  { name: 'two schedules', job: 'interval: 1h\ncron: "@daily"', isRefused: true, findings: ['2 refused : exactly one of cron, interval'] },
  {
    name: 'keys in another case, as the decoder takes them',
    job: 'cron: ""\nInterval: 1h\nMAX_CONCURRENCY: 2',
    spec: { interval: '1h' },
    run: { max_concurrency: 2 },
    findings: ['2 note interval'],
  },
];

const retryNotes = ['3 note retry: is carried out', '3 note retry.interval: becomes delay'];
const retries: readonly Row[] = [
  {
    name: 'retry',
    job: 'retry: {attempts: 3, interval: 10m}',
    spec: { retry: { attempts: 3, delay: '10m', on: ['failure', 'error', 'aborted'] } },
    findings: retryNotes,
  },
  {
    name: 'retry of all',
    job: 'retry: {attempts: 1, interval: 10m, run_all: yes}',
    spec: { retry: { attempts: 1, delay: '10m', on: ['success', 'failure', 'error', 'aborted'] } },
    findings: retryNotes,
  },
  {
    name: 'retry beyond what Prow does',
    job: 'retry: {attempts: 50, interval: 10m}',
    spec: { retry: { attempts: 10, delay: '10m', on: ['failure', 'error', 'aborted'] } },
    findings: ['3 note retry.attempts: 50 becomes 10', ...retryNotes],
  },
  { name: 'retry of none', job: 'retry: {attempts: 0}', findings: ['3 leftOut retry: attempts is not at least 1'] },
  {
    name: 'an unknown field of retry',
    job: 'retry: {attempts: 1, delay: 5m}',
    spec: { retry: { attempts: 1, on: ['failure', 'error', 'aborted'] } },
    findings: [...retryNotes, '3 leftOut retry.delay: unknown field'],
  },
  {
    name: 'a delay that is none',
    job: 'retry: {attempts: 1, interval: soon}',
    isRefused: true,
    findings: [...retryNotes, '3 refused retry.interval: Invalid value: "soon"'],
  },
];

const fields: readonly Row[] = [
  {
    name: 'what a run has as well',
    job: 'cluster: b1\nnamespace: pods\nmax_concurrency: 0\nhidden: true\nerror_on_eviction: true\njob_queue_name: gpu\nagent: kubernetes',
    run: {
      job: 'unit',
      agent: 'kubernetes',
      cluster: 'b1',
      namespace: 'pods',
      max_concurrency: 0,
      hidden: true,
      error_on_eviction: true,
      job_queue_name: 'gpu',
    },
    findings: [
      '2 note cluster: each needs a BuildCluster of that alias, or its runs wait: b1',
      '2 note job_queue_name: each needs a capacity',
    ],
  },
  {
    name: 'empty texts are nothing',
    job: 'agent: ""\ncluster: ""',
    run: { job: 'unit', pod_spec: { containers: [{ image: 'busybox' }] } },
  },
  {
    name: 'extra_refs',
    job: 'extra_refs: [{org: acme, repo: widget, base_ref: 1.10, clone_depth: 3}]',
    run: { extra_refs: [{ org: 'acme', repo: 'widget', base_ref: '1.1', clone_depth: 3 }] },
  },
  { name: 'extra_refs without a repo', job: 'extra_refs: [{org: acme}]', isRefused: true, findings: ['3 refused extra_refs[0].repo'] },
  {
    name: 'reporter_config',
    job: 'reporter_config: {slack: {channel: c, job_states_to_report: [], report: no}}',
    run: { reporter_config: { slack: { channel: 'c', job_states_to_report: [], report: false } } },
  },
  {
    name: 'rerun_auth_config',
    job: 'rerun_auth_config: {github_users: [ann, 007], github_team_ids: [1]}',
    run: { rerun_auth_config: { github_users: ['ann', '7'], github_team_ids: [1] } },
  },
  {
    name: 'labels and annotations are text',
    job: 'labels: {a: true, b: 1, c: ~}\nannotations: {d: 1.0, on: off}',
    labels: { a: 'true', b: '1', c: '' },
  },
  {
    name: 'a reserved label',
    job: 'labels: {created-by-prow: "no", a: b}',
    labels: { a: 'b' },
    findings: ['3 leftOut labels[created-by-prow]: is set by the operator'],
  },
  { name: 'a label that is none', job: 'labels: {a: "b c"}', isRefused: true, findings: ['3 refused labels: the value of a is not valid'] },
  {
    name: 'an annotation that is none',
    job: 'annotations: {"a b": c}',
    isRefused: true,
    findings: ['3 refused annotations: the key "a b"'],
  },
  { name: 'tags', job: 'tags: [a, b]', findings: ['3 note tags: become the annotation prow.k8s.io/tags'] },
  { name: 'a field of presubmits', job: 'always_run: true', findings: ['3 leftOut always_run: is a field of presubmits'] },
  { name: 'a field about the repository', job: 'path_alias: x', findings: ['3 leftOut path_alias: is about the repository under test'] },
  { name: 'a field of tekton', job: 'pipeline_run_spec: {}', findings: ['3 leftOut pipeline_run_spec: is for another agent'] },
  {
    name: 'an unknown field',
    job: 'max_concurency: 1',
    findings: ['3 leftOut max_concurency: unknown field: did you mean max_concurrency?'],
  },
  {
    name: 'another agent',
    job: 'agent: tekton-pipeline',
    isRefused: true,
    findings: ['3 refused agent: only kubernetes is run here'],
  },
  { name: 'a wrong type', job: 'max_concurrency: many', isRefused: true, findings: ['3 refused max_concurrency: Invalid value'] },
  { name: 'no containers', job: 'spec: {containers: []}', isRefused: true, findings: ['3 refused spec.containers: there is no container'] },
  { name: 'no pod', job: 'spec: ~', isRefused: true, findings: ['2 refused spec: is missing'] },
  {
    name: 'text in a pod',
    job: 'spec: {containers: [{image: 1.0, args: [1, yes, 1.50, ~], env: [{name: A, value: on}], ports: [{containerPort: 80}]}], nodeSelector: {a: true}, terminationGracePeriodSeconds: 30}',
    run: {
      pod_spec: {
        containers: [{ image: '1', args: ['1', 'true', '1.5', ''], env: [{ name: 'A', value: 'true' }], ports: [{ containerPort: 80 }] }],
        nodeSelector: { a: 'true' },
        terminationGracePeriodSeconds: 30,
      },
    },
  },
];

const presetLabels =
  '- labels: {cache: "true"}\n  env: [{name: CACHE, value: 5}]\n  volumes: [{name: c, emptyDir: {}}]\n  volumeMounts: [{name: c, mountPath: /c}]\n';
const presets: readonly Row[] = [
  {
    name: 'a preset by label',
    before: `presets:\n${presetLabels}`,
    job: 'labels: {cache: true}',
    run: {
      pod_spec: {
        containers: [{ image: 'busybox', env: [{ name: 'CACHE', value: '5' }], volumeMounts: [{ name: 'c', mountPath: '/c' }] }],
        volumes: [{ name: 'c', emptyDir: {} }],
      },
    },
  },
  {
    name: 'a preset for others',
    before: `presets:\n${presetLabels}`,
    job: 'labels: {cache: "false"}',
    run: { pod_spec: { containers: [{ image: 'busybox' }] } },
  },
  {
    name: 'a preset of the main configuration',
    main: 'presets: [{env: [{name: A, value: b}]}]',
    job: '',
    run: { pod_spec: { containers: [{ image: 'busybox', env: [{ name: 'A', value: 'b' }] }] } },
  },
  {
    name: 'a preset against the job',
    main: 'presets: [{env: [{name: A, value: b}]}]',
    job: 'spec: {containers: [{image: x, env: [{name: A, value: c}]}]}',
    isRefused: true,
    findings: ['3 refused spec.containers[0].env: the preset for all jobs'],
  },
  {
    name: 'an unknown field of a preset',
    main: 'presets: [{envs: []}]',
    job: '',
    findings: ['1 leftOut presets.envs: unknown field: did you mean env?'],
  },
];

const decorations: readonly Row[] = [
  { name: 'not decorated', main: decorated, job: '', run: { job: 'unit', pod_spec: { containers: [{ image: 'busybox' }] } } },
  {
    name: 'decorated with the defaults',
    main: decorated,
    job: 'decorate: true',
    run: {
      decoration_config: { timeout: '2h', gcs_configuration: { bucket: 'b', mediaTypes: { log: 'text/plain' } }, ssh_key_secrets: ['all'] },
    },
  },
  {
    name: 'the job says otherwise',
    main: decorated,
    job: 'decorate: true\ndecoration_config: {timeout: 60000000000, ssh_key_secrets: [mine], gcs_configuration: {path_prefix: p}}',
    run: {
      decoration_config: {
        timeout: '1m0s',
        ssh_key_secrets: ['mine'],
        gcs_configuration: { path_prefix: 'p', bucket: 'b', mediaTypes: { log: 'text/plain' } },
      },
    },
  },
  {
    name: 'for media types the default wins',
    main: decorated,
    job: 'decorate: true\ndecoration_config: {gcs_configuration: {mediaTypes: {log: text/html, x: z}}}',
    run: {
      decoration_config: {
        timeout: '2h',
        ssh_key_secrets: ['all'],
        gcs_configuration: { bucket: 'b', mediaTypes: { log: 'text/plain', x: 'z' } },
      },
    },
    findings: ['4 note decoration_config.gcs_configuration.mediaTypes[log]: "text/html" becomes "text/plain"'],
  },
  {
    name: 'orgs come after all, repositories after orgs, whatever the order',
    main: 'plank:\n  default_decoration_configs:\n    a/b: {timeout: 3h}\n    a: {timeout: 2h, grace_period: 2s}\n    "*": {timeout: 1h, grace_period: 1s, default_memory_request: 1Gi}\n',
    job: 'decorate: true\nextra_refs: [{org: a, repo: b}]',
    run: { decoration_config: { timeout: '3h', grace_period: '2s', default_memory_request: '1Gi' } },
  },
  {
    name: 'entries by cluster',
    main: 'plank:\n  default_decoration_config_entries:\n    - {config: {timeout: 1h}}\n    - {cluster: default, config: {timeout: 2h}}\n    - {cluster: other, config: {timeout: 3h}}\n',
    job: 'decorate: true',
    run: { decoration_config: { timeout: '2h' } },
  },
  { name: 'all jobs are decorated', main: `decorate_all_jobs: true\n${decorated}`, job: '', run: { decoration_config: { timeout: '2h' } } },
  {
    name: 'all jobs but this one',
    main: `decorate_all_jobs: true\n${decorated}`,
    job: 'decorate: false',
    run: { job: 'unit', pod_spec: { containers: [{ image: 'busybox' }] } },
  },
  {
    name: 'a decoration that is not asked for',
    main: decorated,
    job: 'decoration_config: {timeout: 5m}',
    run: { decoration_config: { timeout: '5m' } },
    findings: ['3 note decoration_config: is there although'],
  },
  {
    name: 'without the main configuration',
    job: 'decorate: true',
    run: { decoration_config: {} },
    findings: ['3 leftOut decorate: takes the defaults of plank'],
  },
  {
    name: 'decorate is no boolean',
    main: nothing,
    job: 'decorate: "yes"',
    isRefused: true,
    findings: [...noTide, '3 refused decorate: must be true or false'],
  },
  {
    name: 'an unknown field of a default',
    main: 'plank:\n  default_decoration_configs:\n    "*": {timout: 1h}\n',
    job: 'decorate: true',
    run: { decoration_config: {} },
    findings: ['3 leftOut plank.default_decoration_configs[*].timout: unknown field: did you mean timeout?'],
  },
  {
    name: 'deadlines of plank',
    main: 'plank: {pod_pending_timeout: 20m, pod_running_timeout: 24h}\n',
    job: 'decorate: true\ndecoration_config: {pod_running_timeout: 1h}',
    run: { timeouts: { pending: '20m' } },
    findings: ['1 note plank.pod_pending_timeout: becomes spec.timeouts', '1 note plank.pod_running_timeout'],
  },
  {
    name: 'prowjob_defaults',
    main: 'prowjob_default_entries:\n  - {config: {tenant_id: all, resultstore_config: {project_id: p}}}\n  - {repo: a/b, config: {tenant_id: ab}}\n',
    job: 'extra_refs: [{org: a, repo: b}]',
    run: { prowjob_defaults: { tenant_id: 'ab', resultstore_config: { project_id: 'p' } } },
  },
  {
    name: 'prowjob_defaults of the job',
    main: 'prowjob_default_entries:\n  - {config: {tenant_id: all, resultstore_config: {project_id: p}}}\n',
    job: 'prowjob_defaults: {tenant_id: mine}',
    run: { prowjob_defaults: { tenant_id: 'mine', resultstore_config: { project_id: 'p' } } },
  },
];

describe.each(Object.entries({ schedules, retries, fields, presets, decorations }))('%s', (_title, rows) => {
  it.each(rows)('$name', ({ job, before, main, spec, run, labels, findings = [], isRefused = false }) => {
    const result = importJob(job, main, before);
    expect(result.problems).toEqual([]);
    const found = findingsOf(result);
    expect(found.map((text, index) => text.slice(0, findings[index]?.length ?? text.length))).toEqual(findings);
    expect(result.periodics).toHaveLength(isRefused ? 0 : 1);
    if (isRefused) return;
    const written = specOf(result);
    expect(written).toMatchObject(spec ?? {});
    expect(written.jobTemplate.spec).toMatchObject(run ?? {});
    // Nothing beside what was asked for, where the row names all of it.
    if (run !== undefined && 'job' in run && 'pod_spec' in run) expect(written.jobTemplate.spec).toEqual(run);
    if (labels !== undefined) expect(written.jobTemplate.metadata?.labels).toEqual(labels);
  });
});

interface FileRow {
  readonly name: string;
  readonly text: string;
  readonly findings: readonly string[];
}

const files: readonly FileRow[] = [
  {
    name: 'other kinds of jobs are named',
    text: 'presubmits:\n  a/b: [{name: x}, {name: w}]\npostsubmits: {a/b: [{name: z}]}\n',
    findings: ['2 note presubmits[a/b]: not periodics, and not converted: x, w', '3 note postsubmits[a/b]'],
  },
  {
    name: 'keys of the main configuration',
    text: 'plank: {}\ndecorate_all_jobs: true\n',
    findings: ['1 leftOut plank: counts in the main', '2 leftOut decorate_all_jobs: counts in the main'],
  },
  { name: 'an unknown key', text: 'periodic: []\n', findings: ['1 leftOut periodic: unknown field: did you mean periodics?'] },
  { name: 'a job that is none', text: 'periodics: [x]\n', findings: ['1 refused : is not a job'] },
  { name: 'no list', text: 'periodics: x\n', findings: ['1 leftOut periodics: must be a list'] },
];

it.each(files)('$name', ({ text, findings }) => {
  const found = findingsOf(importPeriodics({ files: [{ file: 'f', text }] }, options));
  expect(found.map((line, index) => line.slice(0, findings[index]?.length ?? line.length))).toEqual(findings);
});

it('reads nothing at all when one file cannot be read', () => {
  const good = { file: 'good', text: 'periodics: []\n' };
  const { problems, findings } = importPeriodics({ files: [good, { file: 'bad', text: 'a: [\n' }] }, options);
  expect(problems.map(({ file, line }) => `${file}:${line}`)).toEqual(['bad:2']);
  expect(findings).toEqual([]);
});

it('refuses the second of two jobs with one name, wherever they stand', () => {
  const job = `periodics:\n  - {name: a, interval: 1h, spec: {containers: [{image: x}]}}\n`;
  const result = importPeriodics(
    {
      files: [
        { file: 'f', text: job },
        { file: 'g', text: job },
      ],
    },
    options,
  );
  expect(result.periodics.map(({ place }) => place.file)).toEqual(['f']);
  expect(result.findings.filter(({ kind }) => kind === 'refused')).toMatchObject([{ file: 'g', reason: expect.stringContaining('f:2') }]);
});

it('keeps the comments of a job, of its fields, and of what it leaves behind', () => {
  const job =
    '# why\n- name: a # really\n  # when\n  cron: "@daily" # at night\n  # gone\n  branches: [x] # with this\n  tags:\n  # first\n  - t\n  spec:\n    containers:\n    # big\n    - image: x\n  # end\n';
  const [periodic] = importPeriodics({ files: [{ file: 'f', text: `periodics:\n${job}` }] }, options).periodics;
  expect(periodic?.manifest).toBe(`# why
# gone
# with this
# first
apiVersion: prow.k8s.io/v1
kind: Periodic
metadata:
  name: a
  annotations:
    prow.k8s.io/tags: t
spec:
  # when
  cron: "@daily" # at night
  jobTemplate:
    spec:
      job: a # really
      pod_spec:
        containers:
          # big
          - image: x
      # end
`);
});

describe('a configuration with every feature', () => {
  const dir = path.join(import.meta.dirname, 'testdata');
  let result: ImportResult;

  beforeAll(async () => {
    const names = (await readdir(path.join(dir, 'jobs'))).sort();
    const read = async (file: string): Promise<{ file: string; text: string }> => ({
      file,
      text: await readFile(path.join(dir, file), 'utf8'),
    });
    const main = await read('config.yaml');
    result = importPeriodics(
      { files: await Promise.all(names.map((name) => read(`jobs/${name}`))), main },
      { namespace: 'ci', namePrefix: 'p-' },
    );
  });

  it('becomes these manifests', async () => {
    const text = result.periodics.map(({ manifest }) => `---\n${manifest}`).join('');
    await expect(text).toMatchFileSnapshot('testdata/manifests.yaml.snap');
  });

  it('and this report', async () => {
    // What the operator does not carry out changes from version to version, and is not what is tested here.
    const findings = result.findings.filter(({ kind }) => kind !== 'warning');
    await expect(reportText({ ...result, findings })).toMatchFileSnapshot('testdata/report.txt.snap');
  });

  it('has the slots it had', () => {
    const fromMs = Date.UTC(2026, 0, 1);
    const comparer = new SlotComparer({ fromMs, untilMs: fromMs + 30 * 86_400_000 });
    const compared = result.periodics.map(({ schedule, manifest }) => comparer.compare(schedule, manifest));
    expect(compared.flatMap(({ difference }) => difference ?? [])).toEqual([]);
    expect(compared.reduce((sum, { slots }) => sum + slots, 0)).toBeGreaterThan(2000);
  });

  it('passes what a cluster and the reconcilers check, all files together', () => {
    const text = result.periodics.map(({ manifest }) => `---\n${manifest}`).join('');
    const schema = validateManifests([{ file: 'all', text }]);
    expect(schema.problems).toEqual([]);
    expect(schema.checked).toBe(result.periodics.length);
    const problems = validateManifests([{ file: 'all', text }], { Periodic: [checkPeriodic] }).problems;
    expect(problems.filter(({ severity, path: field }) => severity === 'error' && !/decoration_config|extra_refs/.test(field))).toEqual([]);
  });
});
