/** Pods: what the API does with them, and what a kubelet makes of them. */
import { expect } from 'vitest';
import { type Loose, mergePatch, withQuery } from './api.ts';
import { type Area, type Context, core, create, eventually, expectation, gone, names, ok, read, refused } from './expectation.ts';

/** No node has this label, so such a pod is never started. */
const nowhere = { nodeSelector: { 'conformance.example.com/nowhere': 'true' } };

const pod = (ctx: Context, name: string, script: string, spec: Record<string, unknown> = {}): Loose => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { conformance: name } },
  spec: { restartPolicy: 'Never', containers: [container(ctx, 'test', script)], ...spec },
});

const container = (ctx: Context, name: string, script: string, more: Record<string, unknown> = {}): Loose => ({
  name,
  image: ctx.image,
  command: ['sh', '-c', script],
  ...more,
});

/** Creates a pod and waits until it has one of the phases. */
async function run(ctx: Context, script: string, phase: RegExp, spec: Record<string, unknown> = {}): Promise<Loose> {
  const name = ctx.name('pod');
  await create(ctx, core(ctx, 'pods'), pod(ctx, name, script, spec));
  return reaches(ctx, name, phase);
}

const reaches = (ctx: Context, name: string, phase: RegExp): Promise<Loose> =>
  eventually(async () => {
    const now = await read(ctx, core(ctx, 'pods', name));
    expect(now.status.phase).toMatch(phase);
    return now;
  });

const log = async (ctx: Context, name: string, query: Record<string, string | number | boolean> = {}): Promise<string> => {
  const answer = await ctx.api.get(withQuery(`${core(ctx, 'pods', name)}/log`, query), { accept: 'text/plain, */*' });
  expect(answer.status, answer.text).toBe(200);
  return answer.text;
};

const refusals = [
  { says: 'without containers', spec: { containers: [] }, message: /spec\.containers: Required value/ },
  {
    says: 'with two containers of one name',
    spec: {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'x' },
      ],
    },
    message: /spec\.containers\[1\]\.name: Duplicate value: "a"/,
  },
  {
    says: 'with a container without image',
    spec: { containers: [{ name: 'a' }] },
    message: /spec\.containers\[0\]\.image: Required value/,
  },
  { says: 'with a container without name', spec: { containers: [{ image: 'x' }] }, message: /spec\.containers\[0\]\.name: Required value/ },
  {
    says: 'with an unknown restartPolicy',
    spec: { restartPolicy: 'Sometimes', containers: [{ name: 'a', image: 'x' }] },
    message: /spec\.restartPolicy: Unsupported value: "Sometimes"/,
  },
  {
    says: 'that mounts a volume it does not have',
    spec: { containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
    message: /spec\.containers\[0\]\.volumeMounts\[0\]\.name: Not found: "v"/,
  },
];

const withoutKubelet = [
  expectation('a pod gets its defaults and is Pending', async (ctx) => {
    const name = ctx.name('pod');
    const made = await create(ctx, core(ctx, 'pods'), {
      metadata: { name },
      spec: { ...nowhere, containers: [{ name: 'a', image: 'busybox:1' }] },
    });
    expect(made).toMatchObject({
      spec: {
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        dnsPolicy: 'ClusterFirst',
        schedulerName: 'default-scheduler',
        containers: [{ imagePullPolicy: 'IfNotPresent', terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' }],
      },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    });
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
  }),
  ...refusals.map(({ says, spec, message }) =>
    expectation(`a pod ${says} is 422`, async (ctx) => {
      refused(await ctx.api.post(core(ctx, 'pods'), { metadata: { name: ctx.name('pod') }, spec }), 422, 'Invalid', message);
    }),
  ),
  expectation('create of a pod ignores status', async (ctx) => {
    const name = ctx.name('pod');
    const made = await create(ctx, core(ctx, 'pods'), { ...pod(ctx, name, 'true', nowhere), status: { phase: 'Succeeded' } });
    expect(made.status.phase).toBe('Pending');
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
  }),
  expectation('the command of a pod cannot be changed', async (ctx) => {
    const name = ctx.name('pod');
    const made = await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'true', nowhere));
    const containers = [{ ...made.spec.containers[0], command: ['false'] }];
    refused(
      await ctx.api.put(core(ctx, 'pods', name), { ...made, metadata: { name }, spec: { ...made.spec, containers } }),
      422,
      'Invalid',
      /spec: Forbidden: pod updates may not change fields other than/,
    );
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
  }),
  expectation('a pod that no node takes is Unschedulable, and says so in a condition', async (ctx) => {
    const name = ctx.name('pod');
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'true', nowhere));
    await eventually(async () => {
      const { status } = await read(ctx, core(ctx, 'pods', name));
      expect((status.conditions as { type: string }[]).find(({ type }) => type === 'PodScheduled')).toMatchObject({
        status: 'False',
        reason: 'Unschedulable',
      });
    });
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
  }),
  expectation('a pod that was never scheduled is deleted at once', async (ctx) => {
    const name = ctx.name('pod');
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'true', nowhere));
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
    refused(await ctx.api.get(core(ctx, 'pods', name)), 404, 'NotFound');
  }),
  expectation('whoever watches learns when the deletion of a pod was asked for, also of one that goes at once', async (ctx) => {
    const name = ctx.name('pod');
    const stream = await ctx.api.stream(withQuery(core(ctx, 'pods'), { watch: true, labelSelector: `conformance=${name}` }));
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'true', nowhere));
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
    const { object } = await stream.until('the deletion', ({ type }) => type === 'DELETED');
    stream.close();
    expect(object.metadata).toMatchObject({ deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 0 });
  }),
  expectation('the status of a pod is written through its subresource and found by status.phase', async (ctx) => {
    const name = ctx.name('pod');
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'true', nowhere));
    ok(await ctx.api.patch(`${core(ctx, 'pods', name)}/status`, mergePatch, { status: { phase: 'Failed', reason: 'Evicted' } }));
    const query = { labelSelector: `conformance=${name}`, fieldSelector: 'status.phase=Failed' };
    expect(names(ok(await ctx.api.get(withQuery(core(ctx, 'pods'), query))))).toEqual([name]);
    ok(await ctx.api.delete(core(ctx, 'pods', name)));
  }),
  expectation('the log of a pod that is not there is 404', async (ctx) => {
    refused(await ctx.api.get(`${core(ctx, 'pods', 'nobody')}/log`), 404, 'NotFound', /pods "nobody" not found/);
  }),
];

const withKubelet = [
  expectation('a pod whose command ends with 0 is Succeeded, Completed, and has its times', async (ctx) => {
    const { status, spec } = await run(ctx, 'exit 0', /Succeeded/);
    expect(status.containerStatuses).toMatchObject([
      { name: 'test', ready: false, restartCount: 0, state: { terminated: { exitCode: 0, reason: 'Completed' } } },
    ]);
    const { startedAt, finishedAt } = status.containerStatuses[0].state.terminated as { startedAt: string; finishedAt: string };
    expect(Date.parse(finishedAt)).toBeGreaterThanOrEqual(Date.parse(startedAt));
    expect(status.startTime).toBeTruthy();
    expect(spec.nodeName).toBeTruthy();
  }),
  expectation('a pod whose command ends with 3 is Failed with exit code 3', async (ctx) => {
    const { status } = await run(ctx, 'exit 3', /Failed/);
    expect(status.containerStatuses[0].state.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
  }),
  expectation('phases go Pending, Running, Succeeded and never back', async (ctx) => {
    const name = ctx.name('pod');
    const stream = await ctx.api.stream(withQuery(core(ctx, 'pods'), { watch: true, labelSelector: `conformance=${name}` }));
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, 'sleep 1'));
    await stream.until('Succeeded', (event) => event.object.status.phase === 'Succeeded');
    const phases = stream.events.map((event) => event.object.status.phase as string);
    stream.close();
    expect(phases.filter((phase, index) => phase !== phases[index - 1])).toEqual(['Pending', 'Running', 'Succeeded']);
  }),
  expectation('the log is what the command printed, both streams', async (ctx) => {
    const { metadata } = await run(ctx, 'echo out; echo err >&2', /Succeeded/);
    expect((await log(ctx, metadata.name as string)).split('\n').sort()).toEqual(['', 'err', 'out']);
  }),
  expectation('tailLines and timestamps do what they say', async (ctx) => {
    const { metadata } = await run(ctx, 'for i in 1 2 3 4; do echo line $i; done', /Succeeded/);
    expect(await log(ctx, metadata.name as string, { tailLines: 2 })).toBe('line 3\nline 4\n');
    expect(await log(ctx, metadata.name as string, { timestamps: true, tailLines: 1 })).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 4\n$/,
    );
  }),
  expectation('a followed log brings lines as they come and ends with the container', async (ctx) => {
    const { metadata } = await run(
      ctx,
      'echo first; until [ -e /tmp/$HOSTNAME-go ]; do sleep 0.1; n=$((${n:-0}+1)); [ $n -lt 10 ] || break; done; echo last',
      /Running|Succeeded/,
    );
    const stream = await ctx.api.stream(withQuery(`${core(ctx, 'pods', metadata.name as string)}/log`, { follow: true }));
    await stream.untilLine('first', (line) => line === 'first');
    await stream.ended;
    expect(stream.lines).toEqual(['first', 'last']);
  }),
  expectation('the log of a container that the pod does not have is 400', async (ctx) => {
    const { metadata } = await run(ctx, 'true', /Succeeded/);
    refused(
      await ctx.api.get(withQuery(`${core(ctx, 'pods', metadata.name as string)}/log`, { container: 'other' })),
      400,
      'BadRequest',
      /container other is not valid for pod/,
    );
  }),
  expectation('init containers run one after the other, before the others', async (ctx) => {
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
    const { status, metadata } = await run(ctx, 'true', /Succeeded/, {
      volumes: [{ name: 'shared', emptyDir: {} }],
      initContainers: [
        container(ctx, 'one', 'echo one >> /shared/order', { volumeMounts }),
        container(ctx, 'two', 'echo two >> /shared/order', { volumeMounts }),
      ],
      containers: [container(ctx, 'test', 'cat /shared/order', { volumeMounts })],
    });
    expect(await log(ctx, metadata.name as string)).toBe('one\ntwo\n');
    expect((status.initContainerStatuses as Loose[]).map((each) => each.state.terminated.reason as string)).toEqual([
      'Completed',
      'Completed',
    ]);
  }),
  expectation('a failing init container fails the pod and the others never start', async (ctx) => {
    const { status } = await run(ctx, 'true', /Failed/, { initContainers: [container(ctx, 'init', 'exit 4')] });
    expect(status.initContainerStatuses[0].state.terminated.exitCode).toBe(4);
    expect(status.containerStatuses[0].state.waiting).toMatchObject({ reason: 'PodInitializing' });
  }),
  expectation('environment comes from values, fields, secrets and config maps', async (ctx) => {
    const name = ctx.name('source');
    await create(ctx, core(ctx, 'secrets'), { metadata: { name }, stringData: { key: 'hush' } });
    await create(ctx, core(ctx, 'configmaps'), { metadata: { name }, data: { key: 'open', all: 'in' } });
    const env = [
      { name: 'PLAIN', value: 'plain' },
      { name: 'BOTH', value: '$(PLAIN)-too' },
      { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'SECRET', valueFrom: { secretKeyRef: { name, key: 'key' } } },
      { name: 'CONFIG', valueFrom: { configMapKeyRef: { name, key: 'key' } } },
    ];
    const envFrom = [{ prefix: 'FROM_', configMapRef: { name } }];
    const { metadata } = await run(ctx, '', /Succeeded/, {
      containers: [container(ctx, 'test', 'echo $PLAIN $BOTH $POD $SECRET $CONFIG $FROM_all', { env, envFrom })],
    });
    expect(await log(ctx, metadata.name as string)).toBe(`plain plain-too ${metadata.name as string} hush open in\n`);
  }),
  expectation('secrets and config maps are mounted as files', async (ctx) => {
    const name = ctx.name('source');
    await create(ctx, core(ctx, 'secrets'), { metadata: { name }, stringData: { key: 'hush' } });
    await create(ctx, core(ctx, 'configmaps'), { metadata: { name }, data: { key: 'open' } });
    const volumes = [
      { name: 's', secret: { secretName: name } },
      { name: 'c', configMap: { name, items: [{ key: 'key', path: 'deep/renamed' }] } },
    ];
    const volumeMounts = [
      { name: 's', mountPath: '/etc/s' },
      { name: 'c', mountPath: '/etc/c' },
    ];
    const { metadata } = await run(ctx, '', /Succeeded/, {
      volumes,
      containers: [container(ctx, 'test', 'cat /etc/s/key; echo; cat /etc/c/deep/renamed', { volumeMounts })],
    });
    expect(await log(ctx, metadata.name as string)).toMatch(/^hush\nopen\n?$/);
  }),
  expectation('a missing secret keeps the container waiting with CreateContainerConfigError', async (ctx) => {
    const name = ctx.name('pod');
    const env = [{ name: 'SECRET', valueFrom: { secretKeyRef: { name: 'nobody', key: 'key' } } }];
    await create(ctx, core(ctx, 'pods'), pod(ctx, name, '', { containers: [container(ctx, 'test', 'true', { env })] }));
    await eventually(async () => {
      const { status } = await read(ctx, core(ctx, 'pods', name));
      expect(status.containerStatuses?.[0].state.waiting).toMatchObject({ reason: 'CreateContainerConfigError' });
      expect(status.phase).toBe('Pending');
    });
    ok(await ctx.api.delete(core(ctx, 'pods', name), { gracePeriodSeconds: 0 }));
  }),
  expectation('restartPolicy OnFailure runs a failed container again and counts', async (ctx) => {
    const volumeMounts = [{ name: 'v', mountPath: '/v' }];
    const script = '[ -e /v/second ] && exit 0; : > /v/second; exit 1';
    const { status } = await run(ctx, '', /Succeeded/, {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [container(ctx, 'test', script, { volumeMounts })],
    });
    expect(status.containerStatuses[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 1 } },
      state: { terminated: { exitCode: 0 } },
    });
  }),
  expectation('activeDeadlineSeconds ends a pod as Failed with DeadlineExceeded', async (ctx) => {
    const { status } = await run(ctx, 'sleep 60', /Failed/, { activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 1 });
    expect(status.reason).toBe('DeadlineExceeded');
  }),
  expectation('a deleted pod is asked to end first, and is there until it has ended', async (ctx) => {
    const script = 'trap "echo asked; sleep 1; exit 0" TERM; echo up; while :; do sleep 0.1; done';
    const { metadata } = await run(ctx, script, /Running/);
    const path = core(ctx, 'pods', metadata.name as string);
    await eventually(async () => expect(await log(ctx, metadata.name as string)).toContain('up'));
    const marked = ok(await ctx.api.delete(path));
    expect(marked.metadata).toMatchObject({ deletionGracePeriodSeconds: 30 });
    expect(marked.metadata.deletionTimestamp).toBeTruthy();
    await eventually(async () => expect(await log(ctx, metadata.name as string)).toContain('asked'));
    await gone(ctx, path);
  }),
  expectation('a pod that ignores SIGTERM is killed after its grace period', async (ctx) => {
    const { metadata } = await run(ctx, 'trap "" TERM; while :; do sleep 0.1; done', /Running/, { terminationGracePeriodSeconds: 1 });
    const path = core(ctx, 'pods', metadata.name as string);
    ok(await ctx.api.delete(path));
    await gone(ctx, path);
  }),
  expectation('gracePeriodSeconds=0 removes a running pod from the API at once', async (ctx) => {
    const { metadata } = await run(ctx, 'sleep 60', /Running/);
    const path = core(ctx, 'pods', metadata.name as string);
    ok(await ctx.api.delete(path, { gracePeriodSeconds: 0 }));
    refused(await ctx.api.get(path), 404, 'NotFound');
  }),
  expectation('an eviction deletes a pod gracefully', async (ctx) => {
    const { metadata } = await run(ctx, 'sleep 60', /Running/, { terminationGracePeriodSeconds: 1 });
    const path = core(ctx, 'pods', metadata.name as string);
    ok(await ctx.api.post(`${path}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name } }), 201);
    await gone(ctx, path);
  }),
  expectation('a termination message comes from the file, and falls back to the log', async (ctx) => {
    const { status } = await run(ctx, 'echo the last words; exit 1', /Failed/, {
      containers: [container(ctx, 'test', 'echo the last words; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' })],
    });
    expect(status.containerStatuses[0].state.terminated.message).toMatch(/the last words/);
  }),
  expectation('the events of a pod tell that it was scheduled and started', async (ctx) => {
    const { metadata } = await run(ctx, 'true', /Succeeded/);
    await eventually(async () => {
      const list = ok(await ctx.api.get(withQuery(core(ctx, 'events'), { fieldSelector: `involvedObject.uid=${metadata.uid as string}` })));
      expect((list.items as { reason: string }[]).map(({ reason }) => reason)).toEqual(
        expect.arrayContaining(['Scheduled', 'Created', 'Started']),
      );
    });
  }),
].map((each) => ({ ...each, needs: 'kubelet' as const }));

export const podsArea: Area = { area: 'pods', expectations: [...withoutKubelet, ...withKubelet] };
