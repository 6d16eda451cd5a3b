/** What a request may say beside its object, what metadata may hold, and who owns which field: rules that hold for every kind. */
import { expect } from 'vitest';
import { type Answer, applyPatch, jsonPatch, type Loose, mergePatch, strategicPatch, withQuery } from './api.ts';
import {
  type Area,
  type Context,
  configMap,
  core,
  create,
  type Expectation,
  expectation,
  grouped,
  ok,
  read,
  refused,
} from './expectation.ts';

type Refusal = readonly [says: string, code: number, reason: string, message: RegExp, ask: (ctx: Context, path: string) => Promise<Answer>];

/** Each is asked of a ConfigMap of its own. */
const refusal = ([says, code, reason, message, ask]: Refusal): Expectation =>
  expectation(says, async (ctx) => {
    const name = ctx.name('rule');
    await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
    refused(await ask(ctx, core(ctx, 'configmaps', name)), code, reason, message);
  });

const nameOf = (path: string): string => path.split('/').at(-1) ?? '';
const post = (ctx: Context, metadata: Loose, rest: Loose = {}): Promise<Answer> =>
  ctx.api.post(core(ctx, 'configmaps'), { metadata: { name: ctx.name('bad'), ...metadata }, ...rest });
const del = (ctx: Context, path: string, options: Loose): Promise<Answer> => ctx.api.delete(path, options);
const list = (ctx: Context, query: Record<string, string | number>): Promise<Answer> =>
  ctx.api.get(withQuery(core(ctx, 'configmaps'), query));
const apply = (
  ctx: Context,
  path: string,
  object: Loose,
  query: Record<string, string | boolean> = { fieldManager: 'one' },
): Promise<Answer> => ctx.api.patch(withQuery(path, query), applyPatch, { apiVersion: 'v1', kind: 'ConfigMap', ...object });

const ofOptions: readonly Refusal[] = [
  [
    'dryRun knows only All, on create',
    422,
    'Invalid',
    /^CreateOptions\.meta\.k8s\.io "" is invalid: dryRun: Unsupported value: \["Some"\]/,
    (ctx) => ctx.api.post(`${core(ctx, 'configmaps')}?dryRun=Some`, configMap(ctx.name('x'))),
  ],
  [
    'dryRun knows only All, on replace',
    422,
    'Invalid',
    /^UpdateOptions\..*dryRun: Unsupported value/,
    (ctx, path) => ctx.api.put(`${path}?dryRun=Some`, configMap(nameOf(path))),
  ],
  [
    'dryRun knows only All, on patch',
    422,
    'Invalid',
    /^PatchOptions\..*dryRun: Unsupported value/,
    (ctx, path) => ctx.api.patch(`${path}?dryRun=Some`, mergePatch, {}),
  ],
  [
    'dryRun knows only All, on delete',
    422,
    'Invalid',
    /^DeleteOptions\..*dryRun: Unsupported value/,
    (ctx, path) => del(ctx, path, { dryRun: ['Some'] }),
  ],
  [
    'fieldValidation knows Ignore, Warn and Strict',
    422,
    'Invalid',
    /fieldValidation: Unsupported value: "Odd": supported values: "", "Ignore", "Strict", "Warn"/,
    (ctx) => ctx.api.post(`${core(ctx, 'configmaps')}?fieldValidation=Odd`, configMap(ctx.name('x'))),
  ],
  [
    'force is for apply only',
    422,
    'Invalid',
    /force: Forbidden: may not be specified for non-apply patch/,
    (ctx, path) => ctx.api.patch(`${path}?force=true`, mergePatch, {}),
  ],
  [
    'a field manager has at most 128 bytes',
    422,
    'Invalid',
    /fieldManager: Too long: may not be more than 128 bytes/,
    (ctx, path) => ctx.api.patch(`${path}?fieldManager=${'x'.repeat(129)}`, mergePatch, {}),
  ],
  [
    'an unknown propagation policy is refused',
    422,
    'Invalid',
    /propagationPolicy: Unsupported value: "Odd": supported values: "Foreground", "Background", "Orphan", "nil"/,
    (ctx, path) => del(ctx, path, { propagationPolicy: 'Odd' }),
  ],
  [
    'propagationPolicy and orphanDependents exclude each other',
    422,
    'Invalid',
    /orphanDependents and deletionPropagation cannot be both set/,
    (ctx, path) => del(ctx, path, { propagationPolicy: 'Orphan', orphanDependents: true }),
  ],
  [
    'a replace whose body names nothing is 400',
    400,
    'BadRequest',
    /was undeterminable: name must be provided/,
    (ctx, path) => ctx.api.put(path, { data: {} }),
  ],
  [
    'a strict patch with an unknown field is 422 and blames the patch',
    422,
    'Invalid',
    /patch: Invalid value: .*: strict decoding error: unknown field "odd"/,
    (ctx, path) => ctx.api.patch(`${path}?fieldValidation=Strict`, mergePatch, { odd: 1 }),
  ],
  ['a merge patch that is a list is 400', 400, 'BadRequest', /^error decoding patch/, (ctx, path) => ctx.api.patch(path, mergePatch, [])],
  [
    'a json patch of an unknown operation is 422',
    422,
    'Invalid',
    /^the server rejected our request due to an error in our request$/,
    (ctx, path) => ctx.api.patch(path, jsonPatch, [{ op: 'odd', path: '/data', value: 1 }]),
  ],
  [
    'an answer in a form that the server cannot write is 406',
    406,
    'NotAcceptable',
    /^406: Not Acceptable/,
    (ctx, path) => ctx.api.get(path, { accept: 'text/plain' }),
  ],
];

const ofLists: readonly Refusal[] = [
  [
    'a limit that is no number is 400',
    400,
    'BadRequest',
    /strconv\.ParseInt: parsing "abc": invalid syntax/,
    (ctx) => list(ctx, { limit: 'abc' }),
  ],
  [
    'a resourceVersion that is no number is 400',
    400,
    'BadRequest',
    /^invalid resource version: resourceVersion: Invalid value: "abc"/,
    (ctx) => list(ctx, { resourceVersion: 'abc' }),
  ],
  [
    'an unknown resourceVersionMatch is 422',
    422,
    'Invalid',
    /resourceVersionMatch: Unsupported value: "Odd"/,
    (ctx) => list(ctx, { resourceVersion: 1, resourceVersionMatch: 'Odd' }),
  ],
  [
    'resourceVersionMatch=Exact and resourceVersion=0 exclude each other',
    422,
    'Invalid',
    /"exact" is forbidden for resourceVersion "0"/,
    (ctx) => list(ctx, { resourceVersion: 0, resourceVersionMatch: 'Exact' }),
  ],
  [
    'sendInitialEvents is not for lists',
    422,
    'Invalid',
    /sendInitialEvents is forbidden for list/,
    (ctx) => list(ctx, { sendInitialEvents: 'true' }),
  ],
  [
    'a watch with resourceVersionMatch needs sendInitialEvents',
    422,
    'Invalid',
    /resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided/,
    (ctx) => list(ctx, { watch: 'true', resourceVersion: 1, resourceVersionMatch: 'NotOlderThan' }),
  ],
  [
    'a label value in a selector must be one',
    400,
    'BadRequest',
    /values\[0\]\[a\]: Invalid value: "-b": a valid label must be an empty string or consist of/,
    (ctx) => list(ctx, { labelSelector: 'a=-b' }),
  ],
  [
    'a comparison in a label selector needs an integer',
    400,
    'BadRequest',
    /for 'Gt', 'Lt' operators, the value must be an integer/,
    (ctx) => list(ctx, { labelSelector: 'a>b' }),
  ],
];

const owner = (name: string): Loose => ({ apiVersion: 'v1', kind: 'Pod', name, uid: name, controller: true });
const ofMetadata: readonly Refusal[] = [
  [
    'a label value has at most 63 bytes',
    422,
    'Invalid',
    /metadata\.labels: Invalid value: ".*": must be no more than 63 bytes/,
    (ctx) => post(ctx, { labels: { a: 'x'.repeat(64) } }),
  ],
  [
    'the prefix of a label key must not be empty',
    422,
    'Invalid',
    /prefix part must be non-empty/,
    (ctx) => post(ctx, { labels: { '/x': 'y' } }),
  ],
  [
    'a label value that is a number is 400',
    400,
    'BadRequest',
    /cannot unmarshal number into Go struct field ObjectMeta\.metadata\.labels of type string/,
    (ctx) => post(ctx, { labels: { a: 1 } }),
  ],
  [
    'annotations have at most 256 KiB together',
    422,
    'Invalid',
    /metadata\.annotations: Too long: may not be more than 262144 bytes/,
    (ctx) => post(ctx, { annotations: { a: 'x'.repeat(262_144) } }),
  ],
  [
    'a name has at most 253 characters',
    422,
    'Invalid',
    /must be no more than 253 characters/,
    (ctx) => post(ctx, { name: 'x'.repeat(254) }),
  ],
  [
    'generateName must be able to begin a name',
    422,
    'Invalid',
    /metadata\.generateName: Invalid value: "X": a lowercase RFC 1123 subdomain/,
    (ctx) => post(ctx, { name: undefined, generateName: 'X' }),
  ],
  [
    'a finalizer of a built-in kind is qualified',
    422,
    'Invalid',
    /metadata\.finalizers\[0\]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified/,
    (ctx) => post(ctx, { finalizers: ['x'] }),
  ],
  [
    'an owner reference is complete',
    422,
    'Invalid',
    /metadata\.ownerReferences\.apiVersion: Invalid value: "": version must not be empty, metadata\.ownerReferences\.name/,
    (ctx) => post(ctx, { ownerReferences: [{ kind: 'Pod' }] }),
  ],
  [
    'an Event owns nothing',
    422,
    'Invalid',
    /\/v1, Kind=Event is disallowed from being an owner/,
    (ctx) => post(ctx, { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'x', uid: 'y' }] }),
  ],
  [
    'two controllers are named',
    422,
    'Invalid',
    /Found "true" in references for Pod\/a and Pod\/b/,
    (ctx) => post(ctx, { ownerReferences: [owner('a'), owner('b')] }),
  ],
  [
    'a key of a ConfigMap is a file name',
    422,
    'Invalid',
    /data\[a b\]: Invalid value: "a b": a valid config key must consist of/,
    (ctx) => post(ctx, {}, { data: { 'a b': 'x' } }),
  ],
  [
    'a key of a ConfigMap is not ..',
    422,
    'Invalid',
    /data\[\.\.\]: Invalid value: "\.\.": must not be '\.\.'/,
    (ctx) => post(ctx, {}, { data: { '..': 'x' } }),
  ],
  [
    'data and binaryData have no key in common',
    422,
    'Invalid',
    /data\[a\]: Invalid value: "a": duplicate of key present in binaryData/,
    (ctx) => post(ctx, {}, { data: { a: 'x' }, binaryData: { a: 'eA==' } }),
  ],
  [
    'a ConfigMap holds at most 1 MiB',
    422,
    'Invalid',
    /Too long: may not be more than 1048576 bytes/,
    (ctx) => post(ctx, {}, { data: { a: 'x'.repeat(1_048_577) } }),
  ],
  [
    'a value of a ConfigMap that is a number is 400',
    400,
    'BadRequest',
    /cannot unmarshal number into Go struct field ConfigMap\.data of type string/,
    (ctx) => post(ctx, {}, { data: { a: 1 } }),
  ],
  [
    'a Secret holds at most 1 MiB',
    422,
    'Invalid',
    /data: Too long: may not be more than 1048576 bytes/,
    (ctx) => ctx.api.post(core(ctx, 'secrets'), { metadata: { name: ctx.name('big') }, stringData: { a: 'x'.repeat(1_048_577) } }),
  ],
  [
    'a time of a Lease has microseconds',
    400,
    'BadRequest',
    /cannot be handled as a Lease: parsing time "2026-01-01T00:00:00Z"/,
    (ctx) =>
      ctx.api.post(grouped(ctx, 'coordination.k8s.io/v1', 'leases'), {
        metadata: { name: ctx.name('l') },
        spec: { renewTime: '2026-01-01T00:00:00Z' },
      }),
  ],
];

const managers = (object: Loose): string[] => {
  const entries = (object.metadata.managedFields ?? []) as { manager: string; operation: string }[];
  return entries.map(({ manager, operation }) => `${manager} ${operation}`);
};

const ofApply: readonly Refusal[] = [
  [
    'an applied configuration says its apiVersion and kind',
    400,
    'BadRequest',
    /^invalid object type: \/, Kind=ConfigMap$/,
    (ctx, path) => apply(ctx, path, { apiVersion: undefined, metadata: { name: nameOf(path) } }),
  ],
  [
    'an applied configuration of another kind is 400',
    400,
    'BadRequest',
    /^invalid object type: \/v1, Kind=Secret$/,
    (ctx, path) => apply(ctx, path, { kind: 'Secret', metadata: { name: nameOf(path) } }),
  ],
  [
    'an applied configuration carries no managedFields',
    400,
    'BadRequest',
    /metadata\.managedFields must be nil/,
    (ctx, path) => apply(ctx, path, { metadata: { name: nameOf(path), managedFields: [{ manager: 'x' }] } }),
  ],
  [
    'apply with an old resourceVersion is 409',
    409,
    'Conflict',
    /the object has been modified/,
    (ctx, path) => apply(ctx, path, { metadata: { name: nameOf(path), resourceVersion: '1' } }),
  ],
  [
    'apply with a uid creates nothing',
    409,
    'Conflict',
    /uid mismatch: the provided object specified uid x, and no existing object was found/,
    (ctx) => {
      const name = ctx.name('new');
      return apply(ctx, core(ctx, 'configmaps', name), { metadata: { name, uid: 'x' } });
    },
  ],
];

const ownership: readonly Expectation[] = [
  expectation('several conflicts are listed by path, one cause each', async (ctx) => {
    const name = ctx.name('owned');
    const path = core(ctx, 'configmaps', name);
    ok(await apply(ctx, path, { metadata: { name, labels: { l: '1' } }, data: { a: '1', b: '1' } }), 201);
    const change = { metadata: { name, labels: { l: '2' } }, data: { a: '2', b: '2' } };
    const failure = refused(await apply(ctx, path, change, { fieldManager: 'two' }), 409, 'Conflict');
    expect(failure.message).toBe('Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\n- .data.b\n- .metadata.labels.l');
    expect(failure.details.causes).toEqual(
      ['.data.a', '.data.b', '.metadata.labels.l'].map((field) => ({
        reason: 'FieldManagerConflict',
        message: 'conflict with "one"',
        field,
      })),
    );
  }),
  expectation('managedFields list appliers before updaters', async (ctx) => {
    const name = ctx.name('owned');
    const path = core(ctx, 'configmaps', name);
    await create(ctx, withQuery(core(ctx, 'configmaps'), { fieldManager: 'maker' }), configMap(name, { a: '1' }));
    expect(managers(ok(await apply(ctx, path, { metadata: { name }, data: { b: '1' } }, { fieldManager: 'zed' })))).toEqual([
      'zed Apply',
      'maker Update',
    ]);
  }),
  expectation('an owner reference is owned whole', async (ctx) => {
    const name = ctx.name('owned');
    const reference = { apiVersion: 'v1', kind: 'Namespace', name: 'x', uid: 'u1' };
    const made = ok(
      await apply(ctx, withQuery(core(ctx, 'configmaps', name), {}), { metadata: { name, ownerReferences: [reference] } }),
      201,
    );
    expect(made.metadata.managedFields[0].fieldsV1['f:metadata']['f:ownerReferences']).toEqual({ 'k:{"uid":"u1"}': {} });
  }),
  expectation('one empty entry in managedFields forgets all owners, and plain writes bring none back', async (ctx) => {
    const name = ctx.name('owned');
    const path = core(ctx, 'configmaps', name);
    await create(ctx, core(ctx, 'configmaps'), configMap(name, { a: '1' }));
    ok(await ctx.api.patch(path, mergePatch, { metadata: { managedFields: [{}] } }));
    expect((await read(ctx, path)).metadata.managedFields).toBeUndefined();
    ok(await ctx.api.patch(path, mergePatch, { data: { b: '1' } }));
    expect((await read(ctx, path)).metadata.managedFields).toBeUndefined();
  }),
  expectation('empty labels and finalizers are not kept', async (ctx) => {
    const made = await create(
      ctx,
      core(ctx, 'configmaps'),
      configMap(ctx.name('empty'), {}, { labels: {}, annotations: {}, finalizers: [] }),
    );
    expect(Object.keys(made.metadata)).not.toEqual(expect.arrayContaining(['labels']));
    expect([made.metadata.annotations, made.metadata.finalizers]).toEqual([undefined, undefined]);
  }),
  expectation('a strategic merge patch puts its finalizers first', async (ctx) => {
    const name = ctx.name('order');
    const path = core(ctx, 'configmaps', name);
    await create(ctx, core(ctx, 'configmaps'), configMap(name, {}, { finalizers: ['a.io/a'] }));
    const merged = ok(await ctx.api.patch(path, strategicPatch, { metadata: { finalizers: ['c.io/c'] } }));
    expect(merged.metadata.finalizers).toEqual(['c.io/c', 'a.io/a']);
    ok(await ctx.api.patch(path, mergePatch, { metadata: { finalizers: null } }));
  }),
  expectation('deletion of a collection goes page by page', async (ctx) => {
    const label = ctx.name('paged');
    for (const name of ['a', 'b']) await create(ctx, core(ctx, 'configmaps'), configMap(ctx.name(name), {}, { labels: { paged: label } }));
    const query = { labelSelector: `paged=${label}` };
    const first = ok(await ctx.api.delete(withQuery(core(ctx, 'configmaps'), { ...query, limit: 1 })));
    expect(first.items).toHaveLength(1);
    expect(first.metadata.continue).toBeTruthy();
    expect(ok(await list(ctx, query)).items).toHaveLength(1);
  }),
  expectation('a path outside the API is 404 in plain words', async (ctx) => {
    const answer = await ctx.api.get('/nowhere');
    expect([answer.status, answer.text.trim()]).toEqual([404, '404 page not found']);
  }),
];

export const rules: readonly Area[] = [
  { area: 'options of requests', expectations: [...ofOptions, ...ofLists].map(refusal) },
  { area: 'metadata and data', expectations: ofMetadata.map(refusal) },
  { area: 'ownership of fields', expectations: [...ofApply.map(refusal), ...ownership] },
];
