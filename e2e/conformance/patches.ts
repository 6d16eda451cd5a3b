/** The four kinds of patch. */
import { expect } from 'vitest';
import { type Answer, applyPatch, jsonPatch, type Loose, mergePatch, strategicPatch, withQuery } from './api.ts';
import { type Area, configMap, type Context, core, create, expectation, ok, refused, revision } from './expectation.ts';

async function made(ctx: Context, data: Record<string, string> = { a: '1', b: '2' }): Promise<{ path: string; object: Loose }> {
  const name = ctx.name('patch');
  return { object: await create(ctx, core(ctx, 'configmaps'), configMap(name, data)), path: core(ctx, 'configmaps', name) };
}

const apply = (ctx: Context, name: string, data: Record<string, string>, query: Record<string, string>): Promise<Answer> =>
  ctx.api.patch(withQuery(core(ctx, 'configmaps', name), query), applyPatch, configMap(name, data));

export const patches: Area = {
  area: 'patches',
  expectations: [
    expectation('a json patch adds, replaces and removes', async (ctx) => {
      const { path } = await made(ctx);
      const ops = [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'replace', path: '/data/a', value: '3' },
        { op: 'remove', path: '/data/b' },
        { op: 'add', path: '/data/c', value: '4' },
      ];
      expect(ok(await ctx.api.patch(path, jsonPatch, ops)).data).toEqual({ a: '3', c: '4' });
    }),
    expectation('a json patch whose test fails is 422 and changes nothing', async (ctx) => {
      const { path, object } = await made(ctx);
      const ops = [
        { op: 'replace', path: '/data/a', value: '3' },
        { op: 'test', path: '/data/b', value: 'other' },
      ];
      refused(await ctx.api.patch(path, jsonPatch, ops), 422, 'Invalid');
      expect(ok(await ctx.api.get(path))).toEqual(object);
    }),
    expectation('a json patch that removes what is not there is 422', async (ctx) => {
      const { path } = await made(ctx);
      refused(await ctx.api.patch(path, jsonPatch, [{ op: 'remove', path: '/data/zzz' }]), 422, 'Invalid');
    }),
    expectation('a json patch that is no list is 400', async (ctx) => {
      const { path } = await made(ctx);
      refused(await ctx.api.patch(path, jsonPatch, { data: {} }), 400, 'BadRequest');
    }),
    expectation('a merge patch sets fields and removes those that are null', async (ctx) => {
      const { path } = await made(ctx);
      expect(ok(await ctx.api.patch(path, mergePatch, { data: { a: null, c: '3' } })).data).toEqual({ b: '2', c: '3' });
    }),
    expectation('a merge patch with an old resourceVersion is 409 Conflict', async (ctx) => {
      const { path, object } = await made(ctx);
      ok(await ctx.api.patch(path, mergePatch, { data: { a: '5' } }));
      refused(
        await ctx.api.patch(path, mergePatch, { metadata: { resourceVersion: object.metadata.resourceVersion }, data: { a: '6' } }),
        409,
        'Conflict',
      );
    }),
    expectation('a patch that changes nothing keeps the resourceVersion', async (ctx) => {
      const { path, object } = await made(ctx);
      expect(revision(ok(await ctx.api.patch(path, mergePatch, { data: { a: '1' } })))).toBe(revision(object));
    }),
    expectation('a patch of what is not there is 404', async (ctx) => {
      refused(await ctx.api.patch(core(ctx, 'configmaps', 'nobody'), mergePatch, { data: {} }), 404, 'NotFound');
    }),
    expectation('a patch of an unknown media type is 415', async (ctx) => {
      const { path } = await made(ctx);
      refused(await ctx.api.patch(path, 'application/json', { data: {} }), 415, 'UnsupportedMediaType');
    }),
    expectation('a strategic merge patch merges containers by name', async (ctx) => {
      const name = ctx.name('strategic');
      const containers = [
        { name: 'one', image: 'a' },
        { name: 'two', image: 'b' },
      ];
      const spec = { nodeSelector: { 'conformance.example.com/nowhere': 'true' }, containers };
      await create(ctx, core(ctx, 'pods'), { metadata: { name }, spec });
      const patched = ok(
        await ctx.api.patch(core(ctx, 'pods', name), strategicPatch, { spec: { containers: [{ name: 'two', image: 'c' }] } }),
      );
      expect((patched.spec.containers as { name: string; image: string }[]).map((each) => [each.name, each.image])).toEqual([
        ['one', 'a'],
        ['two', 'c'],
      ]);
      ok(await ctx.api.delete(core(ctx, 'pods', name)));
    }),
    expectation('apply creates with 201, and the same again answers 200 without a new resourceVersion', async (ctx) => {
      const name = ctx.name('apply');
      const first = ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' }), 201);
      const second = ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' }));
      expect(revision(second)).toBe(revision(first));
      expect(first.metadata.managedFields).toMatchObject([{ manager: 'one', operation: 'Apply' }]);
    }),
    expectation('apply removes what its manager no longer applies, and leaves the fields of others', async (ctx) => {
      const name = ctx.name('apply');
      ok(await apply(ctx, name, { a: '1', b: '2' }, { fieldManager: 'one' }), 201);
      ok(await apply(ctx, name, { c: '3' }, { fieldManager: 'two' }));
      expect(ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' })).data).toEqual({ a: '1', c: '3' });
    }),
    expectation('apply of a value that another manager holds is 409 and names that manager', async (ctx) => {
      const name = ctx.name('apply');
      ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' }), 201);
      const failure = refused(await apply(ctx, name, { a: '2' }, { fieldManager: 'two' }), 409, 'Conflict', /conflict with "one"/);
      expect(failure.details.causes[0]).toMatchObject({ reason: 'FieldManagerConflict', field: '.data.a' });
    }),
    expectation('apply with force takes the field over', async (ctx) => {
      const name = ctx.name('apply');
      ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' }), 201);
      expect(ok(await apply(ctx, name, { a: '2' }, { fieldManager: 'two', force: 'true' })).data).toEqual({ a: '2' });
    }),
    expectation('apply of the value that is there already shares the field', async (ctx) => {
      const name = ctx.name('apply');
      ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'one' }), 201);
      ok(await apply(ctx, name, { a: '1' }, { fieldManager: 'two' }));
      expect(ok(await apply(ctx, name, {}, { fieldManager: 'two' })).data).toEqual({ a: '1' });
    }),
    expectation('apply without a field manager is refused', async (ctx) => {
      const answer = await apply(ctx, ctx.name('apply'), { a: '1' }, {});
      expect([400, 422]).toContain(answer.status);
      expect(answer.body.message).toMatch(/fieldManager.*is required for apply patch/);
    }),
    expectation('apply understands YAML', async (ctx) => {
      const name = ctx.name('apply');
      const yaml = `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  a: "1"\n`;
      expect(
        ok(await ctx.api.patch(withQuery(core(ctx, 'configmaps', name), { fieldManager: 'one' }), applyPatch, yaml), 201).data,
      ).toEqual({ a: '1' });
    }),
  ],
};
