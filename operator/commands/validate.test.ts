/** `validate` as a user calls it: exit codes, and messages with file, line and column. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';

const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'validate-command-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function validate(args: readonly string[], input = ''): Promise<Answer> {
  const child = spawn(process.execPath, [entry, 'validate', ...args], { cwd: dir, stdio: 'pipe' });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stdin.end(input);
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

const good = `apiVersion: prow.k8s.io/v1
kind: ProwJob
metadata:
  name: good
spec:
  type: periodic
  job: unit
  pod_spec:
    containers:
      - image: busybox
`;

interface Row {
  readonly name: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly input?: string;
  readonly code: number;
  /** Lines of the standard output that must be there. */
  readonly out?: readonly string[];
  readonly err?: string;
}

const rows: readonly Row[] = [
  { name: 'a good file', files: { 'a.yaml': good }, args: ['a.yaml'], code: 0, out: ['1 checked in 1 file, 0 errors, 0 warnings'] },
  { name: 'standard input', args: ['-'], input: good, code: 0, out: ['1 checked in 1 file, 0 errors, 0 warnings'] },
  {
    name: 'a directory, at any depth, with files of others beside',
    files: { 'd/a.yaml': good, 'd/e/b.yml': good, 'd/readme.md': '}{', 'd/c.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n' },
    args: ['d'],
    code: 0,
    out: ['2 checked, 1 of other groups skipped in 3 files, 0 errors, 0 warnings'],
  },
  {
    name: 'a directory, with values and settings beside the manifests: left out, and it says so',
    files: {
      'd/a.yaml': good,
      'd/settings.yaml': 'prowJobs: {maxConcurrency: 1}\n# kind of a setting\n',
      'd/package.json': '{"name":"x"}',
    },
    args: ['d'],
    code: 0,
    out: ['1 checked in 1 file, 0 errors, 0 warnings'],
    err: 'd/settings.yaml holds no Kubernetes object (no apiVersion, no kind) and was left out',
  },
  {
    name: 'an object in a directory that lost its apiVersion, in JSON: refused',
    files: { 'd/a.json': '{"kind":"ProwJob","metadata":{"name":"a"},"spec":{}}' },
    args: ['d'],
    code: 1,
  },
  {
    name: 'a directory with nothing but values and settings',
    files: { 'd/values.yaml': 'replicas: 1\n' },
    args: ['d'],
    code: 2,
    err: 'd has no file with a Kubernetes object in it',
  },
  {
    name: 'a file by its name that holds no object: refused',
    files: { 'settings.yaml': 'prowJobs: {maxConcurrency: 1}\n' },
    args: ['settings.yaml'],
    code: 1,
  },
  {
    name: 'an unknown field',
    files: { 'a.yaml': good.replace('job: unit', 'job: unit\n  max_concurency: 1') },
    args: ['a.yaml'],
    code: 1,
    out: [
      'a.yaml:8:3: error: ProwJob good: spec.max_concurency: unknown field: did you mean max_concurrency?',
      '1 checked in 1 file, 1 errors, 0 warnings',
    ],
  },
  {
    name: 'each Periodic of a set',
    files: {
      's.yaml': `apiVersion: prow.k8s.io/v1
kind: PeriodicSet
metadata: {name: s}
spec:
  matrix: {minute: ['0', '61'], idle: [a]}
  template:
    metadata: {name: 's-\${minute}'}
    spec:
      cron: \${minute} * * * *
      jobTemplate: {spec: {pod_spec: {containers: [{image: busybox}]}}}
`,
    },
    args: ['s.yaml'],
    code: 1,
    out: [
      's.yaml:9:7: error: PeriodicSet s: spec.template.spec.cron: "61 * * * *": column 1: the minute 61 is not between 0 and 59 (idle=a, minute=61)',
      's.yaml:5:33: warning: PeriodicSet s: spec.matrix.idle: the template has no ${idle}',
      '1 checked in 1 file, 1 errors, 1 warnings',
    ],
  },
  {
    name: 'a backfill beside its Periodic',
    files: {
      'b.yaml': `apiVersion: prow.k8s.io/v1
kind: PeriodicBackfill
metadata: {name: again}
spec:
  periodic: by-interval
  from: 2026-01-01T00:00:00Z
  to: 2026-01-02T00:00:00Z
`,
      'p.yaml': `apiVersion: prow.k8s.io/v1
kind: Periodic
metadata: {name: by-interval}
spec:
  interval: 1h
  jobTemplate: {spec: {pod_spec: {containers: [{image: busybox}]}}}
`,
    },
    args: ['b.yaml', 'p.yaml'],
    code: 1,
    out: ['b.yaml:5:3: error: PeriodicBackfill again: spec.periodic: Periodic by-interval runs by an interval, which has no slots'],
  },
  {
    name: 'a wrong value, on standard input',
    args: ['-'],
    input: good.replace('type: periodic', 'type: nightly'),
    code: 1,
    out: ['<stdin>:6:3: error: ProwJob good: '],
  },
  {
    name: 'a bare on, which kubectl would read as true',
    files: { 'a.yaml': `${good}  retry:\n    on: [Infra]\n` },
    args: ['a.yaml'],
    code: 1,
    out: ['a.yaml:12:5: error: write "on" in quotes: kubectl reads the bare word as true'],
  },
  {
    name: 'an on in quotes',
    files: { 'a.yaml': `${good}  retry:\n    "on": [Infra]\n` },
    args: ['a.yaml'],
    code: 0,
    out: ['1 checked in 1 file'],
  },
  {
    name: 'what only a reconciler would say',
    files: { 'a.yaml': good.replace('      - image: busybox', '      []').replace('containers:\n      []', 'containers: []') },
    args: ['a.yaml'],
    code: 1,
    out: ['a.yaml:9:5: error: ProwJob good: spec.pod_spec.containers: there is no container to run'],
  },
  {
    name: 'a field that is accepted and not acted on',
    files: {
      'p.yaml': `apiVersion: prow.k8s.io/v1\nkind: Periodic\nmetadata: {name: p}\nspec:\n  interval: 1h\n  jobTemplate:\n    spec:\n      decoration_config: {timeout: 1h, censor_secrets: true}\n      pod_spec: {containers: [{image: a}]}\n`,
    },
    args: ['p.yaml'],
    code: 0,
    out: [
      'p.yaml:8:40: warning: Periodic p: spec.jobTemplate.spec.decoration_config.censor_secrets: needs helper containers in the pod',
      '0 errors, 1 warnings',
    ],
  },
  { name: 'text that is no YAML', files: { 'a.yaml': 'a: [1\n' }, args: ['a.yaml'], code: 1, out: ['a.yaml:'] },
  { name: 'a file that is not there', args: ['none.yaml'], code: 2, err: 'prow-operator validate: none.yaml cannot be read: ENOENT' },
  {
    name: 'a directory without manifests',
    files: { 'd/readme.md': '' },
    args: ['d'],
    code: 2,
    err: 'd has no .yaml, .yml or .json file in it',
  },
  { name: 'no file at all', args: [], code: 2, err: "missing required argument 'file'" },
  { name: 'an unknown flag', args: ['--strict', 'a.yaml'], code: 2, err: "unknown option '--strict'" },
  {
    name: 'an unknown output',
    files: { 'a.yaml': good },
    args: ['-o', 'xml', 'a.yaml'],
    code: 2,
    err: '--output xml is neither text nor json',
  },
];

it.each(rows)('$name: $code', async ({ files = {}, args, input, code, out = [], err = '' }) => {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
  const answer = await validate(args, input);
  for (const line of out) expect(answer.out).toContain(line);
  expect(answer.err).toContain(err);
  if (err === '') expect(answer.err).toBe('');
  expect(answer.code).toBe(code);
});

it('gives programs the whole report', async () => {
  const answer = await validate(['-o', 'json', '-'], good.replace('job: unit', 'job: 7'));
  expect(JSON.parse(answer.out)).toMatchObject({
    checked: 1,
    skipped: 0,
    problems: [
      { file: '<stdin>', line: 7, column: 3, kind: 'ProwJob', name: 'good', path: 'spec.job', severity: 'error' },
      { severity: 'warning', message: 'correct the errors to have the rules checked as well' },
    ],
  });
  expect(answer.code).toBe(1);
});
