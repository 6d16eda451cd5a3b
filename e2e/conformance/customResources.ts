/** CustomResourceDefinitions at run time, with a small kind of our own. */
import { expect } from 'vitest';
import { type Answer, applyPatch, type Loose, mergePatch, strategicPatch, withQuery } from './api.ts';
import {
  type Area,
  type Context,
  create,
  eventually,
  expectation,
  gone,
  grouped,
  names,
  ok,
  read,
  refused,
  release,
  revision,
} from './expectation.ts';

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = 'conformance.example.com';
const groupVersion = `${group}/v1`;

const widgetSpec = {
  type: 'object',
  required: ['size'],
  'x-kubernetes-validations': [
    { rule: '!has(self.least) || !has(self.most) || self.least <= self.most', message: 'least must not be above most' },
    {
      rule: 'self.size == oldSelf.size || oldSelf.size == "small"',
      message: 'only a small widget may change its size',
      fieldPath: '.size',
    },
  ],
  properties: {
    size: { type: 'string', enum: ['small', 'large'] },
    colour: { type: 'string', default: 'grey', pattern: '^[a-z]+$' },
    least: { type: 'integer', minimum: 0 },
    most: { type: 'integer', maximum: 100 },
    ports: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, port: { type: 'integer' } } },
    },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    notes: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

/** A CRD for a kind, with a schema for its spec. */
function definition(kind: string, spec: Loose, version: Record<string, unknown> = {}): Loose {
  const plural = `${kind.toLowerCase()}s`;
  const status = { type: 'object', properties: { phase: { type: 'string' }, seen: { type: 'integer' } } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        shortNames: [`${kind.toLowerCase().slice(0, 3)}x`],
        categories: ['conformance'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec, status } } },
          ...version,
        },
      ],
    },
  };
}

/** Installs a definition and waits until it serves. */
async function install(ctx: Context, crd: Loose): Promise<void> {
  await create(ctx, crds, crd);
  await eventually(async () => {
    const { status } = await read(ctx, `${crds}/${crd.metadata.name as string}`);
    expect((status?.conditions as { type: string; status: string }[]).find(({ type }) => type === 'Established')).toMatchObject({
      status: 'True',
    });
    ok(await ctx.api.get(grouped(ctx, groupVersion, crd.spec.names.plural as string)));
  });
}

const widgetDefinition = definition('Widget', widgetSpec, {
  selectableFields: [{ jsonPath: '.spec.colour' }],
  additionalPrinterColumns: [
    { name: 'Size', type: 'string', jsonPath: '.spec.size' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
});

/** Before and after all expectations of this area. */
export const installWidgets = (ctx: Context): Promise<void> => install(ctx, widgetDefinition);
export async function removeWidgets(ctx: Context): Promise<void> {
  await ctx.api.delete(`${crds}/widgets.${group}`);
  await gone(ctx, `${crds}/widgets.${group}`);
}

const widgets = (ctx: Context, name?: string): string => grouped(ctx, groupVersion, 'widgets', name);
const widget = (name: string, spec: Loose = { size: 'small' }, more: Record<string, unknown> = {}): Loose => ({
  apiVersion: groupVersion,
  kind: 'Widget',
  metadata: { name },
  spec,
  ...more,
});

async function made(ctx: Context, spec?: Loose): Promise<{ path: string; name: string; object: Loose }> {
  const name = ctx.name('widget');
  return { name, path: widgets(ctx, name), object: await create(ctx, widgets(ctx), widget(name, spec)) };
}

const tryCreate = (ctx: Context, spec: Loose): Promise<Answer> => ctx.api.post(widgets(ctx), widget(ctx.name('widget'), spec));

const refusals = [
  { says: 'a missing field', spec: {}, field: 'spec.size', reason: 'FieldValueRequired', message: /spec\.size: Required value/ },
  {
    says: 'a value outside the enum',
    spec: { size: 'huge' },
    field: 'spec.size',
    reason: 'FieldValueNotSupported',
    message: /spec\.size: Unsupported value: "huge": supported values: "small", "large"/,
  },
  {
    says: 'a wrong type',
    spec: { size: 'small', least: 'one' },
    field: 'spec.least',
    reason: 'FieldValueTypeInvalid',
    message: /spec\.least: Invalid value: "string": spec\.least in body must be of type integer: "string"/,
  },
  {
    says: 'a number below the minimum',
    spec: { size: 'small', least: -1 },
    field: 'spec.least',
    reason: 'FieldValueInvalid',
    message: /spec\.least: Invalid value: -1: spec\.least in body should be greater than or equal to 0/,
  },
  {
    says: 'text that does not match the pattern',
    spec: { size: 'small', colour: 'NO' },
    field: 'spec.colour',
    reason: 'FieldValueInvalid',
    message: /spec\.colour: Invalid value: "NO": spec\.colour in body should match '\^\[a-z\]\+\$'/,
  },
  {
    says: 'two entries with one key in a list-map',
    spec: { size: 'small', ports: [{ name: 'a' }, { name: 'a' }] },
    field: 'spec.ports[1]',
    reason: 'FieldValueDuplicate',
    message: /spec\.ports\[1\]: Duplicate value/,
  },
  {
    says: 'what a CEL rule forbids',
    spec: { size: 'small', least: 9, most: 1 },
    field: 'spec',
    reason: 'FieldValueInvalid',
    message: /spec: Invalid value: .*least must not be above most/,
  },
];

export const customResources: Area = {
  area: 'custom resources',
  expectations: [
    expectation('a definition becomes NamesAccepted and Established, and fills status.acceptedNames', async (ctx) => {
      const { status } = await read(ctx, `${crds}/widgets.${group}`);
      expect(
        Object.fromEntries((status.conditions as { type: string; status: string }[]).map((each) => [each.type, each.status])),
      ).toMatchObject({ NamesAccepted: 'True', Established: 'True' });
      expect(status).toMatchObject({ acceptedNames: { kind: 'Widget', plural: 'widgets', singular: 'widget' }, storedVersions: ['v1'] });
    }),
    expectation('discovery lists the new kind, its status, short names and categories', async (ctx) => {
      const resources = ok(await ctx.api.get(`/apis/${groupVersion}`)).resources as { name: string }[];
      expect(resources.find(({ name }) => name === 'widgets')).toMatchObject({
        kind: 'Widget',
        namespaced: true,
        singularName: 'widget',
        shortNames: ['widx'],
        categories: ['conformance'],
      });
      expect(resources.map(({ name }) => name)).toContain('widgets/status');
    }),
    expectation('a list of custom resources has its own kind, and items with kind and apiVersion', async (ctx) => {
      const { name } = await made(ctx);
      const list = ok(await ctx.api.get(withQuery(widgets(ctx), { fieldSelector: `metadata.name=${name}` })));
      expect(list).toMatchObject({
        kind: 'WidgetList',
        apiVersion: groupVersion,
        items: [{ kind: 'Widget', apiVersion: groupVersion, metadata: { name } }],
      });
    }),
    expectation('unknown fields are pruned, but not under preserve-unknown-fields and additionalProperties', async (ctx) => {
      const { object } = await made(ctx, { size: 'small', nope: 1, free: { deep: { any: [1] } }, notes: { a: 'b' } });
      expect(object.spec).toEqual({ size: 'small', colour: 'grey', free: { deep: { any: [1] } }, notes: { a: 'b' } });
    }),
    expectation('fieldValidation=Strict refuses an unknown field and names its path', async (ctx) => {
      const answer = await ctx.api.post(
        withQuery(widgets(ctx), { fieldValidation: 'Strict' }),
        widget(ctx.name('widget'), { size: 'small', nope: 1 }),
      );
      refused(answer, 400, 'BadRequest', /strict decoding error: unknown field "spec\.nope"/);
    }),
    expectation('defaults are filled in on write', async (ctx) => {
      expect((await made(ctx)).object.spec.colour).toBe('grey');
    }),
    expectation('a default that came later is filled in on read', async (ctx) => {
      const crd = definition('Gadget', { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } });
      await install(ctx, crd);
      const name = ctx.name('gadget');
      const path = grouped(ctx, groupVersion, 'gadgets', name);
      await create(ctx, grouped(ctx, groupVersion, 'gadgets'), {
        apiVersion: groupVersion,
        kind: 'Gadget',
        metadata: { name },
        spec: { a: '1' },
      });
      const withDefault = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string', default: 'later' } } };
      const version = { ...definition('Gadget', withDefault).spec.versions[0] };
      ok(await ctx.api.patch(`${crds}/gadgets.${group}`, mergePatch, { spec: { versions: [version] } }));
      await eventually(async () => {
        expect((await read(ctx, path)).spec).toEqual({ a: '1', b: 'later' });
      });
      ok(await ctx.api.delete(`${crds}/gadgets.${group}`));
      await gone(ctx, `${crds}/gadgets.${group}`);
    }),
    ...refusals.map(({ says, spec, field, reason, message }) =>
      expectation(`${says} is 422 Invalid with the field as cause`, async (ctx) => {
        const failure = refused(await tryCreate(ctx, spec), 422, 'Invalid', message);
        expect(failure.message).toMatch(/^Widget\.conformance\.example\.com "[^"]+" is invalid: /);
        expect(failure.details.causes).toEqual(expect.arrayContaining([expect.objectContaining({ field, reason })]));
      }),
    ),
    expectation('all faults of an object are reported at once, and that rules could not be checked', async (ctx) => {
      const failure = refused(
        await tryCreate(ctx, { size: 'huge', colour: 'NO', least: -1 }),
        422,
        'Invalid',
        /some validation rules were not checked/,
      );
      const fields = (failure.details.causes as { field: string }[]).map(({ field }) => field);
      expect(fields).toEqual(expect.arrayContaining(['spec.colour', 'spec.least', 'spec.size']));
    }),
    expectation('a transition rule allows the first write and judges the change', async (ctx) => {
      const { path, object } = await made(ctx);
      const grown = ok(await ctx.api.put(path, { ...object, spec: { size: 'large' } }));
      refused(
        await ctx.api.put(path, { ...grown, spec: { size: 'small' } }),
        422,
        'Invalid',
        /spec\.size: Invalid value: .*only a small widget may change its size/,
      );
    }),
    expectation('generation starts at 1, grows with the spec and with nothing else', async (ctx) => {
      const { path, object } = await made(ctx);
      expect(object.metadata.generation).toBe(1);
      expect(ok(await ctx.api.patch(path, mergePatch, { metadata: { labels: { a: 'b' } } })).metadata.generation).toBe(1);
      expect(ok(await ctx.api.patch(`${path}/status`, mergePatch, { status: { phase: 'Up' } })).metadata.generation).toBe(1);
      expect(ok(await ctx.api.patch(path, mergePatch, { spec: { colour: 'red' } })).metadata.generation).toBe(2);
    }),
    expectation('create and replace ignore status', async (ctx) => {
      const name = ctx.name('widget');
      const object = await create(ctx, widgets(ctx), widget(name, { size: 'small' }, { status: { phase: 'Up' } }));
      expect(object.status).toBeUndefined();
      expect(
        ok(await ctx.api.put(widgets(ctx, name), { ...object, spec: { size: 'large' }, status: { phase: 'Up' } })).status,
      ).toBeUndefined();
    }),
    expectation('a write to status changes status and nothing else', async (ctx) => {
      const { path, object } = await made(ctx);
      const put = ok(await ctx.api.put(`${path}/status`, { ...object, spec: { size: 'large' }, status: { phase: 'Up' } }));
      expect(put).toMatchObject({ spec: { size: 'small' }, status: { phase: 'Up' } });
      const patched = ok(await ctx.api.patch(`${path}/status`, mergePatch, { spec: { size: 'large' }, status: { seen: 3 } }));
      expect(patched).toMatchObject({ spec: { size: 'small' }, status: { phase: 'Up', seen: 3 } });
    }),
    expectation('a write to status is validated by the schema of status', async (ctx) => {
      const { path } = await made(ctx);
      refused(
        await ctx.api.patch(`${path}/status`, mergePatch, { status: { seen: 'often' } }),
        422,
        'Invalid',
        /status\.seen: Invalid value: "string"/,
      );
    }),
    expectation('a write to status with an old resourceVersion is 409 Conflict', async (ctx) => {
      const { path, object } = await made(ctx);
      ok(await ctx.api.patch(`${path}/status`, mergePatch, { status: { seen: 1 } }));
      const stale = { metadata: { resourceVersion: object.metadata.resourceVersion }, status: { seen: 2 } };
      refused(await ctx.api.patch(`${path}/status`, mergePatch, stale), 409, 'Conflict');
    }),
    expectation('a write to the status of what is not there is 404', async (ctx) => {
      refused(await ctx.api.patch(`${widgets(ctx, 'nobody')}/status`, mergePatch, { status: {} }), 404, 'NotFound');
    }),
    expectation('a status patch that changes nothing keeps the resourceVersion', async (ctx) => {
      const { path } = await made(ctx);
      const first = ok(await ctx.api.patch(`${path}/status`, mergePatch, { status: { phase: 'Up' } }));
      expect(revision(ok(await ctx.api.patch(`${path}/status`, mergePatch, { status: { phase: 'Up' } })))).toBe(revision(first));
    }),
    expectation('a replace of a custom resource without resourceVersion is 422', async (ctx) => {
      const { path, name } = await made(ctx);
      refused(
        await ctx.api.put(path, widget(name)),
        422,
        'Invalid',
        /metadata\.resourceVersion: Invalid value: .*must be specified for an update/,
      );
    }),
    expectation('a strategic merge patch of a custom resource is 415', async (ctx) => {
      const { path } = await made(ctx);
      refused(await ctx.api.patch(path, strategicPatch, { spec: { colour: 'red' } }), 415, 'UnsupportedMediaType');
    }),
    expectation('a merge patch of a custom resource replaces lists whole', async (ctx) => {
      const { path } = await made(ctx, {
        size: 'small',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      });
      expect(ok(await ctx.api.patch(path, mergePatch, { spec: { ports: [{ name: 'c' }] } })).spec.ports).toEqual([{ name: 'c' }]);
    }),
    expectation('apply of two managers merges a list-map by its keys', async (ctx) => {
      const name = ctx.name('widget');
      const applyAs = (fieldManager: string, spec: Loose): Promise<Answer> =>
        ctx.api.patch(withQuery(widgets(ctx, name), { fieldManager }), applyPatch, widget(name, spec));
      ok(await applyAs('one', { size: 'small', ports: [{ name: 'a', port: 1 }] }), 201);
      ok(await applyAs('two', { ports: [{ name: 'b', port: 2 }] }));
      const merged = ok(await applyAs('one', { size: 'small', ports: [{ name: 'a', port: 3 }] }));
      expect(merged.spec.ports).toEqual([
        { name: 'a', port: 3 },
        { name: 'b', port: 2 },
      ]);
    }),
    expectation('a Table has the printer columns of the definition, Name first', async (ctx) => {
      const { name } = await made(ctx);
      const table = ok(await ctx.api.get(widgets(ctx, name), { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }));
      expect((table.columnDefinitions as { name: string; priority: number }[]).map((column) => [column.name, column.priority])).toEqual([
        ['Name', 0],
        ['Size', 0],
        ['Phase', 1],
        ['Age', 0],
      ]);
      expect((table.rows[0].cells as unknown[]).slice(0, 2)).toEqual([name, 'small']);
      expect(table.rows[0].cells[3]).toMatch(/^\d+s$|^<invalid>$/);
    }),
    expectation('a selectable field can be selected by', async (ctx) => {
      const { name } = await made(ctx, { size: 'small', colour: 'turquoise' });
      expect(names(ok(await ctx.api.get(withQuery(widgets(ctx), { fieldSelector: 'spec.colour=turquoise' }))))).toEqual([name]);
    }),
    expectation('an object that no longer fits a changed schema can still be read and deleted', async (ctx) => {
      const crd = definition('Gizmo', { type: 'object', properties: { a: { type: 'string' } } });
      await install(ctx, crd);
      const path = grouped(ctx, groupVersion, 'gizmos', 'g');
      await create(ctx, grouped(ctx, groupVersion, 'gizmos'), {
        apiVersion: groupVersion,
        kind: 'Gizmo',
        metadata: { name: 'g' },
        spec: { a: 'text' },
      });
      const version = definition('Gizmo', { type: 'object', properties: { a: { type: 'string', enum: ['other'] } } }).spec.versions[0];
      ok(await ctx.api.patch(`${crds}/gizmos.${group}`, mergePatch, { spec: { versions: [version] } }));
      expect((await read(ctx, path)).spec.a).toBe('text');
      ok(await ctx.api.delete(path));
      ok(await ctx.api.delete(`${crds}/gizmos.${group}`));
    }),
    expectation('deleting a definition removes its objects and its path', async (ctx) => {
      const crd = definition('Doodad', { type: 'object', properties: {} });
      await install(ctx, crd);
      const collection = grouped(ctx, groupVersion, 'doodads');
      await create(ctx, collection, {
        apiVersion: groupVersion,
        kind: 'Doodad',
        metadata: { name: 'd', finalizers: ['example.com/hold'] },
      });
      ok(await ctx.api.delete(`${crds}/doodads.${group}`));
      const path = `${collection}/d`;
      await eventually(async () => {
        expect((await read(ctx, path)).metadata.deletionTimestamp).toBeTruthy();
      });
      ok(await release(ctx, path));
      await gone(ctx, `${crds}/doodads.${group}`);
      await gone(ctx, collection);
    }),
    expectation('deleting a definition removes its path for good, however many objects go with it', async (ctx) => {
      await install(ctx, definition('Trinket', { type: 'object', properties: {} }));
      const collection = grouped(ctx, groupVersion, 'trinkets');
      for (const name of ['a', 'b', 'c']) await create(ctx, collection, { apiVersion: groupVersion, kind: 'Trinket', metadata: { name } });
      ok(await ctx.api.delete(`${crds}/trinkets.${group}`));
      await gone(ctx, `${crds}/trinkets.${group}`);
      await gone(ctx, collection);
    }),
    expectation('a definition whose schema leaves a type out is 422', async (ctx) => {
      refused(
        await ctx.api.post(crds, definition('Badtype', { properties: { a: {} } })),
        422,
        'Invalid',
        /Required value: must not be empty for specified object fields/,
      );
    }),
    expectation('a definition whose CEL rule does not compile is 422', async (ctx) => {
      const spec = { type: 'object', properties: { a: { type: 'string' } }, 'x-kubernetes-validations': [{ rule: 'self.a ==' }] };
      refused(await ctx.api.post(crds, definition('Badrule', spec)), 422, 'Invalid', /x-kubernetes-validations\[0\]\.rule: Invalid value/);
    }),
    expectation('a definition must be named <plural>.<group>', async (ctx) => {
      const crd = definition('Misnomer', { type: 'object' });
      refused(
        await ctx.api.post(crds, { ...crd, metadata: { name: `other.${group}` } }),
        422,
        'Invalid',
        /metadata\.name: Invalid value: "other\.conformance\.example\.com": must be spec\.names\.plural\+"\."\+spec\.group/,
      );
    }),
    expectation('a definition in a protected group needs the approval annotation', async (ctx) => {
      const crd = definition('Unapproved', { type: 'object' });
      const guarded = { ...crd, metadata: { name: 'unapproveds.conformance.k8s.io' }, spec: { ...crd.spec, group: 'conformance.k8s.io' } };
      refused(await ctx.api.post(crds, guarded), 422, 'Invalid', /api-approved\.kubernetes\.io/);
    }),
  ],
};
