/**
 * The files that the cluster's programs read, as text. Pure: what is written where follows from the plan alone. The settings that look odd
 * are explained where they stand; each was needed on a machine whose root lacks some rights or whose cgroups are of both versions.
 */
import path from 'node:path';
import { stringify } from 'yaml';
import type { Plan } from './plan.ts';
import type { KeyPair } from './pki.ts';

/** How a client shows who it is. */
export type Credentials = KeyPair | { readonly token: string };

export const pauseImage = 'localhost/prow-e2e/pause:1';

/** Where things of the state directory are; every path that two parts must agree on. */
export function places(plan: Pick<Plan, 'stateDir'>) {
  const below = (...parts: readonly string[]): string => path.join(plan.stateDir, ...parts);
  return {
    containerdSocket: below('cri.sock'),
    containerdConfig: below('containerd.toml'),
    containerdRoot: below('containerd', 'root'),
    containerdState: below('containerd', 'state'),
    containerdOpt: below('containerd', 'opt'),
    runcRoot: below('runc'),
    cniConfDir: below('cni'),
    cniDataDir: below('cni-data'),
    etcdData: below('etcd'),
    kubeletRoot: below('kubelet'),
    kubeletConfig: below('kubelet.yaml'),
    volumePlugins: below('volume-plugins'),
    podLogs: below('pod-logs'),
    proxyConfig: below('kube-proxy.yaml'),
    logs: below('logs'),
    pki: (name: string): string => below('pki', name),
    kubeconfig: (name: string): string => below('kubeconfigs', name),
  };
}

/** Where clients reach the API server. */
export const serverUrl = (plan: Plan): string => `https://${plan.gateway}:${plan.ports.apiServer}`;

/** A kubeconfig with everything in it, so that it can be copied elsewhere on this machine. */
export function kubeconfigText(plan: Plan, caPem: string, credentials: Credentials): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const name = plan.nodeName;
  const user =
    'token' in credentials
      ? { token: credentials.token }
      : { 'client-certificate-data': base64(credentials.certPem), 'client-key-data': base64(credentials.keyPem) };
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: serverUrl(plan), 'certificate-authority-data': base64(caPem) } }],
      users: [{ name, user }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    },
    { lineWidth: 0 },
  );
}

/** A TOML string. */
const quoted = (text: string): string => JSON.stringify(text);

/** containerd's configuration: everything it writes is below the state directory, the network namespaces too. */
export function containerdToml(plan: Plan): string {
  const at = places(plan);
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${quoted(at.containerdRoot)}
state = ${quoted(at.containerdState)}

[grpc]
  address = ${quoted(at.containerdSocket)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${quoted(at.containerdOpt)}

[${cri}]
  sandbox_image = ${quoted(pauseImage)}
  # Without CAP_SYS_RESOURCE a lower oom_score_adj is refused, and with it every sandbox.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [${cri}.cni]
    bin_dir = ${quoted(plan.cniPluginDir)}
    conf_dir = ${quoted(at.cniConfDir)}
  [${cri}.containerd]
    snapshotter = ${quoted(plan.snapshotter)}
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        Root = ${quoted(at.runcRoot)}
`;
}

/** The pod network: one bridge, its address is the gateway. No masquerading: pods reach this machine and each other, and nothing else. */
export function cniConfig(plan: Plan): string {
  const ipam = {
    type: 'host-local',
    dataDir: places(plan).cniDataDir,
    ranges: [[{ subnet: plan.podCidr, gateway: plan.gateway }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: plan.bridge, isGateway: true, hairpinMode: true, ipam };
  return JSON.stringify({ cniVersion: '1.0.0', name: plan.bridge, plugins: [bridge] }, null, 2);
}

/** The kubelet's configuration. */
export function kubeletConfig(plan: Plan): string {
  const at = places(plan);
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: plan.gateway,
    port: plan.ports.kubelet,
    healthzPort: plan.ports.kubeletHealth,
    tlsCertFile: at.pki('kubelet.crt'),
    tlsPrivateKeyFile: at.pki('kubelet.key'),
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: at.pki('ca.crt') } },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${at.containerdSocket}`,
    podCIDR: plan.podCidr,
    podLogsDir: at.podLogs,
    volumePluginDir: at.volumePlugins,
    // Pods resolve no names of the outside: there is no DNS add-on, and the machine's own resolver is none of their business.
    resolvConf: '',
    // Machines with cgroups of both versions have no tree that the kubelet could divide: containers get cgroups, pods do not.
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    makeIPTablesUtilChains: false,
    // A disk that is nearly full must not evict the tests, and no image may be collected: there is nowhere to pull it from again.
    evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    // Changes reach pods as fast as the kubelet can: the tests wait for them.
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '5s',
    maxPods: 200,
  });
}

/** kube-proxy in nftables mode. Everything is masqueraded: pods on one bridge answer each other directly otherwise, past the translation. */
export function proxyConfig(plan: Plan): string {
  return stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: places(plan).kubeconfig('kube-proxy') },
    clusterCIDR: plan.podCidr,
    hostnameOverride: plan.nodeName,
    bindAddress: plan.gateway,
    healthzBindAddress: `127.0.0.1:${plan.ports.proxyHealth}`,
    metricsBindAddress: `127.0.0.1:${plan.ports.proxyMetrics}`,
    nodePortAddresses: [`${plan.gateway}/32`],
    nftables: { masqueradeAll: true },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  });
}
