/** What the programs read is held to what they have in common: addresses, paths, certificates. */
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { argumentsOf, healthUrl } from './components.ts';
import type { ComponentName } from './components.ts';
import { cniConfig, containerdToml, kubeconfigText, kubeletConfig, pauseImage, places, proxyConfig, serverUrl } from './configFiles.ts';
import type { Plan } from './plan.ts';

const plan: Plan = {
  stateDir: '/state',
  binDir: '/bin',
  cniPluginDir: '/plugins',
  nodeName: 'node-1',
  bridge: 'br9',
  podCidr: '10.9.0.0/24',
  gateway: '10.9.0.1',
  serviceCidr: '10.8.0.0/16',
  serviceIp: '10.8.0.1',
  snapshotter: 'overlayfs',
  ports: {
    apiServer: 1,
    etcd: 2,
    etcdPeer: 3,
    kubelet: 4,
    kubeletHealth: 5,
    controllerManager: 6,
    scheduler: 7,
    proxyHealth: 8,
    proxyMetrics: 9,
  },
};
const components: readonly ComponentName[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'containerd',
  'kubelet',
  'kube-proxy',
];

test('kubelet and containerd meet at one socket, below the state directory like all they write', () => {
  const kubelet = parse(kubeletConfig(plan));
  expect(kubelet.containerRuntimeEndpoint).toBe('unix:///state/cri.sock');
  const toml = containerdToml(plan);
  expect(toml).toContain('address = "/state/cri.sock"');
  expect(toml).toContain(`sandbox_image = "${pauseImage}"`);
  const written = [...toml.matchAll(/^\s*(?:root|state|path|address|Root|conf_dir) = "(.*)"/gm)].map(([, file]) => file);
  expect(written).toHaveLength(6);
  for (const file of [...written, kubelet.podLogsDir, kubelet.volumePluginDir]) expect(file).toMatch(/^\/state\//);
});

test('the kubelet lets in whom the API server approves of, and nobody else', () => {
  expect(parse(kubeletConfig(plan))).toMatchObject({
    address: plan.gateway,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true } },
    authorization: { mode: 'Webhook' },
  });
});

test('the API server enforces RBAC and the Node authoriser, and listens on the bridge alone', () => {
  const args = argumentsOf('kube-apiserver', plan);
  expect(args).toEqual(
    expect.arrayContaining([
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--bind-address=10.9.0.1',
      '--advertise-address=10.9.0.1',
      '--secure-port=1',
    ]),
  );
  expect(serverUrl(plan)).toBe('https://10.9.0.1:1');
});

test('pods get addresses of the range behind the bridge, and kube-proxy takes the same range for theirs', () => {
  const [bridge] = (JSON.parse(cniConfig(plan)) as { plugins: { bridge: string; ipam: { ranges: unknown } }[] }).plugins;
  expect(bridge).toMatchObject({ bridge: 'br9', ipam: { ranges: [[{ subnet: '10.9.0.0/24', gateway: '10.9.0.1' }]] } });
  expect(parse(proxyConfig(plan))).toMatchObject({ mode: 'nftables', clusterCIDR: '10.9.0.0/24', hostnameOverride: 'node-1' });
});

test.each(components)('%s gets no undefined value and only paths of the plan', (name) => {
  const args = argumentsOf(name, plan);
  expect(args.join(' ')).not.toMatch(/undefined|\[object/);
  for (const path of args.flatMap((arg) => /[= ](\/[^,]*)$/.exec(arg)?.[1] ?? [])) expect(path).toMatch(/^\/state\//);
});

test('each program but containerd is asked at its own address', () => {
  const urls = components.map((name) => healthUrl(name, plan)).filter((url) => url !== undefined);
  expect(new Set(urls).size).toBe(components.length - 1);
});

test.each([
  ['a token', { token: 'secret' }, { token: 'secret' }],
  ['a certificate', { certPem: 'C', keyPem: 'K' }, { 'client-certificate-data': 'Qw==', 'client-key-data': 'Sw==' }],
] as const)('a kubeconfig with %s holds all it needs', (_what, credentials, user) => {
  const config = parse(kubeconfigText(plan, 'CA', credentials));
  expect(config.users[0].user).toEqual(user);
  expect(config.clusters[0].cluster).toEqual({ server: 'https://10.9.0.1:1', 'certificate-authority-data': 'Q0E=' });
  expect(config.contexts[0]).toEqual({ name: config['current-context'], context: { cluster: 'node-1', user: 'node-1' } });
});

test('two places never coincide', () => {
  const paths = Object.values(places(plan)).filter((value) => typeof value === 'string');
  expect(new Set(paths).size).toBe(paths.length);
});
