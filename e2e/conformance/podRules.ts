/** What happens to a pod in the API alone: admission, defaults, refusals, and the deletion that waits. Nothing here needs a kubelet. */
import { expect } from 'vitest';
import { type Answer, type Loose, mergePatch, strategicPatch } from './api.ts';
import { type Area, type Context, core, create, type Expectation, expectation, ok, read, refused } from './expectation.ts';

/** On a node that is not there, so that nobody runs it; it is gone as soon as it is deleted, unless its spec says otherwise. */
const pod = (ctx: Context, spec: Loose = {}, container: Loose = {}): Loose => ({
  metadata: { name: ctx.name('pod') },
  spec: { nodeName: 'nowhere', terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'x', ...container }], ...spec },
});
const make = (ctx: Context, spec?: Loose, container?: Loose): Promise<Loose> => create(ctx, core(ctx, 'pods'), pod(ctx, spec, container));

const refusals: readonly (readonly [says: string, code: number, reason: string, message: RegExp, spec: Loose, container?: Loose])[] = [
  [
    'whose service account is not there',
    403,
    'Forbidden',
    /is forbidden: error looking up service account .*\/nobody: serviceaccount "nobody" not found/,
    { serviceAccountName: 'nobody' },
  ],
  [
    'whose priority class is not there',
    403,
    'Forbidden',
    /is forbidden: no PriorityClass with name nope was found/,
    { priorityClassName: 'nope' },
  ],
  [
    'with an init container of the same name as another',
    422,
    'Invalid',
    /spec\.initContainers\[0\]\.name: Duplicate value: "main"/,
    { initContainers: [{ name: 'main', image: 'x' }] },
  ],
  [
    'with a volume of two types',
    422,
    'Invalid',
    /may not specify more than 1 volume type/,
    { volumes: [{ name: 'v', secret: { secretName: 's' }, configMap: { name: 'x' } }] },
  ],
  [
    'with an environment variable whose name has an equals sign',
    422,
    'Invalid',
    /env\[0\]\.name: Invalid value: "A=B"/,
    {},
    { env: [{ name: 'A=B', value: '' }] },
  ],
  ['with a port without number', 422, 'Invalid', /ports\[0\]\.containerPort: Required value/, {}, { ports: [{ name: 'http' }] }],
  [
    'with an unknown terminationMessagePolicy',
    422,
    'Invalid',
    /terminationMessagePolicy: Unsupported value: "Odd"/,
    {},
    { terminationMessagePolicy: 'Odd' },
  ],
  [
    'with an amount that is none',
    400,
    'BadRequest',
    /quantities must match the regular expression/,
    {},
    { resources: { requests: { cpu: 'abc' } } },
  ],
  [
    'with a deadline of 0',
    422,
    'Invalid',
    /spec\.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive/,
    { activeDeadlineSeconds: 0 },
  ],
];

const evict = (ctx: Context, name: string, body: Loose = { metadata: { name } }): Promise<Answer> =>
  ctx.api.post(`${core(ctx, 'pods', name)}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', ...body });
const forceful = (ctx: Context, name: string): Promise<Answer> => ctx.api.delete(core(ctx, 'pods', name), { gracePeriodSeconds: 0 });

const expectations: readonly Expectation[] = [
  ...refusals.map(([says, code, reason, message, spec, container]) =>
    expectation(`a pod ${says} is ${code}`, async (ctx) => {
      refused(await ctx.api.post(core(ctx, 'pods'), pod(ctx, spec, container)), code, reason, message);
    }),
  ),
  expectation('a pod leaves a node that is lost after five minutes, unless it says otherwise', async (ctx) => {
    const own = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 7 };
    const { tolerations } = (await make(ctx, { tolerations: [own] })).spec;
    expect(tolerations).toEqual([
      own,
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ]);
    expect((await make(ctx)).spec.tolerations).toHaveLength(2);
  }),
  expectation('a pod has a priority, amounts as text, and its limits as requests', async (ctx) => {
    const made = await make(ctx, {}, { resources: { limits: { cpu: 1, memory: '1Gi' } } });
    expect(made.spec).toMatchObject({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
    expect(made.spec.containers[0].resources).toEqual({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } });
    expect(made.status.qosClass).toBe('Guaranteed');
  }),
  expectation('a deadline can be set and shortened, not lengthened', async (ctx) => {
    const path = core(ctx, 'pods', (await make(ctx)).metadata.name as string);
    const set = (seconds: number): Promise<Answer> => ctx.api.patch(path, mergePatch, { spec: { activeDeadlineSeconds: seconds } });
    ok(await set(50));
    ok(await set(40));
    refused(await set(60), 422, 'Invalid', /must be less than or equal to previous value/);
  }),
  expectation('a strategic merge patch of conditions puts its own first and keeps the others', async (ctx) => {
    const path = `${core(ctx, 'pods', (await make(ctx)).metadata.name as string)}/status`;
    ok(await ctx.api.patch(path, strategicPatch, { status: { conditions: [{ type: 'Ready', status: 'True' }] } }));
    const other = [{ type: 'Other', status: 'False' }];
    const { conditions } = ok(await ctx.api.patch(path, strategicPatch, { status: { conditions: other } })).status;
    expect((conditions as { type: string }[]).map(({ type }) => type)).toEqual(['Other', 'Ready']);
  }),
  expectation('a grace period that runs can be shortened, and nothing else', async (ctx) => {
    const name = (await make(ctx, { terminationGracePeriodSeconds: 30 })).metadata.name as string;
    const path = core(ctx, 'pods', name);
    const grace = async (options: Loose): Promise<unknown> => ok(await ctx.api.delete(path, options)).metadata.deletionGracePeriodSeconds;
    expect(await grace({ gracePeriodSeconds: 20 })).toBe(20);
    expect(await grace({ gracePeriodSeconds: 40 })).toBe(20);
    expect(await grace({ gracePeriodSeconds: 5 })).toBe(5);
    expect(await grace({ propagationPolicy: 'Foreground' })).toBe(5);
    expect((await read(ctx, path)).metadata.finalizers).toBeUndefined();
    ok(await forceful(ctx, name));
    refused(await ctx.api.get(path), 404, 'NotFound');
  }),
  expectation('an eviction marks the pod before it deletes it', async (ctx) => {
    const name = (await make(ctx, { terminationGracePeriodSeconds: 30 })).metadata.name as string;
    ok(await ctx.api.patch(`${core(ctx, 'pods', name)}/status`, mergePatch, { status: { phase: 'Running' } }));
    expect(ok(await evict(ctx, name), 201)).toMatchObject({ kind: 'Status', status: 'Success', code: 201 });
    const { metadata, status } = await read(ctx, core(ctx, 'pods', name));
    expect(metadata.deletionGracePeriodSeconds).toBe(30);
    const mark = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' };
    expect(status.conditions).toEqual(expect.arrayContaining([expect.objectContaining(mark)]));
    ok(await forceful(ctx, name));
  }),
  expectation('an eviction names its pod', async (ctx) => {
    const name = (await make(ctx)).metadata.name as string;
    refused(
      await evict(ctx, name, { metadata: { name: 'another' } }),
      400,
      'BadRequest',
      /name in URL does not match name in Eviction object/,
    );
    refused(await evict(ctx, 'not-there'), 404, 'NotFound');
    ok(await forceful(ctx, name));
  }),
  expectation('a dry run of an eviction evicts nothing', async (ctx) => {
    const name = (await make(ctx)).metadata.name as string;
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } };
    ok(await ctx.api.post(`${core(ctx, 'pods', name)}/eviction?dryRun=All`, body), 201);
    expect((await read(ctx, core(ctx, 'pods', name))).metadata.deletionTimestamp).toBeUndefined();
    ok(await forceful(ctx, name));
  }),
];

export const podRules: Area = { area: 'pods in the API alone', expectations };
