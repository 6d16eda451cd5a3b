/** Leases, Events, Secrets, access, discovery and the server itself. */
import { expect } from 'vitest';
import { type Answer, type Loose, withQuery } from './api.ts';
import { type Area, type Context, core, create, expectation, grouped, names, ok, read, refused } from './expectation.ts';

const lease = (name: string, holderIdentity: string): Loose => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name },
  spec: {
    holderIdentity,
    leaseDurationSeconds: 15,
    acquireTime: '2026-01-01T00:00:00.123456Z',
    renewTime: '2026-01-01T00:00:00.123456Z',
    leaseTransitions: 0,
  },
});

const event = (ctx: Context, name: string): Loose => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name },
  eventTime: '2026-01-01T00:00:00.123456Z',
  reportingController: 'conformance',
  reportingInstance: 'conformance-1',
  action: 'Looking',
  reason: 'Looked',
  type: 'Normal',
  note: 'looked at it',
  regarding: { apiVersion: 'v1', kind: 'ConfigMap', name, namespace: ctx.namespace },
});

export const others: Area = {
  area: 'leases, events, secrets',
  expectations: [
    expectation('of two holders who take a Lease from the same revision one gets 409', async (ctx) => {
      const name = ctx.name('lease');
      const path = grouped(ctx, 'coordination.k8s.io/v1', 'leases', name);
      const stored = await create(ctx, grouped(ctx, 'coordination.k8s.io/v1', 'leases'), lease(name, 'nobody'));
      const take = (holderIdentity: string): Loose => ({ ...stored, spec: { ...stored.spec, holderIdentity } });
      const answers = await Promise.all([ctx.api.put(path, take('one')), ctx.api.put(path, take('two'))]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    }),
    expectation('a Lease keeps the microseconds of its times', async (ctx) => {
      const stored = await create(ctx, grouped(ctx, 'coordination.k8s.io/v1', 'leases'), lease(ctx.name('lease'), 'me'));
      expect(stored.spec.renewTime).toBe('2026-01-01T00:00:00.123456Z');
    }),
    expectation('a Lease with a duration of 0 is 422', async (ctx) => {
      const object = lease(ctx.name('lease'), 'me');
      refused(
        await ctx.api.post(grouped(ctx, 'coordination.k8s.io/v1', 'leases'), {
          ...object,
          spec: { ...object.spec, leaseDurationSeconds: 0 },
        }),
        422,
        'Invalid',
        /spec\.leaseDurationSeconds: Invalid value: 0/,
      );
    }),
    expectation('an Event written to events.k8s.io is read from the core group in its form', async (ctx) => {
      const name = ctx.name('event');
      await create(ctx, grouped(ctx, 'events.k8s.io/v1', 'events'), event(ctx, name));
      expect(await read(ctx, core(ctx, 'events', name))).toMatchObject({
        apiVersion: 'v1',
        involvedObject: { kind: 'ConfigMap', name },
        message: 'looked at it',
        reason: 'Looked',
        reportingComponent: 'conformance',
        reportingInstance: 'conformance-1',
      });
    }),
    expectation('an Event written to the core group is read from events.k8s.io in its form', async (ctx) => {
      const name = ctx.name('event');
      const involvedObject = { kind: 'ConfigMap', name, namespace: ctx.namespace };
      await create(ctx, core(ctx, 'events'), {
        metadata: { name },
        involvedObject,
        reason: 'Seen',
        message: 'seen',
        type: 'Normal',
        count: 2,
        source: { component: 'conformance' },
      });
      expect(await read(ctx, grouped(ctx, 'events.k8s.io/v1', 'events', name))).toMatchObject({
        regarding: { name },
        note: 'seen',
        reason: 'Seen',
        deprecatedCount: 2,
        deprecatedSource: { component: 'conformance' },
      });
    }),
    expectation('Events are found by the object they are about, in both groups', async (ctx) => {
      const name = ctx.name('event');
      await create(ctx, grouped(ctx, 'events.k8s.io/v1', 'events'), event(ctx, name));
      expect(names(ok(await ctx.api.get(withQuery(core(ctx, 'events'), { fieldSelector: `involvedObject.name=${name}` }))))).toEqual([
        name,
      ]);
      expect(
        names(
          ok(
            await ctx.api.get(
              withQuery(grouped(ctx, 'events.k8s.io/v1', 'events'), { fieldSelector: `regarding.name=${name},reason=Looked` }),
            ),
          ),
        ),
      ).toEqual([name]);
    }),
    expectation('an Event in events.k8s.io without reportingController is 422', async (ctx) => {
      refused(
        await ctx.api.post(grouped(ctx, 'events.k8s.io/v1', 'events'), { ...event(ctx, ctx.name('event')), reportingController: '' }),
        422,
        'Invalid',
        /reportingController: Required value/,
      );
    }),
    expectation(
      'an Event of the core group about an object of another namespace is 422; of events.k8s.io only one about none is',
      async (ctx) => {
        const about = (namespace?: string): object => ({ kind: 'ConfigMap', name: 'x', ...(namespace === undefined ? {} : { namespace }) });
        const path = grouped(ctx, 'events.k8s.io/v1', 'events');
        const post = (regarding: object): Promise<Answer> => ctx.api.post(path, { ...event(ctx, ctx.name('event')), regarding });
        ok(await post(about('elsewhere')), 201);
        refused(await post(about()), 422, 'Invalid', /involvedObject\.namespace: Invalid value: "": does not match event\.namespace/);
        for (const involvedObject of [about('elsewhere'), about()]) {
          const old = { metadata: { name: ctx.name('event') }, involvedObject, reason: 'Seen', type: 'Normal' };
          refused(await ctx.api.post(core(ctx, 'events'), old), 422, 'Invalid', /does not match event\.namespace/);
        }
      },
    ),
    expectation('an Event in events.k8s.io of an unknown type, or with a note of more than 1 KiB, is 422', async (ctx) => {
      const path = grouped(ctx, 'events.k8s.io/v1', 'events');
      const post = (change: object): Promise<Answer> => ctx.api.post(path, { ...event(ctx, ctx.name('event')), ...change });
      refused(await post({ type: 'Odd' }), 422, 'Invalid', /type: Invalid value: "": has invalid value: Odd/);
      refused(await post({ note: 'x'.repeat(1025) }), 422, 'Invalid', /message: Invalid value: "": can have at most 1024 characters/);
      refused(await post({ deprecatedCount: 2 }), 422, 'Invalid', /count: Invalid value: "": needs to be unset/);
      refused(
        await post({ reportingController: 'a b' }),
        422,
        'Invalid',
        /reportingController: Invalid value: "a b": name part must consist of/,
      );
    }),
    expectation('stringData of a Secret is stored as base64 in data and never returned', async (ctx) => {
      const made = await create(ctx, core(ctx, 'secrets'), { metadata: { name: ctx.name('secret') }, stringData: { key: 'hush' } });
      expect(made).toMatchObject({ type: 'Opaque', data: { key: Buffer.from('hush').toString('base64') } });
      expect(made.stringData).toBeUndefined();
    }),
    expectation('a Secret whose data is no base64 is 400', async (ctx) => {
      refused(
        await ctx.api.post(core(ctx, 'secrets'), { metadata: { name: ctx.name('secret') }, data: { key: '%%%' } }),
        400,
        'BadRequest',
        /illegal base64 data/,
      );
    }),
    expectation('an immutable ConfigMap cannot be changed', async (ctx) => {
      const name = ctx.name('fixed');
      const made = await create(ctx, core(ctx, 'configmaps'), { metadata: { name }, immutable: true, data: { a: '1' } });
      refused(
        await ctx.api.put(core(ctx, 'configmaps', name), { ...made, data: { a: '2' } }),
        422,
        'Invalid',
        /field is immutable when `immutable` is set/,
      );
    }),
  ],
};

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export const server: Area = {
  area: 'access, discovery, the server',
  expectations: [
    expectation('a token that nobody issued is 401 Unauthorized', async (ctx) => {
      refused(await ctx.api.get(core(ctx, 'configmaps'), { token: 'nobody-issued-this' }), 401, 'Unauthorized');
    }),
    expectation('a SelfSubjectAccessReview answers whether I may', async (ctx) => {
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'create', resource: 'pods', namespace: ctx.namespace } },
      };
      expect(ok(await ctx.api.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review), 201)).toMatchObject({
        kind: 'SelfSubjectAccessReview',
        status: { allowed: true },
      });
    }),
    expectation('a Status answer has kind, apiVersion, metadata, status, message, reason and code', async (ctx) => {
      const { body, headers } = await ctx.api.get(core(ctx, 'configmaps', 'absent'));
      expect(Object.keys(body as object).sort()).toEqual([
        'apiVersion',
        'code',
        'details',
        'kind',
        'message',
        'metadata',
        'reason',
        'status',
      ]);
      expect(body).toMatchObject({ apiVersion: 'v1', metadata: {} });
      expect(headers['content-type']).toMatch(/^application\/json/);
    }),
    expectation('/version tells a version', async (ctx) => {
      expect(await read(ctx, '/version')).toMatchObject({ major: '1', gitVersion: expect.stringMatching(/^v1\.\d+\./) });
    }),
    expectation('/livez, /readyz and /healthz say ok', async (ctx) => {
      for (const path of ['/livez', '/readyz', '/healthz']) {
        const answer = await ctx.api.get(path);
        expect([answer.status, answer.text], path).toEqual([200, 'ok']);
      }
    }),
    expectation('/api names v1, and /apis every group with a preferred version', async (ctx) => {
      expect(await read(ctx, '/api')).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
      const groups = (await read(ctx, '/apis')).groups as { name: string }[];
      expect(groups.find(({ name }) => name === 'coordination.k8s.io')).toMatchObject({
        preferredVersion: { groupVersion: 'coordination.k8s.io/v1', version: 'v1' },
      });
      expect(groups.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['apiextensions.k8s.io', 'events.k8s.io', 'rbac.authorization.k8s.io', 'authorization.k8s.io']),
      );
    }),
    expectation('/api/v1 lists resources with verbs, short names and subresources', async (ctx) => {
      const list = await read(ctx, '/api/v1');
      expect(list).toMatchObject({ kind: 'APIResourceList', groupVersion: 'v1' });
      const resources = list.resources as { name: string; verbs: string[] }[];
      const pods = resources.find(({ name }) => name === 'pods');
      expect(pods).toMatchObject({ kind: 'Pod', namespaced: true, singularName: 'pod', shortNames: ['po'], categories: ['all'] });
      expect(pods?.verbs).toEqual(
        expect.arrayContaining(['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']),
      );
      expect(resources.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['pods/log', 'pods/status', 'pods/eviction', 'namespaces', 'events', 'serviceaccounts']),
      );
    }),
    expectation('discovery comes aggregated when asked for', async (ctx) => {
      for (const path of ['/api', '/apis']) {
        const { body, headers } = await ctx.api.get(path, { accept: `${aggregated},application/json` });
        expect(body, path).toMatchObject({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
        expect(headers['content-type']).toContain('as=APIGroupDiscoveryList');
        expect(body.items[0].versions[0]).toMatchObject({ version: expect.stringMatching(/^v\d/), resources: expect.any(Array) });
      }
    }),
    expectation('OpenAPI v3 has an index with one document per group version', async (ctx) => {
      const index = await read(ctx, '/openapi/v3');
      expect(Object.keys(index.paths as object)).toEqual(
        expect.arrayContaining(['api/v1', 'apis/apiextensions.k8s.io/v1', 'apis/prow.k8s.io/v1']),
      );
      const document = await read(ctx, index.paths['apis/prow.k8s.io/v1'].serverRelativeURL as string);
      expect(Object.keys(document.components.schemas as object).some((name) => name.endsWith('ProwJob'))).toBe(true);
    }),
    expectation(
      'a node is there, Ready',
      async (ctx) => {
        const nodes = (await read(ctx, '/api/v1/nodes')).items as { status: { conditions: { type: string; status: string }[] } }[];
        expect(nodes.some(({ status }) => status.conditions.some((each) => each.type === 'Ready' && each.status === 'True'))).toBe(true);
      },
      'kubelet',
    ),
    expectation('an object above 3 MiB is refused', async (ctx) => {
      const { status } = await ctx.api.post(core(ctx, 'configmaps'), {
        metadata: { name: ctx.name('big') },
        data: { a: 'x'.repeat(4 << 20) },
      });
      expect([413, 422]).toContain(status);
    }),
  ],
};
