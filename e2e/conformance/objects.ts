/** Creating, reading, replacing and deleting single objects: codes, reasons, versions, names. */
import { expect } from 'vitest';
import { jsonPatch, withQuery } from './api.ts';
import { type Area, configMap, core, create, expectation, gone, grouped, ok, read, refused, revision } from './expectation.ts';

const unknownField = { ...configMap('placeholder'), nope: 1 };

export const objects: Area = {
  area: 'objects',
  expectations: [
    expectation('create answers 201 with uid, resourceVersion, creationTimestamp and the namespace filled in', async (ctx) => {
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(ctx.name('made')));
      expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: ctx.namespace } });
      expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(made.metadata.resourceVersion).toMatch(/^\d+$/);
    }),
    expectation('get returns what create returned', async (ctx) => {
      const name = ctx.name('same');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
      expect(await read(ctx, core(ctx, 'configmaps', name))).toEqual(made);
    }),
    expectation('get of what is not there is 404 NotFound and names kind and object', async (ctx) => {
      const failure = refused(await ctx.api.get(core(ctx, 'configmaps', 'absent')), 404, 'NotFound', /^configmaps "absent" not found$/);
      expect(failure.details).toMatchObject({ name: 'absent', kind: 'configmaps' });
    }),
    expectation('a second create of one name is 409 AlreadyExists', async (ctx) => {
      const name = ctx.name('twice');
      await create(ctx, core(ctx, 'configmaps'), configMap(name));
      refused(
        await ctx.api.post(core(ctx, 'configmaps'), configMap(name)),
        409,
        'AlreadyExists',
        /^configmaps "twice-\d+" already exists$/,
      );
    }),
    expectation('a replace with an old resourceVersion is 409 Conflict', async (ctx) => {
      const name = ctx.name('stale');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
      ok(await ctx.api.put(core(ctx, 'configmaps', name), { ...made, data: { a: '2' } }));
      refused(
        await ctx.api.put(core(ctx, 'configmaps', name), { ...made, data: { a: '3' } }),
        409,
        'Conflict',
        /the object has been modified; please apply your changes to the latest version and try again/,
      );
      expect((await read(ctx, core(ctx, 'configmaps', name))).data).toEqual({ a: '2' });
    }),
    expectation('a replace without resourceVersion of a built-in kind is unconditional', async (ctx) => {
      const name = ctx.name('blind');
      await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
      expect(ok(await ctx.api.put(core(ctx, 'configmaps', name), configMap(name, { a: '2' }))).data).toEqual({ a: '2' });
    }),
    expectation('a replace that changes nothing keeps the resourceVersion', async (ctx) => {
      const name = ctx.name('noop');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
      expect(revision(ok(await ctx.api.put(core(ctx, 'configmaps', name), made)))).toBe(revision(made));
    }),
    expectation('resourceVersions grow as integers, over kinds as well', async (ctx) => {
      const first = await create(ctx, core(ctx, 'configmaps'), configMap(ctx.name('grow')));
      const second = await create(ctx, core(ctx, 'secrets'), { metadata: { name: ctx.name('grow') } });
      const third = await create(ctx, core(ctx, 'configmaps'), configMap(ctx.name('grow')));
      expect(revision(second)).toBeGreaterThan(revision(first));
      expect(revision(third)).toBeGreaterThan(revision(second));
    }),
    expectation('a create that brings a resourceVersion is refused', async (ctx) => {
      const answer = await ctx.api.post(core(ctx, 'configmaps'), configMap(ctx.name('rv'), {}, { resourceVersion: '7' }));
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.body.message).toMatch(/resourceVersion should not be set on objects to be created/);
    }),
    expectation('a replace with another uid is 409 Conflict', async (ctx) => {
      const name = ctx.name('uid');
      await create(ctx, core(ctx, 'configmaps'), configMap(name));
      refused(
        await ctx.api.put(core(ctx, 'configmaps', name), configMap(name, {}, { uid: 'dddddddd-0000-4000-8000-000000000000' })),
        409,
        'Conflict',
        /Precondition failed: UID in precondition/,
      );
    }),
    expectation('creationTimestamp and uid cannot be changed', async (ctx) => {
      const name = ctx.name('fixed');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name));
      const put = ok(
        await ctx.api.put(core(ctx, 'configmaps', name), configMap(name, { a: '1' }, { creationTimestamp: '2001-01-01T00:00:00Z' })),
      );
      expect(put.metadata).toMatchObject({ uid: made.metadata.uid, creationTimestamp: made.metadata.creationTimestamp });
    }),
    expectation('a replace of what is not there is 404', async (ctx) => {
      refused(await ctx.api.put(core(ctx, 'configmaps', 'nobody'), configMap('nobody', {}, { resourceVersion: '5' })), 404, 'NotFound');
    }),
    expectation('generateName gives the prefix and five more characters', async (ctx) => {
      const made = await create(ctx, core(ctx, 'configmaps'), { metadata: { generateName: 'gen-' } });
      expect(made.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/);
    }),
    expectation('an object without name and generateName is 422 Invalid', async (ctx) => {
      refused(await ctx.api.post(core(ctx, 'configmaps'), { metadata: {} }), 422, 'Invalid', /name or generateName is required/);
    }),
    expectation('a name that is no DNS subdomain is 422 Invalid with the field as cause', async (ctx) => {
      const failure = refused(
        await ctx.api.post(core(ctx, 'configmaps'), configMap('Not_A_Name')),
        422,
        'Invalid',
        /metadata\.name: Invalid value: "Not_A_Name"/,
      );
      expect(failure.details.causes[0]).toMatchObject({ reason: 'FieldValueInvalid', field: 'metadata.name' });
    }),
    expectation('a label value that is not one is 422 Invalid', async (ctx) => {
      refused(
        await ctx.api.post(core(ctx, 'configmaps'), configMap(ctx.name('label'), {}, { labels: { a: 'not a label' } })),
        422,
        'Invalid',
        /metadata\.labels: Invalid value: "not a label"/,
      );
    }),
    expectation('a namespace in the body that differs from the one in the path is 400', async (ctx) => {
      refused(
        await ctx.api.post(core(ctx, 'configmaps'), configMap(ctx.name('ns'), {}, { namespace: 'elsewhere' })),
        400,
        'BadRequest',
        /namespace of the provided object does not match the namespace sent on the request/,
      );
    }),
    expectation('a name in the body that differs from the one in the path is 400', async (ctx) => {
      const name = ctx.name('path');
      await create(ctx, core(ctx, 'configmaps'), configMap(name));
      refused(
        await ctx.api.put(core(ctx, 'configmaps', name), configMap('other')),
        400,
        'BadRequest',
        /name of the object \(other\) does not match the name on the URL/,
      );
    }),
    expectation('a body that is no JSON is 400', async (ctx) => {
      refused(await ctx.api.post(core(ctx, 'configmaps'), '{"metadata": {'), 400, 'BadRequest');
    }),
    expectation('a body of an unknown media type is 415', async (ctx) => {
      refused(await ctx.api.post(core(ctx, 'configmaps'), 'name=x', { contentType: 'text/plain' }), 415, 'UnsupportedMediaType');
    }),
    expectation('a path that leads nowhere is 404', async (ctx) => {
      expect((await ctx.api.get(grouped(ctx, 'no.such.group/v1', 'things'))).status).toBe(404);
    }),
    expectation('PUT on a collection is 405', async (ctx) => {
      expect((await ctx.api.put(core(ctx, 'configmaps'), configMap('x'))).status).toBe(405);
    }),
    expectation('dryRun=All answers as if, and stores nothing', async (ctx) => {
      const name = ctx.name('dry');
      expect(ok(await ctx.api.post(withQuery(core(ctx, 'configmaps'), { dryRun: 'All' }), configMap(name)), 201).metadata.uid).toBeTruthy();
      refused(await ctx.api.get(core(ctx, 'configmaps', name)), 404, 'NotFound');
    }),
    expectation('dryRun=All of a delete deletes nothing', async (ctx) => {
      const name = ctx.name('dry');
      await create(ctx, core(ctx, 'configmaps'), configMap(name));
      ok(await ctx.api.delete(withQuery(core(ctx, 'configmaps', name), { dryRun: 'All' })));
      await read(ctx, core(ctx, 'configmaps', name));
    }),
    expectation('fieldValidation=Strict refuses an unknown field with 400 and names it', async (ctx) => {
      const object = { ...unknownField, metadata: { name: ctx.name('strict') } };
      refused(
        await ctx.api.post(withQuery(core(ctx, 'configmaps'), { fieldValidation: 'Strict' }), object),
        400,
        'BadRequest',
        /strict decoding error: unknown field "nope"/,
      );
    }),
    expectation('fieldValidation=Warn accepts it, drops it and sends a Warning header', async (ctx) => {
      const object = { ...unknownField, metadata: { name: ctx.name('warn') } };
      const answer = await ctx.api.post(withQuery(core(ctx, 'configmaps'), { fieldValidation: 'Warn' }), object);
      expect(ok(answer, 201).nope).toBeUndefined();
      expect(String(answer.headers.warning)).toMatch(/^299 - .*unknown field/);
    }),
    expectation('fieldValidation=Strict refuses a field that is there twice', async (ctx) => {
      const body = `{"metadata":{"name":"${ctx.name('double')}"},"data":{"a":"1"},"data":{"a":"2"}}`;
      refused(
        await ctx.api.post(withQuery(core(ctx, 'configmaps'), { fieldValidation: 'Strict' }), body),
        400,
        'BadRequest',
        /duplicate field "data"/,
      );
    }),
    expectation('a write remembers its field manager', async (ctx) => {
      const made = ok(
        await ctx.api.post(withQuery(core(ctx, 'configmaps'), { fieldManager: 'list' }), configMap(ctx.name('manager'), { a: '1' })),
        201,
      );
      expect(made.metadata.managedFields).toMatchObject([
        { manager: 'list', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {} } } },
      ]);
    }),
    expectation('delete answers 200 with Status Success and the object is gone', async (ctx) => {
      const name = ctx.name('delete');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name));
      expect(ok(await ctx.api.delete(core(ctx, 'configmaps', name)))).toMatchObject({
        kind: 'Status',
        status: 'Success',
        details: { name, uid: made.metadata.uid },
      });
      refused(await ctx.api.get(core(ctx, 'configmaps', name)), 404, 'NotFound');
    }),
    expectation('a delete with another uid as precondition is 409 Conflict and deletes nothing', async (ctx) => {
      const name = ctx.name('precondition');
      await create(ctx, core(ctx, 'configmaps'), configMap(name));
      const options = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'dddddddd-0000-4000-8000-000000000000' } };
      refused(
        await ctx.api.delete(core(ctx, 'configmaps', name), options),
        409,
        'Conflict',
        /the UID in the precondition \(d.*\) does not match the UID in record \(.*\)\. The object might have been deleted and then recreated$/,
      );
      await read(ctx, core(ctx, 'configmaps', name));
    }),
    expectation('a delete with an old resourceVersion as precondition is 409 Conflict', async (ctx) => {
      const name = ctx.name('precondition');
      const made = await create(ctx, core(ctx, 'configmaps'), configMap(name));
      ok(await ctx.api.put(core(ctx, 'configmaps', name), configMap(name, { a: '1' })));
      refused(
        await ctx.api.delete(core(ctx, 'configmaps', name), { preconditions: { resourceVersion: made.metadata.resourceVersion } }),
        409,
        'Conflict',
        /on ConfigMap ".*": the ResourceVersion in the precondition \(\d+\) does not match the ResourceVersion in record \(\d+\)\. The object might have been modified$/,
      );
    }),
    expectation('an object with a finalizer stays, marked for deletion, until the last finalizer goes', async (ctx) => {
      const path = core(ctx, 'configmaps', ctx.name('final'));
      const name = path.split('/').at(-1)!;
      await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { finalizers: ['example.com/hold'] }));
      const held = ok(await ctx.api.delete(path));
      expect(held).toMatchObject({ kind: 'ConfigMap', metadata: { name, finalizers: ['example.com/hold'] } });
      expect(held.metadata.deletionTimestamp).toBeTruthy();
      expect((await read(ctx, path)).metadata.deletionTimestamp).toBe(held.metadata.deletionTimestamp);
      ok(await ctx.api.patch(path, jsonPatch, [{ op: 'remove', path: '/metadata/finalizers' }]));
      await gone(ctx, path);
    }),
    expectation('no finalizer can be added to an object that is being deleted', async (ctx) => {
      const name = ctx.name('final');
      const path = core(ctx, 'configmaps', name);
      await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { finalizers: ['example.com/hold'] }));
      ok(await ctx.api.delete(path));
      const added = await ctx.api.patch(path, jsonPatch, [{ op: 'add', path: '/metadata/finalizers/-', value: 'example.com/more' }]);
      refused(added, 422, 'Invalid', /no new finalizers can be added if the object is being deleted/);
      ok(await ctx.api.patch(path, jsonPatch, [{ op: 'remove', path: '/metadata/finalizers' }]));
    }),
    expectation('an object that is being deleted cannot be made again', async (ctx) => {
      const name = ctx.name('final');
      const path = core(ctx, 'configmaps', name);
      await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { finalizers: ['example.com/hold'] }));
      ok(await ctx.api.delete(path));
      refused(await ctx.api.post(core(ctx, 'configmaps'), configMap(name)), 409, 'AlreadyExists');
      ok(await ctx.api.patch(path, jsonPatch, [{ op: 'remove', path: '/metadata/finalizers' }]));
    }),
    expectation('deleting a collection takes what the selector names and nothing else', async (ctx) => {
      const label = ctx.name('bulk');
      const [doomed, spared] = [ctx.name('doomed'), ctx.name('spared')];
      await create(ctx, core(ctx, 'configmaps'), configMap(doomed, {}, { labels: { bulk: label } }));
      await create(ctx, core(ctx, 'configmaps'), configMap(spared, {}, { labels: { bulk: `${label}-not` } }));
      ok(await ctx.api.delete(withQuery(core(ctx, 'configmaps'), { labelSelector: `bulk=${label}` })));
      await gone(ctx, core(ctx, 'configmaps', doomed));
      await read(ctx, core(ctx, 'configmaps', spared));
    }),
  ],
};
