/**
 * The operator in this process, on a sandbox, seen through a proxy that remembers what it asked of the API: what the chart's roles must
 * allow, and no more.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { setUpControllers } from '../../operator/commands/controllers.ts';
import { loadSettings } from '../../operator/config/loadSettings.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { ProwOperator } from '../../operator/runtime/host.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';

const generatedCrds = path.join(import.meta.dirname, '../../crds/generated');
const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

export interface OperatorOnSandbox {
  readonly sandbox: Sandbox;
  /** The administrator's. */
  readonly client: KubeClient;
  /** What the operator asked for so far, as "verb group/resource". */
  readonly used: ReadonlySet<string>;
  readonly metricsUrl: string;
  close(): Promise<void>;
}

export async function startOperatorOnSandbox(settingsFile: SettingsFile, namespace?: string): Promise<OperatorOnSandbox> {
  const sandbox = await startSandbox();
  const client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath })) });
  await installCrds(client);
  const used = new Set<string>();
  const proxy = createServer((incoming, outgoing) => {
    used.add(permissionOf(incoming));
    forward(sandbox, incoming, outgoing);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const kubeconfig = `${sandbox.kubeconfigPath}-proxy`;
  writeFileSync(kubeconfig, stringify(kubeconfigFor(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)));
  const settings = loadSettings(stringify(settingsFile), 'settings');
  const operator = new ProwOperator({
    name: 'prow-operator',
    config: PooledKubeConfig.load({ path: kubeconfig }),
    logger: silentLogger,
    health: { host: '127.0.0.1', port: 0 },
    lease: { namespace: 'default', name: 'prow-operator' },
    setup: (kit) => void setUpControllers(kit, { settings: () => settings, ...(namespace === undefined ? {} : { namespace }) }),
  });
  await operator.start();
  const { manager } = operator.kit;
  await eventually('the metrics port', () => Promise.resolve(manager.address !== undefined));
  return {
    sandbox,
    client,
    used,
    metricsUrl: `${manager.address?.url ?? ''}/metrics`,
    async close() {
      operator.stop();
      await operator.exited;
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await client.close();
      await sandbox.close();
    },
  };
}

/** Resolves when the condition holds; rejects after half a minute, naming what was waited for. */
export async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  while (!(await condition())) {
    if (deadline.aborted) throw new Error(`waited in vain for ${what}`);
    await pause(50);
  }
}

async function installCrds(client: KubeClient): Promise<void> {
  for (const file of readdirSync(generatedCrds)) {
    const crd = parse(readFileSync(path.join(generatedCrds, file), 'utf8')) as KubeObject & {
      readonly spec: { readonly names: { plural: string } };
    };
    await client.create(definitions, crd);
    const { plural } = crd.spec.names;
    const served = (): Promise<boolean> =>
      client.text(`/apis/prow.k8s.io/v1/${plural}`).then(
        () => true,
        () => false,
      );
    await eventually(plural, served);
  }
}

const kubeconfigFor = (server: string): unknown => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'proxy',
  contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy', namespace: 'default' } }],
  clusters: [{ name: 'proxy', cluster: { server } }],
  users: [{ name: 'proxy', user: {} }],
});

function forward({ url, caPem, token }: Sandbox, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
  const onward = request(`${url}${incoming.url ?? ''}`, { method: incoming.method, headers, ca: caPem }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
    answer.on('error', () => outgoing.destroy());
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

const writeVerbs = new Map([
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
]);

/** The right that a request needs, as Kubernetes' authorisation sees it: "verb group/resource" or "verb group/resource/subresource". */
export function permissionOf({ method = 'GET', url = '' }: Pick<IncomingMessage, 'method' | 'url'>): string {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const parts = pathname.split('/').filter((part) => part !== '');
  const group = parts[0] === 'apis' ? parts[1] : '';
  const rest = parts.slice(parts[0] === 'apis' ? 3 : 2);
  const [resource = '', name, subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const read = searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  const remove = name === undefined ? 'deletecollection' : 'delete';
  const verb = writeVerbs.get(method) ?? (method === 'DELETE' ? remove : read);
  return `${verb} ${group ?? ''}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
}
