import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';
import { validateManifests, type SemanticChecks, type ValidationReport } from './validate.ts';

const check = (text: string, checks?: SemanticChecks): ValidationReport => validateManifests([{ file: 'f.yaml', text }], checks);

/** `line:column kind/name path: message` */
const lines = (report: ValidationReport): readonly string[] =>
  report.problems.map((problem) => `${problem.line}:${problem.column} ${problem.kind}/${problem.name} ${problem.path}: ${problem.message}`);

const periodic = (spec: string, name = 'nightly') => `apiVersion: prow.k8s.io/v1
kind: Periodic
metadata:
  name: ${name}
spec:
${spec}
  jobTemplate: {spec: {pod_spec: {containers: [{image: a}]}}}
`;

describe('validateManifests', () => {
  it('accepts what is right', () => {
    expect(check(periodic('  cron: "@hourly"'))).toEqual({ problems: [], checked: 1, skipped: 0 });
  });

  const cases: readonly { readonly name: string; readonly text: string; readonly says: readonly (string | RegExp)[] }[] = [
    {
      name: 'an unknown field, with a guess',
      text: periodic('  crn: "@hourly"\n  interval: 1h'),
      says: ['6:3 Periodic/nightly spec.crn: unknown field: did you mean cron?'],
    },
    {
      name: 'an unknown field deep below, with what there is',
      text: periodic('  interval: 1h\n  dst: {gap: Skip, leap: 1}'),
      says: ['7:20 Periodic/nightly spec.dst.leap: unknown field: there are gap, overlap'],
    },
    {
      name: 'a rule',
      text: periodic('  suspend: true'),
      says: [/^5:1 Periodic\/nightly spec: Invalid value: exactly one of cron/],
    },
    {
      name: 'a wrong value',
      text: periodic('  cron: "@hourly"\n  concurrencyPolicy: Deny'),
      says: [/^7:3 Periodic\/nightly spec\.concurrencyPolicy: Unsupported value: "Deny"/, /^1:1 Periodic\/nightly : correct the errors/],
    },
    {
      name: 'a field that is missing, where it would be',
      text: 'apiVersion: prow.k8s.io/v1\nkind: BuildCluster\nmetadata: {name: a}\nspec:\n  alias: gpu\n',
      says: [/^4:1 BuildCluster\/a spec\.kubeconfigSecretRef: Required value/, /correct the errors/],
    },
    {
      name: 'a wrong item',
      text: 'apiVersion: prow.k8s.io/v1\nkind: PluginConfig\nmetadata: {name: a}\nspec:\n  repos:\n    - acme\n    - 5\n',
      says: [/^7:7 PluginConfig\/a spec\.repos\[1\]: .*must be of type string/],
    },
    {
      name: 'a version that does not exist',
      text: 'apiVersion: prow.k8s.io/v2\nkind: ProwJob\nmetadata: {name: a}\n',
      says: [/^1:1 ProwJob\/a apiVersion: prow\.k8s\.io\/v2 does not exist/],
    },
    {
      name: 'a kind that does not exist',
      text: 'apiVersion: prow.k8s.io/v1\nkind: Job\nmetadata: {name: a}\n',
      says: [/^2:1 Job\/a kind: Job is no kind of prow.k8s.io\/v1: ProwJob, Periodic, /],
    },
    { name: 'no kind', text: 'apiVersion: prow.k8s.io/v1\n', says: [/^1:1 \/ kind: kind is missing/] },
    {
      name: 'no name',
      text: periodic('  interval: 1h').replace('name: nightly', 'namespace: a'),
      says: [/^3:1 Periodic\/ metadata: metadata.name is missing/],
    },
    {
      name: 'a name no API server takes',
      text: periodic('  interval: 1h', 'Nightly_1'),
      says: [/^4:3 Periodic\/Nightly_1 metadata\.name: "Nightly_1" is not a valid name/],
    },
    {
      name: 'a label that is no string',
      text: periodic('  interval: 1h').replace('  name:', '  labels: {a: true}\n  name:'),
      says: [/^4:3 Periodic\/nightly metadata\.labels: the value of a must be a string: write "true" in quotes/],
    },
    {
      name: 'a word that kubectl reads as true',
      text: periodic('  interval: 1h\n  retry: {attempts: 1, on: [failure]}'),
      says: [/^7:24 \/ : write "on" in quotes: kubectl reads the bare word as true/],
    },
    {
      name: 'a word that kubectl reads as false',
      text: periodic('  interval: 1h\n  timeZone: NO'),
      says: [/^7:13 \/ : write "NO" in quotes: kubectl reads the bare word as false/],
    },
    { name: 'a duplicate key', text: periodic('  interval: 1h\n  interval: 2h'), says: [/^7:3 \/ : .*unique/] },
    { name: 'bad YAML', text: 'a: [1, 2\nb: 3', says: [/^2:1 \/ : .+/] },
    { name: 'a document that is a list', text: '- 1\n', says: [/^1:1 \/ : the document is not an object/] },
    {
      name: 'an item of a List',
      text: 'apiVersion: v1\nkind: List\nitems:\n  - apiVersion: prow.k8s.io/v1\n    kind: Periodic\n    metadata: {name: a}\n    spec: {interval: 1h, jobTemplate: {spec: {}}, x: 1}\n',
      says: [/^7:51 Periodic\/a spec\.x: unknown field/],
    },
    {
      name: 'JSON',
      text: '{"apiVersion":"prow.k8s.io/v1","kind":"Periodic","metadata":{"name":"a"},\n "spec":{"interval":"1x","jobTemplate":{"spec":{}}}}',
      says: [/^2:10 Periodic\/a spec\.interval: .*should match/],
    },
  ];
  it.each(cases)('$name', ({ text, says }) => {
    const found = lines(check(text));
    expect(found).toHaveLength(says.length);
    says.forEach((pattern, index) =>
      typeof pattern === 'string' ? expect(found[index]).toBe(pattern) : expect(found[index]).toMatch(pattern),
    );
  });

  it('skips and counts what belongs to others', () => {
    const other = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {anything: goes}\n';
    expect(check(`${other}---\n${periodic('  interval: 1h')}---\n${other}---\n# nothing\n`)).toEqual({
      problems: [],
      checked: 1,
      skipped: 2,
    });
  });

  it('goes on after a bad document', () => {
    const report = check(
      `${periodic('  x: 1\n  interval: 1h', 'one')}---\n${periodic('  interval: 1h', 'two')}---\n${periodic('  interval: 5', 'three')}`,
    );
    expect(report.checked).toBe(3);
    expect(report.problems.map((problem) => problem.name)).toEqual(expect.arrayContaining(['one', 'three']));
    expect(report.problems.map((problem) => problem.name)).not.toContain('two');
  });

  it('refuses a bomb of aliases', () => {
    const levels = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array(10).fill(`*l${level}`).join(', ')}]`);
    const found = lines(check(`l0: &l0 [x]\n${levels.join('\n')}\n`));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/alias/i);
  });

  it('reads anchors and merge keys, and finds fields in them', () => {
    const text = `apiVersion: prow.k8s.io/v1
kind: Periodic
metadata: {name: a}
spec:
  dst: &dst {gap: Skip}
  interval: 1h
  jobTemplate:
    spec:
      refs: {<<: *dst, org: a, repo: b}
`;
    expect(lines(check(text))).toEqual([expect.stringMatching(/^9:7 Periodic\/a spec\.jobTemplate\.spec\.refs\.gap: unknown field/)]);
  });

  it('runs the checks of the caller on sound objects only', () => {
    const seen: string[] = [];
    const checks: SemanticChecks = {
      Periodic: [
        (object) => {
          seen.push(object.metadata.name);
          return [{ path: 'spec.cron', message: 'never fires', severity: 'warning' }];
        },
      ],
    };
    const report = check(`${periodic('  cron: "0 0 31 2 *"', 'sound')}---\n${periodic('  bad: 1', 'broken')}`, checks);
    expect(seen).toEqual(['sound']);
    expect(report.problems[0]).toMatchObject({
      line: 6,
      column: 3,
      name: 'sound',
      path: 'spec.cron',
      message: 'never fires',
      severity: 'warning',
    });
  });
});

describe('nearest', () => {
  const cases: readonly [name: string, want: string | undefined][] = [
    ['lgmt', 'lgtm'],
    ['aprove', 'approve'],
    ['release_note', 'release-note'],
    ['zzz', undefined],
    ['x'.repeat(1000), undefined],
  ];
  it.each(cases)('%s', (name, want) => expect(nearest(name, ['approve', 'lgtm', 'release-note'])).toBe(want));
});
