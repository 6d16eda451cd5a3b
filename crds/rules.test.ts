import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from './definitions.ts';
import { formatFieldError, StructuralSchema } from './structural.ts';

const schemas = new Map(
  customResourceDefinitions().map((crd) => [crd.spec.names.kind, new StructuralSchema(crd.spec.versions[0]?.schema.openAPIV3Schema)]),
);

/** One write of one object. `before` makes it an update. No `refused`: the write is allowed. */
interface Case {
  readonly name: string;
  readonly before?: object;
  readonly after: object;
  readonly refused?: readonly RegExp[];
}

function write(kind: string, { before, after }: Case): readonly string[] {
  const schema = schemas.get(kind);
  if (schema === undefined) throw new Error(kind);
  const errors = schema.validate(schema.applyDefaults(after), before === undefined ? undefined : schema.applyDefaults(before));
  return errors.map(formatFieldError);
}

function runCases(kind: string, cases: readonly Case[]): void {
  it.each(cases)('$name', (testCase) => {
    const lines = write(kind, testCase);
    const refused = testCase.refused ?? [];
    expect(lines).toHaveLength(refused.length);
    refused.forEach((pattern, index) => expect(lines[index]).toMatch(pattern));
  });
}

const head = { apiVersion: 'prow.k8s.io/v1', metadata: { name: 'a', namespace: 'ns' } };
const job = (spec: object = {}, status?: object) => ({
  ...head,
  kind: 'ProwJob',
  spec: { type: 'periodic', job: 'unit', ...spec },
  ...(status && { status }),
});
const end = '2026-01-01T10:00:00Z';

describe('the rules of ProwJob', () => {
  runCases('ProwJob', [
    { name: 'a bare spec is enough', after: job() },
    {
      name: 'job and type are required',
      after: { ...head, spec: {} },
      refused: [/^spec\.type: Required/, /^spec\.job: Required/, /not checked/],
    },
    { name: 'spec is required', after: head, refused: [/^spec: Required value$/, /not checked/] },
    {
      name: 'refs need org and repo',
      after: job({ refs: {} }),
      refused: [/spec\.refs\.org: Required/, /spec\.refs\.repo: Required/, /not checked/],
    },
    { name: 'max_concurrency is not negative', after: job({ max_concurrency: -1 }), refused: [/should be greater than or equal to 0/] },
    { name: 'an unknown agent is a matter of others', after: job({ agent: 'anything' }) },
    {
      name: 'timeouts are Go durations',
      after: job({ timeouts: { queue: '1d' } }),
      refused: [/^spec\.timeouts\.queue: Invalid value: "1d": .* should match/],
    },
    { name: 'durations of upstream may be signed', after: job({ decoration_config: { timeout: '-1s' } }) },
    {
      name: 'a job cannot be renamed',
      before: job(),
      after: job({ job: 'other' }),
      refused: [/^spec: Forbidden: a ProwJob cannot change .*; changed: job$/],
    },
    { name: 'a field cannot appear', before: job(), after: job({ cluster: 'gpu' }), refused: [/^spec: Forbidden: .*; changed: cluster$/] },
    { name: 'a field cannot go', before: job({ priority: 3 }), after: job(), refused: [/^spec: Forbidden: .*; changed: priority$/] },
    {
      name: 'namespace, a reserved word of CEL, is held too',
      before: job({ namespace: 'a' }),
      after: job({ namespace: 'b' }),
      refused: [/^spec: Forbidden: .*; changed: namespace$/],
    },
    {
      name: 'pod_spec is held to its last unknown field',
      before: job({ pod_spec: { containers: [{ image: 'a', env: [{ name: 'A', value: '1' }] }] } }),
      after: job({ pod_spec: { containers: [{ image: 'a', env: [{ name: 'A', value: '2' }] }] } }),
      refused: [/^spec: Forbidden: .*; changed: pod_spec$/],
    },
    {
      name: 'pod_spec may be written in another order',
      before: job({ pod_spec: { containers: [{ image: 'a', name: 'b' }] } }),
      after: job({ pod_spec: { containers: [{ name: 'b', image: 'a' }] } }),
    },
    {
      name: 'two changes are both named',
      before: job(),
      after: job({ cluster: 'x', hidden: true }),
      refused: [/^spec: Forbidden: .*; changed: cluster hidden$/],
    },
    { name: 'abort may be set', before: job(), after: job({ abort: { by: 'ann' } }) },
    { name: 'abort may be set at creation', after: job({ abort: {} }) },
    { name: 'abort may be kept', before: job({ abort: { by: 'ann' } }), after: job({ abort: { by: 'ann' } }) },
    {
      name: 'abort cannot change',
      before: job({ abort: { by: 'ann' } }),
      after: job({ abort: { by: 'bob' } }),
      refused: [/^spec: Forbidden: .*an abort may be set once; .*; changed: abort$/],
    },
    { name: 'abort cannot go', before: job({ abort: {} }), after: job(), refused: [/^spec: Forbidden: .*; changed: abort$/] },
    {
      name: 'with an abort nothing else may come',
      before: job(),
      after: job({ abort: { by: 'ann' }, priority: 3 }),
      refused: [/^spec: Forbidden: .*; changed: priority$/],
    },
    { name: 'labels may change', before: job(), after: { ...job(), metadata: { name: 'a', labels: { a: 'b' } } } },
    ...['success', 'failure', 'error'].map((state) => ({
      name: `${state} needs completionTime`,
      before: job({}, { state: 'pending' }),
      after: job({}, { state }),
      refused: [/^status: Invalid value: a run in state success, failure or error must have completionTime/],
    })),
    { name: 'aborted needs none: that is the request', before: job({}, { state: 'pending' }), after: job({}, { state: 'aborted' }) },
    { name: 'a run may end', before: job({}, { state: 'pending' }), after: job({}, { state: 'success', completionTime: end }) },
    { name: 'a run may leave the default', before: job(), after: job({}, { state: 'pending' }) },
    {
      name: 'a finished run keeps its state',
      before: job({}, { state: 'success', completionTime: end }),
      after: job({}, { state: 'failure', completionTime: end }),
      refused: [/^status\.state: Forbidden: the state of a finished run/],
    },
    {
      name: 'a finished run keeps its time',
      before: job({}, { state: 'success', completionTime: end }),
      after: job({}, { state: 'success', completionTime: '2026-01-01T10:00:01Z' }),
      refused: [/^status\.completionTime: Forbidden/],
    },
    {
      name: 'the same instant may be written in another way',
      before: job({}, { state: 'success', completionTime: end }),
      after: job({}, { state: 'success', completionTime: '2026-01-01T11:00:00+01:00' }),
    },
    {
      name: 'a finished run keeps its status',
      before: job({}, { state: 'aborted', completionTime: end }),
      after: job(),
      refused: [/^status\.completionTime: Forbidden/, /^status\.state: Forbidden/],
    },
    {
      name: 'a finished run may be reported',
      before: job({}, { state: 'success', completionTime: end }),
      after: job({}, { state: 'success', completionTime: end, prev_report_states: { github: 'success' } }),
    },
    {
      name: 'a state is one of seven',
      after: job({}, { state: 'done' }),
      refused: [/^status\.state: Unsupported value: "done": supported values: "scheduling"/, /not checked/],
    },
    {
      name: 'attempts differ in their number',
      after: job({}, { state: 'pending', attempts: [1, 1].map((number) => ({ number, pod_name: 'a', build_id: '1' })) }),
      refused: [/^status\.attempts\[1\]: Duplicate value: \{"number":1\}/],
    },
    {
      name: 'a cause of retry is known',
      after: job({ retry: { on: ['Infra', 'TestFailed'] } }),
      refused: [/^spec\.retry\.on\[1\]: Unsupported value: "TestFailed"/, /not checked/],
    },
  ]);

  it('defaults the status, and nothing else', () => {
    expect(schemas.get('ProwJob')?.applyDefaults(job())).toEqual({ ...job(), status: { observedGeneration: -1, state: 'triggered' } });
  });
});

describe('the rules of Periodic', () => {
  const periodic = (spec: object) => ({ ...head, kind: 'Periodic', spec: { jobTemplate: { spec: {} }, ...spec } });
  const one = /^spec: Invalid value: exactly one of cron, crons, interval and minimumInterval must be set$/;
  runCases('Periodic', [
    ...[{ cron: '@hourly' }, { crons: ['* * * * *'] }, { interval: '6h' }, { minimumInterval: '6h' }].map((spec) => ({
      name: `${Object.keys(spec).join()} alone`,
      after: periodic(spec),
    })),
    { name: 'no schedule', after: periodic({}), refused: [one] },
    { name: 'two schedules', after: periodic({ cron: '@hourly', interval: '6h' }), refused: [one] },
    {
      name: 'four schedules',
      after: periodic({ cron: '@hourly', crons: ['@daily'], interval: '6h', minimumInterval: '1h' }),
      refused: [one],
    },
    { name: 'the schedule may change', before: periodic({ cron: '@hourly' }), after: periodic({ interval: '1h' }) },
    { name: 'maxConcurrency with Allow', after: periodic({ cron: '@hourly', concurrencyPolicy: 'Allow', maxConcurrency: 2 }) },
    { name: 'maxConcurrency with Queue', after: periodic({ cron: '@hourly', concurrencyPolicy: 'Queue', maxConcurrency: 2 }) },
    {
      name: 'maxConcurrency with Forbid',
      after: periodic({ cron: '@hourly', concurrencyPolicy: 'Forbid', maxConcurrency: 1 }),
      refused: [/^spec\.maxConcurrency: Invalid/],
    },
    {
      name: 'maxConcurrency without policy',
      after: periodic({ cron: '@hourly', maxConcurrency: 1 }),
      refused: [/^spec\.maxConcurrency: Invalid/],
    },
    {
      name: 'an exclusion that ends',
      after: periodic({ cron: '@hourly', exclusions: [{ from: '2026-12-24T00:00:00Z', to: '2026-12-27T00:00:00Z' }] }),
    },
    {
      name: 'an exclusion that ends before it begins, by the clock and not by the text',
      after: periodic({ cron: '@hourly', exclusions: [{ from: '2026-12-24T00:00:00Z', to: '2026-12-24T01:00:00+02:00' }] }),
      refused: [/^spec\.exclusions\[0\]: Invalid value: from must be before to$/],
    },
    {
      name: 'a template of another type',
      after: periodic({ cron: '@hourly', jobTemplate: { spec: { type: 'batch' } } }),
      refused: [/Unsupported value: "batch"/, /not checked/],
    },
    {
      name: 'a time that is none',
      after: periodic({ cron: '@hourly', suspendUntil: '2026-02-30T00:00:00Z' }),
      refused: [/must be of type date-time/, /not checked/],
    },
  ]);
});

describe('the rules of BuildCluster', () => {
  const cluster = (alias: string) => ({ ...head, kind: 'BuildCluster', spec: { alias, kubeconfigSecretRef: { name: 'a', key: 'b' } } });
  runCases('BuildCluster', [
    { name: 'an alias', after: cluster('gpu') },
    {
      name: 'the alias of the own cluster',
      after: cluster('default'),
      refused: [/^spec\.alias: Invalid value: default is the cluster of the operator/],
    },
    { name: 'an alias with a blank', after: cluster('g p'), refused: [/should match/] },
    { name: 'no alias', after: { ...head, spec: {} }, refused: [/spec\.alias: Required/, /kubeconfigSecretRef: Required/, /not checked/] },
  ]);
});

describe('the rules of PeriodicBackfill', () => {
  const range = { periodic: 'a', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };
  const backfill = (spec: object) => ({ ...head, kind: 'PeriodicBackfill', spec: { ...range, ...spec } });
  runCases('PeriodicBackfill', [
    { name: 'a range is enough', after: backfill({}) },
    { name: 'a range ends after it begins', after: backfill({ to: range.from }), refused: [/from must be before to/] },
    {
      name: 'times of different zones are compared as instants',
      after: backfill({ from: '2026-01-01T02:00:00+02:00', to: '2026-01-01T00:30:00Z' }),
    },
    {
      name: 'what may change',
      before: backfill({}),
      after: backfill({ parallelism: 3, onFailure: 'Stop', suspend: true, includeExcluded: true }),
    },
    {
      name: 'periodic is fixed',
      before: backfill({}),
      after: backfill({ periodic: 'b' }),
      refused: [/spec\.periodic: Forbidden: cannot change/],
    },
    { name: 'from is fixed', before: backfill({}), after: backfill({ from: '2025-01-01T00:00:00Z' }), refused: [/spec\.from: Forbidden/] },
    { name: 'to is fixed', before: backfill({}), after: backfill({ to: '2027-01-01T00:00:00Z' }), refused: [/spec\.to: Forbidden/] },
    { name: 'at least one at once', after: backfill({ parallelism: 0 }), refused: [/spec\.parallelism: Invalid value/] },
    { name: 'from is a time', after: backfill({ from: 'yesterday' }), refused: [/spec\.from: Invalid value/, /not checked/] },
  ]);
});

describe('the rules of PluginConfig', () => {
  const config = (spec: object) => ({ ...head, kind: 'PluginConfig', spec });
  runCases('PluginConfig', [
    { name: 'repos and plugins', after: config({ repos: ['acme'], plugins: ['lgtm'], config: { lgtm: { any: [1] } } }) },
    {
      name: 'no repos',
      after: config({ repos: [] }),
      refused: [/^spec\.repos: Invalid value: 0: spec\.repos in body should have at least 1 items$/],
    },
    {
      name: 'one external plugin twice',
      after: config({ repos: ['a'], externalPlugins: [{ name: 'x' }, { name: 'x' }] }),
      refused: [/externalPlugins\[1\]: Duplicate value/],
    },
    {
      name: 'settings that are no object',
      after: config({ repos: ['a'], config: { lgtm: 1 } }),
      refused: [/spec\.config\.lgtm in body must be of type object: "integer"/],
    },
  ]);
});
