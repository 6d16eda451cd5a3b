/** Lists, selectors, pages and watches: what a reflector lives on. */
import { expect } from 'vitest';
import { type Answer, type LineStream, withQuery } from './api.ts';
import { type Area, configMap, type Context, core, create, expectation, names, ok, refused, revision } from './expectation.ts';

/** Five ConfigMaps with the label `set`, colours and sizes. Returns the selector and the names. */
async function makeSet(ctx: Context): Promise<{ set: string; all: string[] }> {
  const set = ctx.name('set');
  const all: string[] = [];
  for (const [index, colour] of ['red', 'red', 'blue', 'green', undefined].entries()) {
    const name = `${set}-${index}`;
    await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { labels: { set, ...(colour === undefined ? {} : { colour }) } }));
    all.push(name);
  }
  return { set, all };
}

const list = (ctx: Context, query: Record<string, string | number | boolean>, resource = 'configmaps'): Promise<Answer> =>
  ctx.api.get(withQuery(core(ctx, resource), query));

async function watching(
  ctx: Context,
  query: Record<string, string | number | boolean>,
  check: (stream: LineStream) => Promise<void>,
): Promise<void> {
  const stream = await ctx.api.stream(withQuery(core(ctx, 'configmaps'), { watch: true, ...query }));
  try {
    await check(stream);
  } finally {
    stream.close();
  }
}

const selectors = [
  { selector: 'colour=red', picks: [0, 1] },
  { selector: 'colour!=red', picks: [2, 3, 4] },
  { selector: 'colour in (red,green)', picks: [0, 1, 3] },
  { selector: 'colour notin (red,green)', picks: [2, 4] },
  { selector: 'colour', picks: [0, 1, 2, 3] },
  { selector: '!colour', picks: [4] },
];

export const lists: Area = {
  area: 'lists',
  expectations: [
    expectation('a list has the kind with List, a resourceVersion, and items without kind for built-in types', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const body = ok(await list(ctx, { labelSelector: `set=${set}` }));
      expect(body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
      expect(body.metadata.resourceVersion).toMatch(/^\d+$/);
      expect(names(body)).toEqual(all);
      expect(body.items[0].kind).toBeUndefined();
    }),
    expectation('an empty list has items: []', async (ctx) => {
      expect(ok(await list(ctx, { labelSelector: 'nobody=has' })).items).toEqual([]);
    }),
    ...selectors.map(({ selector, picks }) =>
      expectation(`the label selector "${selector}" picks what it says`, async (ctx) => {
        const { set, all } = await makeSet(ctx);
        expect(names(ok(await list(ctx, { labelSelector: `set=${set},${selector}` })))).toEqual(picks.map((index) => all[index]));
      }),
    ),
    expectation('a label selector that cannot be parsed is 400', async (ctx) => {
      refused(await list(ctx, { labelSelector: 'a in (' }), 400, 'BadRequest', /unable to parse requirement/);
    }),
    expectation('the field selector metadata.name picks one object', async (ctx) => {
      const { all } = await makeSet(ctx);
      expect(names(ok(await list(ctx, { fieldSelector: `metadata.name=${all[2]!}` })))).toEqual([all[2]]);
    }),
    expectation('a field selector on a field that cannot be selected is 400 and says so', async (ctx) => {
      const only = /^"data\.a" is not a known field selector: only "metadata\.name", "metadata\.namespace"$/;
      refused(await list(ctx, { fieldSelector: 'data.a=1' }), 400, 'BadRequest', only);
      const pods = await ctx.api.get(withQuery(core(ctx, 'pods'), { fieldSelector: 'data.a=1' }));
      refused(pods, 400, 'BadRequest', /^field label not supported: data\.a$/);
    }),
    expectation('a list without namespace covers all namespaces', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      expect(names(ok(await ctx.api.get(withQuery('/api/v1/configmaps', { labelSelector: `set=${set}` }))))).toEqual(all);
    }),
    expectation('limit and continue walk a list page by page, each object once', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const seen: string[] = [];
      let token = '';
      const sizes: number[] = [];
      do {
        const page = ok(await list(ctx, { labelSelector: `set=${set}`, limit: 2, ...(token === '' ? {} : { continue: token }) }));
        seen.push(...names(page));
        sizes.push(names(page).length);
        token = (page.metadata.continue as string | undefined) ?? '';
      } while (token !== '');
      expect(seen).toEqual(all);
      expect(sizes).toEqual([2, 2, 1]);
    }),
    expectation('a page says how many are left when there is no selector', async (ctx) => {
      await makeSet(ctx);
      const page = ok(await list(ctx, { limit: 2 }));
      expect(page.metadata.remainingItemCount).toBeGreaterThanOrEqual(3);
    }),
    expectation('the pages of one list show one moment: what is made in between is not in them', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const first = ok(await list(ctx, { labelSelector: `set=${set}`, limit: 2 }));
      await create(ctx, core(ctx, 'configmaps'), configMap(`${set}-9`, {}, { labels: { set } }));
      const rest = ok(await list(ctx, { labelSelector: `set=${set}`, limit: 50, continue: first.metadata.continue as string }));
      expect([...names(first), ...names(rest)]).toEqual(all);
      expect(revision(rest)).toBe(revision(first));
    }),
    expectation('a continue token that is none is 400', async (ctx) => {
      refused(await list(ctx, { limit: 2, continue: 'nonsense' }), 400, 'BadRequest', /continue/);
    }),
    expectation('resourceVersion=0 is answered from whatever is at hand', async (ctx) => {
      expect(ok(await list(ctx, { resourceVersion: '0' })).kind).toBe('ConfigMapList');
    }),
    expectation('resourceVersionMatch without resourceVersion is 422', async (ctx) => {
      refused(
        await list(ctx, { resourceVersionMatch: 'NotOlderThan' }),
        422,
        'Invalid',
        /resourceVersionMatch is forbidden unless resourceVersion is provided/,
      );
    }),
    expectation('a list not older than a revision of the future is 504 Timeout', async (ctx) => {
      refused(
        await list(ctx, { resourceVersion: '999999999999', resourceVersionMatch: 'NotOlderThan' }),
        504,
        'Timeout',
        /Too large resource version/,
      );
    }),
    expectation('a list can be asked for as a Table whose rows carry the metadata', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
      const table = ok(await ctx.api.get(withQuery(core(ctx, 'configmaps'), { labelSelector: `set=${set}` }), { accept }));
      expect(table).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
      expect((table.columnDefinitions as { name: string }[]).map((column) => column.name)).toEqual(['Name', 'Data', 'Age']);
      expect((table.rows as { cells: unknown[] }[]).map((row) => row.cells[0])).toEqual(all);
      expect(table.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: all[0] } });
    }),
  ],
};

export const watches: Area = {
  area: 'watches',
  expectations: [
    expectation("a watch from a list's resourceVersion brings every later change, in order", async (ctx) => {
      const { set } = await makeSet(ctx);
      const from = ok(await list(ctx, { labelSelector: `set=${set}` })).metadata.resourceVersion as string;
      const name = `${set}-new`;
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { labels: { set } }));
      await watching(ctx, { labelSelector: `set=${set}`, resourceVersion: from }, async (stream) => {
        ok(await ctx.api.put(core(ctx, 'configmaps', name), { ...made, data: { a: '1' } }));
        ok(await ctx.api.delete(core(ctx, 'configmaps', name)));
        await stream.until('DELETED', (event) => event.type === 'DELETED');
        expect(stream.events.map((event) => [event.type, event.object.metadata.name])).toEqual([
          ['ADDED', name],
          ['MODIFIED', name],
          ['DELETED', name],
        ]);
        const revisions = stream.events.map((event) => revision(event.object));
        expect(revisions[0]).toBe(revision(made));
        expect(revisions[2]! > revisions[1]! && revisions[1]! > revisions[0]!).toBe(true);
        expect(stream.events[2].object).toMatchObject({ kind: 'ConfigMap', data: { a: '1' } });
      });
    }),
    expectation('a watch without resourceVersion starts with what is there', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      await watching(ctx, { labelSelector: `set=${set}` }, async (stream) => {
        for (const name of all) await stream.until(name, (event) => event.type === 'ADDED' && event.object.metadata.name === name);
        expect(stream.events.length).toBe(5);
      });
    }),
    expectation('an object that stops to match the selector is DELETED for the watch, and ADDED when it matches again', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const from = ok(await list(ctx, {})).metadata.resourceVersion as string;
      await watching(ctx, { labelSelector: `set=${set},colour=red`, resourceVersion: from }, async (stream) => {
        for (const colour of ['white', 'red'])
          ok(await ctx.api.put(core(ctx, 'configmaps', all[0]), configMap(all[0]!, { colour }, { labels: { set, colour } })));
        await stream.until('ADDED', (event) => event.type === 'ADDED');
        expect(stream.events.map((event) => event.type)).toEqual(['DELETED', 'ADDED']);
      });
    }),
    expectation('a watch with a field selector sees one object only', async (ctx) => {
      const { all } = await makeSet(ctx);
      const from = ok(await list(ctx, {})).metadata.resourceVersion as string;
      await watching(ctx, { fieldSelector: `metadata.name=${all[1]!}`, resourceVersion: from }, async (stream) => {
        for (const name of all) ok(await ctx.api.put(core(ctx, 'configmaps', name), configMap(name, { touched: '1' })));
        await stream.until('MODIFIED', (event) => event.type === 'MODIFIED');
        expect(stream.events.map((event) => event.object.metadata.name)).toEqual([all[1]]);
      });
    }),
    expectation('timeoutSeconds ends a watch, and a bookmark came before the end', async (ctx) => {
      const from = ok(await list(ctx, {})).metadata.resourceVersion as string;
      await watching(
        ctx,
        { resourceVersion: from, allowWatchBookmarks: true, timeoutSeconds: 4, labelSelector: 'nobody=has' },
        async (stream) => {
          const bookmark = await stream.until('BOOKMARK', (event) => event.type === 'BOOKMARK');
          expect(bookmark.object).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
          expect(revision(bookmark.object)).toBeGreaterThanOrEqual(BigInt(from));
          await stream.ended;
        },
      );
    }),
    expectation('sendInitialEvents ends what is there with an annotated bookmark', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const query = {
        labelSelector: `set=${set}`,
        sendInitialEvents: true,
        allowWatchBookmarks: true,
        resourceVersionMatch: 'NotOlderThan',
      };
      await watching(ctx, query, async (stream) => {
        const bookmark = await stream.until('BOOKMARK', (event) => event.type === 'BOOKMARK');
        expect(bookmark.object.metadata.annotations).toMatchObject({ 'k8s.io/initial-events-end': 'true' });
        expect(
          stream.events
            .slice(0, 5)
            .map((event) => event.object.metadata.name)
            .sort(),
        ).toEqual(all);
      });
    }),
    expectation('a watch can be asked for as Tables of one row', async (ctx) => {
      const { set, all } = await makeSet(ctx);
      const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
      const path = withQuery(core(ctx, 'configmaps'), { watch: true, labelSelector: `set=${set}`, timeoutSeconds: 1 });
      const events = (await ctx.api.get(path, { accept })).text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
      expect(events.map((event) => [event.type, event.object.kind, event.object.rows[0].cells[0]]).sort()).toEqual(
        all.map((name) => ['ADDED', 'Table', name]),
      );
      expect(events[0].object.columnDefinitions.length).toBe(3);
    }),
  ],
};

/** These drop the history that other expectations stand on. */
export const history: Area = {
  area: 'history',
  alone: true,
  expectations: [
    expectation(
      'a continue token from before a compaction is 410 Expired',
      async (ctx) => {
        const { set } = await makeSet(ctx);
        const first = ok(await list(ctx, { labelSelector: `set=${set}`, limit: 2 }));
        await create(ctx, core(ctx, 'configmaps'), configMap(ctx.name('later')));
        ctx.compact();
        refused(await list(ctx, { limit: 2, continue: first.metadata.continue as string }), 410, 'Expired');
      },
      'compaction',
    ),
    expectation('a watch from a revision that history no longer has ends with 410 Expired', async (ctx) => {
      const { set } = await makeSet(ctx);
      ctx.compact();
      await watching(ctx, { labelSelector: `set=${set}`, resourceVersion: '1' }, async (stream) => {
        await stream.ended;
        const failure =
          stream.status === 410 ? JSON.parse(stream.lines.join('')) : stream.events.find((event) => event.type === 'ERROR')?.object;
        expect(failure).toMatchObject({ kind: 'Status', code: 410, reason: 'Expired' });
        expect(failure.message).toMatch(/too old resource version/);
      });
    }),
  ],
};
