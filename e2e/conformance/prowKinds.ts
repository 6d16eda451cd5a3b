/** Our own definitions on this server: what the operator relies on without an admission webhook. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { applyPatch, type Loose, mergePatch, withQuery } from './api.ts';
import { type Area, type Context, create, eventually, expectation, grouped, ok, read, refused } from './expectation.ts';

const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const generated = path.join(import.meta.dirname, '..', '..', 'crds', 'generated');

const definitions: readonly Loose[] = readdirSync(generated)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => parse(readFileSync(path.join(generated, file), 'utf8')));

/** Applies the four definitions; leaves them, as an installed product does. */
export async function installProwKinds(ctx: Context): Promise<void> {
  for (const crd of definitions) {
    const target = `${crdsPath}/${crd.metadata.name as string}`;
    const answer = await ctx.api.patch(withQuery(target, { fieldManager: 'conformance', force: true }), applyPatch, crd);
    expect([200, 201], answer.text).toContain(answer.status);
    await eventually(async () => {
      ok(await ctx.api.get(grouped(ctx, 'prow.k8s.io/v1', crd.spec.names.plural as string)));
    });
  }
}

const jobs = (ctx: Context, name?: string): string => grouped(ctx, 'prow.k8s.io/v1', 'prowjobs', name);
const periodics = (ctx: Context): string => grouped(ctx, 'prow.k8s.io/v1', 'periodics');

const podSpec = { containers: [{ name: 'test', image: 'busybox', command: ['true'], somethingNew: { nested: true } }] };

/** Agent `jenkins` keeps every operator's hands off these objects. */
const prowJob = (name: string, spec: Record<string, unknown> = {}): Loose => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name },
  spec: { type: 'periodic', agent: 'jenkins', job: 'conformance', pod_spec: podSpec, ...spec },
});

async function made(ctx: Context, spec?: Record<string, unknown>): Promise<string> {
  const name = ctx.name('run');
  await create(ctx, jobs(ctx), prowJob(name, spec));
  return jobs(ctx, name);
}

const periodic = (ctx: Context, schedule: Record<string, unknown>): Loose => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'Periodic',
  metadata: { name: ctx.name('periodic') },
  spec: { suspend: true, ...schedule, jobTemplate: { spec: { agent: 'jenkins', pod_spec: podSpec } } },
});

/** Never kept: an operator would make its Periodics. */
const setsDryRun = (ctx: Context): string => withQuery(grouped(ctx, 'prow.k8s.io/v1', 'periodicsets'), { dryRun: 'All' });

const periodicSet = (
  ctx: Context,
  metadata: Record<string, unknown>,
  matrix: Record<string, unknown> = { region: ['eu', 'us'] },
): Loose => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'PeriodicSet',
  metadata: { name: ctx.name('set') },
  spec: {
    matrix,
    include: [{ region: 'eu', zone: 'a' }],
    template: { metadata: { name: 'e2e-${region}', ...metadata }, spec: { interval: '${anything}', whatever: ['${x}'] } },
  },
});

const done = { state: 'success', completionTime: '2026-01-01T00:00:00Z', description: 'ok' };

export const prowKinds: Area = {
  area: 'the kinds of prow.k8s.io',
  expectations: [
    expectation('a ProwJob without status is read as triggered', async (ctx) => {
      expect((await read(ctx, await made(ctx))).status).toMatchObject({ state: 'triggered' });
    }),
    expectation('fields of a pod spec that nobody knows are kept', async (ctx) => {
      expect((await read(ctx, await made(ctx))).spec.pod_spec.containers[0].somethingNew).toEqual({ nested: true });
    }),
    expectation("no field of a run's spec can be changed", async (ctx) => {
      refused(await ctx.api.patch(await made(ctx), mergePatch, { spec: { job: 'other' } }), 422, 'Invalid');
    }),
    expectation('a pod spec of a run cannot be changed, however deep', async (ctx) => {
      const target = await made(ctx);
      const containers = [{ ...podSpec.containers[0], somethingNew: { nested: false } }];
      refused(await ctx.api.patch(target, mergePatch, { spec: { pod_spec: { containers } } }), 422, 'Invalid');
    }),
    expectation("no field can be added to a run's spec, and none taken away", async (ctx) => {
      const target = await made(ctx);
      refused(await ctx.api.patch(target, mergePatch, { spec: { max_concurrency: 1 } }), 422, 'Invalid');
      refused(await ctx.api.patch(target, mergePatch, { spec: { pod_spec: null } }), 422, 'Invalid');
    }),
    expectation("a run's labels can be changed", async (ctx) => {
      expect(ok(await ctx.api.patch(await made(ctx), mergePatch, { metadata: { labels: { a: 'b' } } })).metadata.labels).toEqual({
        a: 'b',
      });
    }),
    expectation('abort can be set once, and neither changed nor unset', async (ctx) => {
      const target = await made(ctx);
      ok(await ctx.api.patch(target, mergePatch, { spec: { abort: { by: 'me', reason: 'enough' } } }));
      refused(await ctx.api.patch(target, mergePatch, { spec: { abort: { by: 'you' } } }), 422, 'Invalid');
      refused(await ctx.api.patch(target, mergePatch, { spec: { abort: null } }), 422, 'Invalid');
    }),
    expectation('a complete run changes neither state nor completionTime', async (ctx) => {
      const target = `${await made(ctx)}/status`;
      ok(await ctx.api.patch(target, mergePatch, { status: done }));
      refused(await ctx.api.patch(target, mergePatch, { status: { state: 'failure' } }), 422, 'Invalid');
      refused(await ctx.api.patch(target, mergePatch, { status: { completionTime: '2026-01-02T00:00:00Z' } }), 422, 'Invalid');
      ok(await ctx.api.patch(target, mergePatch, { status: { description: 'still ok' } }));
    }),
    expectation('an unknown type or state is refused', async (ctx) => {
      refused(
        await ctx.api.post(jobs(ctx), prowJob(ctx.name('run'), { type: 'sometimes' })),
        422,
        'Invalid',
        /spec\.type: Unsupported value: "sometimes"/,
      );
      refused(
        await ctx.api.patch(`${await made(ctx)}/status`, mergePatch, { status: { state: 'tired' } }),
        422,
        'Invalid',
        /status\.state: Unsupported value: "tired"/,
      );
    }),
    expectation('a Periodic has exactly one kind of schedule', async (ctx) => {
      ok(await ctx.api.post(periodics(ctx), periodic(ctx, { interval: '6h' })), 201);
      refused(await ctx.api.post(periodics(ctx), periodic(ctx, {})), 422, 'Invalid');
      refused(await ctx.api.post(periodics(ctx), periodic(ctx, { interval: '6h', cron: '@daily' })), 422, 'Invalid');
    }),
    expectation('a PeriodicSet may use every name of matrix and include in its metadata, and keeps any text in its spec', async (ctx) => {
      const metadata = {
        name: 'e2e-${region}-${zone}',
        labels: { 'team/region': '${region}', plain: '1' },
        annotations: { note: '${zone}: $5, $(date), $${HOME}' },
      };
      const made = ok(await ctx.api.post(setsDryRun(ctx), periodicSet(ctx, metadata)), 201);
      expect(made.spec.template).toEqual({ metadata, spec: { interval: '${anything}', whatever: ['${x}'] } });
    }),
    expectation('a PeriodicSet with a placeholder in its metadata that is no name is refused', async (ctx) => {
      const post = async (metadata: Record<string, unknown>) => ctx.api.post(setsDryRun(ctx), periodicSet(ctx, metadata));
      const message = /holds a placeholder that is no name of matrix or include/;
      refused(await post({ name: 'e2e-${region}-${wrong}' }), 422, 'Invalid', message);
      refused(await post({ labels: { plain: '1', zone: '${regio}' } }), 422, 'Invalid', message);
      refused(await post({ annotations: { note: 'in ${Region}' } }), 422, 'Invalid', message);
    }),
    expectation('a PeriodicSet with text in its metadata that can become no name, label or placeholder is refused', async (ctx) => {
      const post = async (metadata: Record<string, unknown>) => ctx.api.post(setsDryRun(ctx), periodicSet(ctx, metadata));
      refused(await post({ name: 'E2E' }), 422, 'Invalid', /spec\.template\.metadata\.name/);
      refused(await post({ labels: { a: 'x y' } }), 422, 'Invalid', /spec\.template\.metadata\.labels/);
      refused(await post({ annotations: { a: '${region:-eu}' } }), 422, 'Invalid', /spec\.template\.metadata\.annotations/);
    }),
    expectation('a matrix names each value once, by a name that a placeholder can hold', async (ctx) => {
      const post = async (matrix: Record<string, unknown>) => ctx.api.post(setsDryRun(ctx), periodicSet(ctx, {}, matrix));
      refused(await post({ region: ['eu', 'eu'] }), 422, 'Invalid', /Duplicate value: "eu"/);
      refused(await post({ region: ['eu'], 'a b': ['x'] }), 422, 'Invalid', /a name begins with a letter/);
      refused(await post({ region: [] }), 422, 'Invalid', /spec\.matrix\.region/);
    }),
    expectation('a PeriodicSet as large as its schema allows is within what its rules may cost', async (ctx) => {
      const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
      const last = `k${'z'.repeat(60)}`;
      const names = (text: string) => Object.fromEntries(many(32, (index) => [`k${index}`, text]));
      const set = periodicSet(
        ctx,
        { name: `e2e-\${${last}}`, labels: names(`\${${last}}`.repeat(3)), annotations: names(`\${${last}}`.repeat(8)) },
        Object.fromEntries(many(10, (name) => [`n${name}`, many(200, (value) => `${'v'.repeat(100)}${value}`)])),
      );
      const entries = many(200, (entry) => Object.fromEntries(many(19, (name) => [`i${entry}-${name}`, 'x'.repeat(40)])));
      const include = entries.map((entry, index) => ({ ...entry, [index === 199 ? last : 'other']: 'x' }));
      ok(await ctx.api.post(setsDryRun(ctx), { ...set, spec: { ...set.spec, include, exclude: entries } }), 201);
    }),
    expectation('a Table of ProwJobs starts with the columns of upstream', async (ctx) => {
      const target = await made(ctx);
      const table = ok(await ctx.api.get(target, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }));
      const columns = (table.columnDefinitions as { name: string }[]).map(({ name }) => name);
      expect(columns.slice(0, 10)).toEqual([
        'Name',
        'Job',
        'BuildId',
        'Type',
        'Org',
        'Repo',
        'Pulls',
        'StartTime',
        'CompletionTime',
        'State',
      ]);
    }),
    expectation('all kinds are in the category prow, and pj is short for prowjobs', async (ctx) => {
      const resources = ok(await ctx.api.get('/apis/prow.k8s.io/v1')).resources as {
        name: string;
        shortNames?: string[];
        categories?: string[];
      }[];
      for (const name of ['prowjobs', 'periodics', 'pluginconfigs', 'buildclusters'])
        expect(resources.find((each) => each.name === name)?.categories, name).toContain('prow');
      expect(resources.find((each) => each.name === 'prowjobs')?.shortNames).toContain('pj');
    }),
  ],
};
