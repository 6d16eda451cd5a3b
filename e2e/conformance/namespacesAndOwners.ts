/** Namespaces, and what happens to the dependents of a deleted object. */
import { expect } from 'vitest';
import { type Loose, mergePatch } from './api.ts';
import {
  type Area,
  configMap,
  type Context,
  core,
  create,
  eventually,
  expectation,
  gone,
  ok,
  read,
  refused,
  release,
} from './expectation.ts';

async function namespace(ctx: Context): Promise<string> {
  const name = ctx.name('ns');
  await create(ctx, '/api/v1/namespaces', { metadata: { name } });
  return name;
}

export const namespaces: Area = {
  area: 'namespaces',
  expectations: [
    expectation('default and kube-system are there', async (ctx) => {
      for (const name of ['default', 'kube-system']) expect((await read(ctx, `/api/v1/namespaces/${name}`)).status.phase).toBe('Active');
    }),
    expectation('create in a namespace that is not there is 404 and names the namespace', async (ctx) => {
      refused(
        await ctx.api.post('/api/v1/namespaces/nowhere-at-all/configmaps', configMap('x')),
        404,
        'NotFound',
        /namespaces "nowhere-at-all" not found/,
      );
    }),
    expectation('a list in a namespace that is not there is empty, not an error', async (ctx) => {
      expect(ok(await ctx.api.get('/api/v1/namespaces/nowhere-at-all/configmaps')).items).toEqual([]);
    }),
    expectation('a new namespace is Active, labelled with its name, and gets its default service account', async (ctx) => {
      const name = await namespace(ctx);
      expect(await read(ctx, `/api/v1/namespaces/${name}`)).toMatchObject({
        metadata: { labels: { 'kubernetes.io/metadata.name': name } },
        status: { phase: 'Active' },
      });
      await eventually(() => read(ctx, `/api/v1/namespaces/${name}/serviceaccounts/default`));
      ok(await ctx.api.delete(`/api/v1/namespaces/${name}`));
    }),
    expectation('a namespace name must be a DNS label', async (ctx) => {
      refused(
        await ctx.api.post('/api/v1/namespaces', { metadata: { name: 'two.labels' } }),
        422,
        'Invalid',
        /metadata\.name: Invalid value: "two\.labels"/,
      );
    }),
    expectation(
      'a namespace that is being deleted is Terminating, refuses new objects with 403, and goes when its content is gone',
      async (ctx) => {
        const name = await namespace(ctx);
        const held = `/api/v1/namespaces/${name}/configmaps/held`;
        await create(ctx, `/api/v1/namespaces/${name}/configmaps`, configMap('held', {}, { finalizers: ['example.com/hold'] }));
        await create(ctx, `/api/v1/namespaces/${name}/configmaps`, configMap('free'));
        ok(await ctx.api.delete(`/api/v1/namespaces/${name}`));
        await eventually(async () => {
          expect((await read(ctx, `/api/v1/namespaces/${name}`)).status.phase).toBe('Terminating');
          expect((await read(ctx, held)).metadata.deletionTimestamp).toBeTruthy();
        });
        const failure = refused(
          await ctx.api.post(`/api/v1/namespaces/${name}/configmaps`, configMap('late')),
          403,
          'Forbidden',
          /because it is being terminated/,
        );
        expect(failure.details.causes).toEqual(expect.arrayContaining([expect.objectContaining({ reason: 'NamespaceTerminating' })]));
        await gone(ctx, `/api/v1/namespaces/${name}/configmaps/free`);
        ok(await release(ctx, held));
        await gone(ctx, `/api/v1/namespaces/${name}`);
      },
    ),
  ],
};

const ownedBy = (owner: Loose, more: Record<string, unknown> = {}): Loose => ({
  ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata.name, uid: owner.metadata.uid, ...more }],
});

async function family(ctx: Context, more?: Record<string, unknown>): Promise<{ owner: string; dependent: string }> {
  const [owner, dependent] = [ctx.name('owner'), ctx.name('dependent')];
  const stored = await create(ctx, core(ctx, 'configmaps'), configMap(owner));
  await create(ctx, core(ctx, 'configmaps'), configMap(dependent, {}, ownedBy(stored, more)));
  return { owner: core(ctx, 'configmaps', owner), dependent: core(ctx, 'configmaps', dependent) };
}

const remove = async (ctx: Context, path: string, propagationPolicy?: string): Promise<void> => {
  ok(
    await ctx.api.delete(
      path,
      propagationPolicy === undefined ? undefined : { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy },
    ),
  );
};

export const owners: Area = {
  area: 'owners',
  expectations: [
    expectation('a dependent goes after its owner (Background, the default)', async (ctx) => {
      const { owner, dependent } = await family(ctx);
      await remove(ctx, owner);
      await gone(ctx, dependent);
    }),
    expectation('Orphan leaves the dependent and takes the reference off', async (ctx) => {
      const { owner, dependent } = await family(ctx);
      await remove(ctx, owner, 'Orphan');
      await gone(ctx, owner);
      expect((await read(ctx, dependent)).metadata.ownerReferences).toBeUndefined();
    }),
    expectation('Foreground keeps the owner until its blocking dependents are gone', async (ctx) => {
      const { owner, dependent } = await family(ctx, { blockOwnerDeletion: true });
      ok(await ctx.api.patch(dependent, mergePatch, { metadata: { finalizers: ['example.com/hold'] } }));
      await remove(ctx, owner, 'Foreground');
      await eventually(async () => {
        expect((await read(ctx, dependent)).metadata.deletionTimestamp).toBeTruthy();
      });
      expect((await read(ctx, owner)).metadata).toMatchObject({ finalizers: ['foregroundDeletion'] });
      ok(await release(ctx, dependent));
      await gone(ctx, dependent);
      await gone(ctx, owner);
    }),
    expectation('a dependent with a second owner stays, without the reference to the deleted one', async (ctx) => {
      const [first, second, dependent] = [ctx.name('owner'), ctx.name('owner'), ctx.name('dependent')];
      const references = [];
      for (const name of [first, second])
        references.push(...ownedBy(await create(ctx, core(ctx, 'configmaps'), configMap(name))).ownerReferences);
      await create(ctx, core(ctx, 'configmaps'), configMap(dependent, {}, { ownerReferences: references }));
      await remove(ctx, core(ctx, 'configmaps', first));
      await eventually(async () => {
        expect(
          ((await read(ctx, core(ctx, 'configmaps', dependent))).metadata.ownerReferences as { name: string }[]).map(({ name }) => name),
        ).toEqual([second]);
      });
    }),
    expectation('a dependent whose owner never was is collected', async (ctx) => {
      const name = ctx.name('dependent');
      const owner = { metadata: { name: 'never', uid: 'dddddddd-0000-4000-8000-000000000000' } };
      await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, ownedBy(owner)));
      await gone(ctx, core(ctx, 'configmaps', name));
    }),
    expectation('an owner of the same name but another uid does not keep a dependent', async (ctx) => {
      const [owner, dependent] = [ctx.name('owner'), ctx.name('dependent')];
      await create(ctx, core(ctx, 'configmaps'), configMap(owner));
      const wrong = { metadata: { name: owner, uid: 'dddddddd-0000-4000-8000-000000000000' } };
      await create(ctx, core(ctx, 'configmaps'), configMap(dependent, {}, ownedBy(wrong)));
      await gone(ctx, core(ctx, 'configmaps', dependent));
    }),
    expectation('two controllers among the owners are 422', async (ctx) => {
      const reference = { apiVersion: 'v1', kind: 'ConfigMap', controller: true };
      const ownerReferences = [
        { ...reference, name: 'a', uid: 'a' },
        { ...reference, name: 'b', uid: 'b' },
      ];
      refused(
        await ctx.api.post(core(ctx, 'configmaps'), configMap(ctx.name('two'), {}, { ownerReferences })),
        422,
        'Invalid',
        /Only one reference can have Controller set to true/,
      );
    }),
  ],
};
