/** What the API server, or we ourselves, refuse: whose fault it is, what the user reads, and that what passes does pass. */
import { describe, expect, it } from 'vitest';
import { buildClusters, prowJobs } from '../../crds/resources.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { suite } from './testing/suite.ts';
import { namespace } from './testing/world.ts';

const { world, start } = suite();
const key = (name: string) => ({ namespace, name });

describe('refusals', () => {
  it('P7 a pod the API server will never take ends the run with its words', async () => {
    await start();
    await world().createRun('broken', {
      pod_spec: {
        containers: [
          { name: 'BAD NAME', image: 'x' },
          { name: 'also', image: 'x' },
        ],
      },
    });
    const done = await world().untilState('broken', 'error');
    expect(done.status?.reason).toBe('PodRejected');
    expect(done.status?.description).toContain('BAD NAME');
  });

  it("a stranger's pod with our name is never touched, and named", async () => {
    await world().client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'taken', namespace },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await start();
    await world().createRun('taken');
    const done = await world().untilState('taken', 'error');
    expect(done.status).toMatchObject({ reason: 'PodRejected', description: expect.stringContaining('default/taken') });
    expect(await world().pod('taken')).toBeDefined();
  });

  const passing = [
    { code: 403, reason: 'Forbidden', message: 'pods "x" is forbidden: exceeded quota: tiny' },
    { code: 429, reason: 'TooManyRequests', message: 'slow down' },
    { code: 409, reason: 'Conflict', message: 'Operation cannot be fulfilled on resourcequotas' },
    { code: 404, reason: 'NotFound', message: 'namespaces "x" not found' },
    { code: 500, reason: 'InternalError', message: 'boom' },
  ];
  it.each(passing)('P9 P10 a refusal that passes ($code $reason) is tried again', async ({ code, reason, message }) => {
    let left = 2;
    const operator = await start({
      intercept: (request) => {
        if (request.method !== 'POST' || left === 0) return undefined;
        left -= 1;
        return { status: code, headers: {}, body: JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message }) };
      },
    });
    await world().createRun('patient');
    await world().untilPod('patient');
    await world().endPod('patient', 0);
    const done = await world().untilState('patient', 'success');
    expect(done.status?.waiting).toBeUndefined();
    expect(done.status?.attempts).toHaveLength(1);
    // At most one patch says that it waits and one that it does not any more, however often it was refused.
    expect(operator.writes.filter((write) => write.startsWith('PATCH')).length).toBeLessThanOrEqual(4);
  });

  const lasting = [
    {
      code: 403,
      reason: 'Forbidden',
      message: 'pods "x" is forbidden: exceeded quota: tiny',
      waits: 'QuotaExceeded',
      holds: 'Reconciling',
    },
    {
      code: 403,
      reason: 'Forbidden',
      message: 'User "u" cannot create resource "pods" in API group ""',
      waits: 'PodRefused',
      holds: 'Stalled',
    },
    { code: 503, reason: 'ServiceUnavailable', message: 'not ready', waits: 'ClusterUnavailable', holds: 'Stalled' },
  ];
  it.each(lasting)('a refusal that lasts ($code $waits) is in status with its words, written once', async ({ waits, holds, ...answer }) => {
    const operator = await start({
      intercept: ({ method }) =>
        method === 'POST'
          ? { status: answer.code, headers: {}, body: JSON.stringify({ kind: 'Status', status: 'Failure', ...answer }) }
          : undefined,
    });
    await world().createRun('held');
    const run = await world().untilRun('held', 'waiting', ({ status }) => status?.waiting !== undefined);
    expect(run.status).toMatchObject({ state: 'pending', waiting: { reason: waits } });
    expect(run.status?.waiting?.message).toContain(answer.message);
    expect(run.status?.conditions).toContainEqual(expect.objectContaining({ type: holds, status: 'True', reason: waits }));
    await world().eventually('further attempts', async () => {
      expect(await world().pod('held')).toBeUndefined();
      return operator.writes.filter((write) => write.startsWith('POST')).length > 2;
    });
    expect(operator.writes.filter((write) => write.startsWith('PATCH'))).toHaveLength(2);
  });

  it('a creation that went through without an answer is found, not repeated', async () => {
    let isFirst = true;
    const operator = await start({
      swallow: ({ method }) => {
        if (method !== 'POST' || !isFirst) return false;
        isFirst = false;
        return true;
      },
    });
    await world().createRun('unanswered');
    await world().untilPod('unanswered');
    await world().endPod('unanswered', 0);
    const done = await world().untilState('unanswered', 'success');
    expect(done.status?.attempts).toHaveLength(1);
    expect((await world().pods()).map(({ metadata }) => metadata.name)).toEqual(['unanswered']);
    expect(operator.events.map(({ reason }) => reason)).toEqual(['ClusterUnavailable']);
  });

  it('P16 an alias nobody declared ends the run; one that is declared holds it', async () => {
    const operator = await start();
    await world().createRun('lost', { cluster: 'nowhere' });
    expect((await world().untilState('lost', 'error')).status).toMatchObject({ reason: 'UnknownCluster' });
    await world().client.create(buildClusters, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'BuildCluster',
      metadata: { name: 'gpu', namespace },
      spec: { alias: 'gpu', kubeconfigSecretRef: { name: 's', key: 'k' } },
    });
    await world().eventually('the alias is known', async () => {
      await world()
        .createRun(`held-${operator.writes.length}`, { cluster: 'gpu' })
        .catch(() => undefined);
      return (await world().client.list(prowJobs, { namespace })).items.some((run) => run.status?.waiting?.reason === 'ClusterUnavailable');
    });
    await world().client.delete(buildClusters, key('gpu'));
  });

  it('a decorated run that wants a clone ends with InvalidSpec instead of running without it', async () => {
    await start();
    await world().createRun('decorated', { decoration_config: { timeout: '1h' }, extra_refs: [{ org: 'acme', repo: 'widget' }] });
    const done = await world().untilState('decorated', 'error');
    expect(done.status).toMatchObject({ reason: 'InvalidSpec', description: expect.stringContaining('spec.decoration_config') });
  });

  it('F2 F3 runs of other agents and runs without a chosen cluster are left alone', async () => {
    const operator = await start();
    await world().createRun('jenkins', { agent: 'jenkins' });
    await world().createRun('control');
    await world().untilPod('control');
    expect((await world().run('jenkins')).status).toEqual({ observedGeneration: -1, state: 'triggered' });
    expect(operator.writes.filter((write) => write.includes('jenkins'))).toEqual([]);
  });
});
