/** `import periodics` as a user calls it: exit codes, files, and the forms of the report. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
let dir: string;

// Each test starts a process or two, and one of them reads 1,300 jobs.
vi.setConfig({ testTimeout: 120_000 });

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'import-command-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function call(command: readonly string[]): Promise<Answer> {
  const child = spawn(process.execPath, [entry, ...command], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}
const importPeriodics = (...args: readonly string[]): Promise<Answer> => call(['import', 'periodics', ...args]);

const job = (name: string, more = ''): string => `- name: ${name}\n  cron: "@daily"\n  spec: {containers: [{image: busybox}]}\n${more}`;
const config = (...jobs: readonly string[]): string => `periodics:\n${jobs.join('')}`;

async function put(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
}

interface Row {
  readonly name: string;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly args: readonly string[];
  readonly code: number;
  /** Names of the jobs in what is written to standard output. */
  readonly jobs?: readonly string[];
  /** Lines that must be in the report. */
  readonly err?: readonly string[];
}

const done = (count: number): string => `${count} periodics read: ${count} converted, 0 refused; 0 left out, 0 warnings, 0 notes`;

const rows: readonly Row[] = [
  { name: 'one file', files: { 'a.yaml': config(job('a'), job('b')) }, args: ['a.yaml'], code: 0, jobs: ['a', 'b'], err: [done(2)] },
  {
    name: 'a directory, at any depth, in the order of names',
    files: { 'd/b.yaml': config(job('b')), 'd/a/c.yml': config(job('c')), 'd/x.txt': '}{', 'd/..data/z.yaml': '}{' },
    args: ['d'],
    code: 0,
    jobs: ['c', 'b'],
    err: [done(2)],
  },
  { name: 'a packed file', files: { 'a.yaml': gzipSync(config(job('a'))) }, args: ['a.yaml'], code: 0, jobs: ['a'] },
  {
    name: 'the main configuration, which may lie among the jobs',
    files: { 'd/config.yaml': `plank: {pod_pending_timeout: 5m}\n${config(job('m'))}`, 'd/a.yaml': config(job('a')) },
    args: ['d', '--config', 'd/config.yaml'],
    code: 0,
    jobs: ['m', 'a'],
    err: ['d/config.yaml:1:9: note: plank.pod_pending_timeout: becomes spec.timeouts of each job whose decoration does not say otherwise'],
  },
  {
    name: 'a .prowignore is not read, and that is said',
    files: { 'd/a.yaml': config(job('a')), 'd/.prowignore': 'a.yaml' },
    args: ['d'],
    code: 0,
    jobs: ['a'],
    err: ['d/.prowignore: is not read: what it names is imported as well; name files instead of d to leave some out'],
  },
  {
    name: 'something left out',
    files: { 'a.yaml': config(job('a', '  branches: [x]\n')) },
    args: ['a.yaml'],
    code: 3,
    jobs: ['a'],
    err: [
      'a.yaml:5:3: left out: job a: branches: is a field of presubmits and postsubmits: it does nothing for a periodic, in Prow neither',
    ],
  },
  {
    name: 'a job refused',
    files: { 'a.yaml': config(job('a'), job('a')) },
    args: ['a.yaml'],
    code: 3,
    jobs: ['a'],
    err: ['2 periodics read: 1 converted, 1 refused; 0 left out, 0 warnings, 0 notes'],
  },
  {
    name: 'a file that is no YAML',
    files: { 'a.yaml': 'a: [\n', 'b.yaml': config(job('b')) },
    args: ['a.yaml', 'b.yaml'],
    code: 1,
    jobs: [],
    err: ['a.yaml:2:1: cannot be read: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  },
  { name: 'a file that is not there', args: ['nowhere.yaml'], code: 1, jobs: [] },
  {
    name: 'a directory without configuration',
    files: { 'd/readme.md': '' },
    args: ['d'],
    code: 1,
    jobs: [],
    err: ['prow-operator import periodics: d has no .yaml or .yml file in it'],
  },
  { name: 'a namespace that is none', files: { 'a.yaml': config() }, args: ['a.yaml', '-n', 'A'], code: 2, jobs: [] },
  { name: 'a prefix that is none', files: { 'a.yaml': config() }, args: ['a.yaml', '--name-prefix', 'A'], code: 2, jobs: [] },
  { name: 'a form that is none', files: { 'a.yaml': config() }, args: ['a.yaml', '-o', 'xml'], code: 2, jobs: [] },
  { name: 'one file of no directory', files: { 'a.yaml': config() }, args: ['a.yaml', '--one-file'], code: 2, jobs: [] },
  { name: 'nothing to read', args: [], code: 2, jobs: [] },
];

it.each(rows)('$name', async ({ files = {}, args, code, jobs = [], err = [] }) => {
  await put(files);
  const answer = await importPeriodics(...args);
  expect(answer.code, answer.err).toBe(code);
  expect([...answer.out.matchAll(/^ {6}job: (.*)$/gm)].map(([, name]) => name)).toEqual(jobs);
  for (const line of err) expect(answer.err.split('\n')).toContain(line);
});

it('writes a file for each Periodic, and what it wrote passes validate', async () => {
  await put({ 'a.yaml': config(job('A_1'), job('b'), job('c'.repeat(250))) });
  const answer = await importPeriodics('a.yaml', '--output-dir', 'out/deep', '-n', 'team', '--name-prefix', 'p-');
  expect(answer).toMatchObject({ code: 0, out: '' });
  const names = (await readdir(path.join(dir, 'out/deep'))).sort();
  expect(names).toEqual(['p-a-1.yaml', 'p-b.yaml', expect.stringMatching(/^p-c{229}-[0-9a-f]{8}\.yaml$/)]);
  expect(await readFile(path.join(dir, 'out/deep/p-a-1.yaml'), 'utf8')).toBe(`apiVersion: prow.k8s.io/v1
kind: Periodic
metadata:
  name: p-a-1
  namespace: team
spec:
  cron: "@daily"
  jobTemplate:
    spec:
      job: A_1
      pod_spec:
        containers:
          - image: busybox
`);
  expect(await call(['validate', 'out/deep'])).toMatchObject({ code: 0, out: '3 checked in 3 files, 0 errors, 0 warnings\n' });
});

it('writes all into one file when asked to', async () => {
  await put({ 'a.yaml': config(job('a'), job('b')) });
  expect(await importPeriodics('a.yaml', '--output-dir', 'out', '--one-file')).toMatchObject({ code: 0, out: '' });
  expect(await readdir(path.join(dir, 'out'))).toEqual(['periodics.yaml']);
  expect(await call(['validate', 'out'])).toMatchObject({ code: 0, out: '2 checked in 1 file, 0 errors, 0 warnings\n' });
});

it('reports as JSON', async () => {
  await put({ 'a.yaml': config(job('a', '  branches: [x]\n')) });
  const { code, err } = await importPeriodics('a.yaml', '-o', 'json', '--check');
  expect(code).toBe(3);
  expect(JSON.parse(err)).toMatchObject({
    counts: { periodics: 1, presubmits: 0, postsubmits: 0 },
    periodics: [{ job: 'a', name: 'a', file: 'a.yaml', line: 2 }],
    findings: [{ kind: 'leftOut', file: 'a.yaml', line: 5, column: 3, job: 'a', field: 'branches' }],
    check: { schedules: 1, slots: 30, days: 30, differences: [] },
  });
});

it('compares the slots of 1,300 jobs', async () => {
  const jobs = Array.from({ length: 1300 }, (_, index) =>
    job(`part-${index}`, '').replace('"@daily"', `"${index % 60} ${index % 24} * * ${index % 7}"`),
  );
  await put({ 'a.yaml': config(...jobs) });
  const { code, err } = await importPeriodics('a.yaml', '--check', '--output-dir', 'out');
  expect(code, err).toBe(0);
  expect(err).toContain(done(1300));
  expect(err).toMatch(/schedules compared over 30 days from \S+: 1300, with \d{4} slots: the same before and after/);
  expect(await readdir(path.join(dir, 'out'))).toHaveLength(1300);
});
