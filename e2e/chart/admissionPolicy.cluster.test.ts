/**
 * The chart's ValidatingAdmissionPolicies on a real API server (E2E_KUBECONFIG): what tenants' jobs may ask of their pods, by the profile of
 * their namespace. Every request is a dry run; what was installed goes at the end.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { UndiciTransport, type HttpAnswer, type HttpRequest } from '../../operator/kube/transport.ts';
import { kubernetesTool } from '../../tools/helm.ts';
import { release, render, type Manifest } from './chart.ts';

const kubeconfig = process.env.E2E_KUBECONFIG ?? '';
const home = 'chart-policy';
const namespaces = {
  default: 'chart-policy-plain',
  builder: 'chart-policy-builder',
  trusted: 'chart-policy-trusted',
  mistaken: 'chart-policy-typo',
};
type Space = keyof typeof namespaces;
const operator = `system:serviceaccount:${home}:${release}`;
const profiles = [
  'admissionPolicy.enabled=true',
  'admissionPolicy.profiles.builder.serviceAccounts={builder}',
  'admissionPolicy.profiles.builder.secrets={deploy-key}',
  'admissionPolicy.profiles.builder.hostPaths={/var/cache}',
  'admissionPolicy.profiles.trusted.privileged=true',
  'admissionPolicy.profiles.trusted.hostNamespaces=true',
  'admissionPolicy.profiles.trusted.hostPorts=true',
  'admissionPolicy.profiles.trusted.hostPaths={/}',
  'admissionPolicy.profiles.trusted.capabilities={*}',
  'admissionPolicy.profiles.trusted.serviceAccounts={*}',
  'admissionPolicy.profiles.trusted.secrets={*}',
];

interface Answer {
  readonly ok: boolean;
  readonly text: string;
}

function kubectl(args: readonly string[], input?: unknown): string {
  return execFileSync(kubernetesTool('kubectl'), ['--kubeconfig', kubeconfig, ...args], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
    input: input === undefined ? '' : JSON.stringify(input),
  });
}

/** The cluster as the administrator sees it, or as somebody else would. */
function clientAs(user?: string): KubeClient {
  const inner = new UndiciTransport(PooledKubeConfig.load({ path: kubeconfig }), {});
  const headers = user === undefined ? {} : { 'impersonate-user': user };
  const call = (request: HttpRequest): Promise<HttpAnswer> => inner.call({ ...request, headers: { ...request.headers, ...headers } });
  return new KubeClient({ transport: { call, open: (request) => inner.open(request), close: () => inner.close() } });
}

async function dryRun(client: KubeClient, type: ResourceType, object: KubeObject): Promise<Answer> {
  try {
    await client.create(type, object, { dryRun: true });
    return { ok: true, text: '' };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { ok: false, text: error.message };
  }
}

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  while (!(await condition())) {
    if (signal.aborted) throw new Error(`waited in vain for ${what}`);
    await pause(200);
  }
}

const serviceAccounts: ResourceType = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };

type Part = Readonly<Record<string, unknown>>;
const container = (fields: Part = {}): Part => ({ name: 'test', image: 'busybox', ...fields });
const podSpec = (fields: Part = {}): Part => ({ containers: [container()], restartPolicy: 'Never', ...fields });
const withContainer = (fields: Part): Part => podSpec({ containers: [container(fields)] });
const withVolume = (fields: Part): Part => podSpec({ volumes: [{ name: 'data', ...fields }] });

const metadata = (space: Space): KubeObject['metadata'] => ({ name: 'probe', namespace: namespaces[space] });
const pod = (space: Space, spec: Part): Pod => ({ apiVersion: 'v1', kind: 'Pod', metadata: metadata(space), spec }) as unknown as Pod;
const prowJob = (space: Space, spec: Part): KubeObject & Part => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: metadata(space),
  spec: { type: 'periodic', agent: 'kubernetes', job: 'probe', pod_spec: spec },
});
const periodic = (space: Space, spec: Part): KubeObject & Part => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'Periodic',
  metadata: metadata(space),
  spec: { cron: '@daily', jobTemplate: { spec: { pod_spec: spec } } },
});

const suspended = { cron: '@daily', suspend: true };
const jobOf = (spec: Part): Part => ({ jobTemplate: { spec: { pod_spec: spec } } });

interface Row {
  readonly asks: string;
  readonly spec: Part;
  /** Profiles whose namespaces may have it. */
  readonly allowed: readonly Space[];
  /** Part of the message elsewhere. */
  readonly says: string;
}

const all: readonly Space[] = ['default', 'builder', 'trusted', 'mistaken'];
const rows: readonly Row[] = [
  { asks: 'nothing special', spec: podSpec(), allowed: all, says: '' },
  {
    asks: 'a privileged container',
    spec: withContainer({ securityContext: { privileged: true } }),
    allowed: ['trusted'],
    says: 'privileged containers',
  },
  {
    asks: 'a privileged init container',
    spec: podSpec({ initContainers: [container({ name: 'init', securityContext: { privileged: true } })] }),
    allowed: ['trusted'],
    says: 'privileged containers',
  },
  {
    asks: 'a capability beyond the usual',
    spec: withContainer({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }),
    allowed: ['trusted'],
    says: 'capabilities.add may only have',
  },
  {
    asks: 'a usual capability',
    spec: withContainer({ securityContext: { capabilities: { add: ['CHOWN'] } } }),
    allowed: ['default', 'trusted', 'mistaken'],
    says: 'capabilities.add may only have []',
  },
  { asks: 'the network of the node', spec: podSpec({ hostNetwork: true }), allowed: ['trusted'], says: 'hostNetwork, hostPID and hostIPC' },
  { asks: 'the processes of the node', spec: podSpec({ hostPID: true }), allowed: ['trusted'], says: 'hostNetwork, hostPID and hostIPC' },
  { asks: 'the IPC of the node', spec: podSpec({ hostIPC: true }), allowed: ['trusted'], says: 'hostNetwork, hostPID and hostIPC' },
  {
    asks: 'a port of the node',
    spec: withContainer({ ports: [{ containerPort: 80, hostPort: 80 }] }),
    allowed: ['trusted'],
    says: 'hostPort is not allowed',
  },
  {
    asks: 'a directory of the node',
    spec: withVolume({ hostPath: { path: '/etc' } }),
    allowed: ['trusted'],
    says: 'hostPath may only be in',
  },
  {
    asks: 'an allowed directory of the node',
    spec: withVolume({ hostPath: { path: '/var/cache/go' } }),
    allowed: ['builder', 'trusted'],
    says: 'hostPath may only be in []',
  },
  {
    asks: 'a directory whose name only begins like an allowed one',
    spec: withVolume({ hostPath: { path: '/var/cachet' } }),
    allowed: ['trusted'],
    says: 'hostPath may only be in',
  },
  {
    asks: 'another kind of volume',
    spec: withVolume({ nfs: { server: 'files', path: '/' } }),
    allowed: [],
    says: 'others reach around the rules',
  },
  {
    asks: 'a service account',
    spec: podSpec({ serviceAccountName: 'builder' }),
    allowed: ['builder', 'trusted'],
    says: 'serviceAccountName builder is not',
  },
  {
    asks: 'a secret as a volume',
    spec: withVolume({ secret: { secretName: 'deploy-key' } }),
    allowed: ['builder', 'trusted'],
    says: 'secrets in volumes',
  },
  {
    asks: 'a secret in a projected volume',
    spec: withVolume({ projected: { sources: [{ secret: { name: 'deploy-key' } }] } }),
    allowed: ['builder', 'trusted'],
    says: 'secrets in volumes',
  },
  {
    asks: 'a secret in a variable',
    spec: withContainer({ env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'deploy-key', key: 'key' } } }] }),
    allowed: ['builder', 'trusted'],
    says: 'secrets in volumes',
  },
  {
    asks: 'all of a secret as variables',
    spec: withContainer({ envFrom: [{ secretRef: { name: 'deploy-key' } }] }),
    allowed: ['builder', 'trusted'],
    says: 'secrets in volumes',
  },
  {
    asks: 'another secret',
    spec: withVolume({ secret: { secretName: 'other' } }),
    allowed: ['trusted'],
    says: 'secrets in volumes',
  },
];

/** What builder may not do by default: its profile lists no service account but its own. */
const runAs = (space: Space, spec: Part): Part =>
  space === 'builder' && !('serviceAccountName' in spec) ? { ...spec, serviceAccountName: 'builder' } : spec;

describe.skipIf(kubeconfig === '')('the policies of the chart on a real API server', () => {
  let installed: readonly Manifest[] = [];
  let admin: KubeClient;
  let asOperator: KubeClient;

  beforeAll(async () => {
    installed = render({ namespace: home, set: [...profiles, 'crds.install=false', 'test.enabled=false'] }).filter(
      ({ kind }) => kind !== 'Deployment',
    );
    admin = clientAs();
    asOperator = clientAs(operator);
    for (const [space, name] of [['home', home], ...Object.entries(namespaces)]) {
      const labels = { 'prow.k8s.io/pod-profile': space === 'mistaken' ? 'trustde' : (space ?? '') };
      kubectl(['apply', '-f', '-'], {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, ...(space === 'default' ? {} : { labels }) },
      });
    }
    kubectl(['apply', '--server-side', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: installed });
    for (const namespace of Object.values(namespaces)) {
      const present = (): Promise<boolean> =>
        admin.list(serviceAccounts, { namespace }).then(({ items }) => items.some(({ metadata }) => metadata.name === 'default'));
      await eventually(`the default service account of ${namespace}`, present);
      kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'builder', namespace } });
    }
    const offender = podSpec({ hostPID: true });
    await eventually('the rule for runs', async () => !(await dryRun(admin, prowJobs, prowJob('default', offender))).ok);
    await eventually('the rule for pods', async () => (await dryRun(asOperator, pods, pod('default', offender))).text.includes('hostPID'));
  }, 120_000);

  afterAll(async () => {
    kubectl(['delete', '--ignore-not-found', '--wait=false', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: installed });
    kubectl(['delete', 'namespace', '--ignore-not-found', '--wait=false', home, ...Object.values(namespaces)]);
    await Promise.all([admin.close(), asOperator.close()]);
  }, 120_000);

  it('are understood by the API server without a warning', async () => {
    for (const suffix of ['pods', 'runs']) {
      const status = (): string =>
        kubectl(['get', 'validatingadmissionpolicy', `${release}.${home}-${suffix}`, '-o', 'jsonpath={.status}']);
      await eventually('the type check', () => Promise.resolve(status().includes('typeChecking')));
      expect(status()).not.toContain('expressionWarnings');
    }
  });

  describe.each(rows)('a job that asks for $asks', ({ spec, allowed, says }) => {
    it.each(all)('in a namespace of profile %s', async (space) => {
      const asked = runAs(space, spec);
      const answers = await Promise.all([
        dryRun(asOperator, pods, pod(space, asked)),
        dryRun(admin, prowJobs, prowJob(space, asked)),
        dryRun(admin, periodics, periodic(space, asked)),
      ]);
      for (const { ok, text } of answers) {
        expect(ok, text).toBe(allowed.includes(space));
        if (!ok) expect(text).toContain(says);
      }
    });
  });

  it('leave pods of others alone', async () => {
    expect(await dryRun(admin, pods, pod('default', podSpec({ hostPID: true })))).toEqual({ ok: true, text: '' });
  });

  it("leave a schedule's runs to the rule for pods", async () => {
    expect(await dryRun(asOperator, prowJobs, prowJob('default', podSpec({ hostPID: true })))).toEqual({ ok: true, text: '' });
  });

  it('let metadata of what is there already be changed', async () => {
    const key = { namespace: namespaces.default, name: 'probe' };
    const offender = podSpec({ hostPID: true });
    await asOperator.create<KubeObject>(prowJobs, prowJob('default', offender));
    const touched = await admin.patch<KubeObject>(prowJobs, key, mergePatch({ metadata: { annotations: { seen: 'yes' } } }));
    expect(touched.metadata.annotations).toMatchObject({ seen: 'yes' });
    await admin.delete(prowJobs, key);
  });

  it('judge a schedule again when it is changed', async () => {
    const key = { namespace: namespaces.default, name: 'probe' };
    await admin.create<KubeObject>(periodics, {
      ...periodic('default', podSpec()),
      spec: { ...suspended, ...jobOf(podSpec()) },
    } as KubeObject);
    const worse = admin.patch<KubeObject>(periodics, key, mergePatch({ spec: jobOf(podSpec({ hostPID: true })) }), { dryRun: true });
    await expect(worse).rejects.toThrow('hostNetwork, hostPID and hostIPC are not allowed here (profile default)');
    await admin.patch<KubeObject>(periodics, key, mergePatch({ spec: jobOf(podSpec({ terminationGracePeriodSeconds: 5 })) }), {
      dryRun: true,
    });
    await admin.delete(periodics, key);
  });
});
