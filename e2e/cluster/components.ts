/** The command line of each of the cluster's programs, and how to ask it whether it is ready. Pure; they follow from the plan alone. */
import { places, serverUrl } from './configFiles.ts';
import type { Plan } from './plan.ts';

export type ComponentName =
  'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'containerd' | 'kubelet' | 'kube-proxy';

/** The gateway of a server that has no bridge and serves this machine alone. */
export const loopback = '127.0.0.1';

/** `--name=value` for each entry. */
const flags = (values: Readonly<Record<string, string | number | boolean>>): readonly string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${String(value)}`);

/** What to pass to a program. */
export const argumentsOf = (name: ComponentName, plan: Plan): readonly string[] => argumentBuilders[name](plan);

const argumentBuilders: Readonly<Record<ComponentName, (plan: Plan) => readonly string[]>> = {
  etcd: (plan) => {
    const client = etcdUrl(plan);
    const peer = `http://127.0.0.1:${plan.ports.etcdPeer}`;
    return flags({
      'data-dir': places(plan).etcdData,
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
      // The data lives as long as the test run; a disk that other work keeps busy must not make the API server time out.
      'unsafe-no-fsync': true,
    });
  },
  containerd: (plan) => ['--config', places(plan).containerdConfig],
  'kube-apiserver': apiServerArguments,
  'kube-controller-manager': (plan) => {
    const at = places(plan);
    const kubeconfig = at.kubeconfig('kube-controller-manager');
    return flags({
      kubeconfig,
      'authentication-kubeconfig': kubeconfig,
      'authorization-kubeconfig': kubeconfig,
      'bind-address': '127.0.0.1',
      'secure-port': plan.ports.controllerManager,
      'root-ca-file': at.pki('ca.crt'),
      'service-account-private-key-file': at.pki('sa.key'),
      'use-service-account-credentials': true,
      'leader-elect': false,
      'flex-volume-plugin-dir': at.volumePlugins,
      // A node that is silent so long is lost. The kubelet speaks every 5 s; by default nearly a minute is waited, and tests would wait too.
      'node-monitor-grace-period': '30s',
    });
  },
  'kube-scheduler': (plan) => {
    const kubeconfig = places(plan).kubeconfig('kube-scheduler');
    return flags({
      kubeconfig,
      'authentication-kubeconfig': kubeconfig,
      'authorization-kubeconfig': kubeconfig,
      'bind-address': '127.0.0.1',
      'secure-port': plan.ports.scheduler,
      'leader-elect': false,
    });
  },
  kubelet: (plan) => {
    const at = places(plan);
    return flags({
      config: at.kubeletConfig,
      kubeconfig: at.kubeconfig('kubelet'),
      'root-dir': at.kubeletRoot,
      'cert-dir': at.pki(''),
      'hostname-override': plan.nodeName,
      'node-ip': plan.gateway,
    });
  },
  'kube-proxy': (plan) => flags({ config: places(plan).proxyConfig }),
};

const etcdUrl = (plan: Plan): string => `http://127.0.0.1:${plan.ports.etcd}`;

function apiServerArguments(plan: Plan): readonly string[] {
  const { pki } = places(plan);
  return flags({
    'etcd-servers': etcdUrl(plan),
    // Only on the bridge: pods and this machine reach it, the machine's network does not.
    'bind-address': plan.gateway,
    'advertise-address': plan.gateway,
    'secure-port': plan.ports.apiServer,
    'tls-cert-file': pki('kube-apiserver.crt'),
    'tls-private-key-file': pki('kube-apiserver.key'),
    'client-ca-file': pki('ca.crt'),
    'token-auth-file': pki('tokens.csv'),
    'kubelet-certificate-authority': pki('ca.crt'),
    'kubelet-client-certificate': pki('kubelet-client.crt'),
    'kubelet-client-key': pki('kubelet-client.key'),
    'kubelet-preferred-address-types': 'InternalIP',
    'service-cluster-ip-range': plan.serviceCidr,
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': pki('sa.pub'),
    'service-account-signing-key-file': pki('sa.key'),
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': true,
    // Endpoints may not be of this machine alone: the `kubernetes` Service of such a server stays without one.
    ...(plan.gateway === loopback ? { 'endpoint-reconciler-type': 'none' } : {}),
  });
}

/** An address that answers 200 when the program is ready; undefined for those that are asked in another way. */
export function healthUrl(name: ComponentName, plan: Plan): string | undefined {
  const { ports } = plan;
  const urls: Partial<Record<ComponentName, string>> = {
    etcd: `${etcdUrl(plan)}/health`,
    'kube-apiserver': `${serverUrl(plan)}/readyz`,
    'kube-controller-manager': `https://127.0.0.1:${ports.controllerManager}/healthz`,
    'kube-scheduler': `https://127.0.0.1:${ports.scheduler}/readyz`,
    kubelet: `http://127.0.0.1:${ports.kubeletHealth}/healthz`,
    'kube-proxy': `http://127.0.0.1:${ports.proxyHealth}/healthz`,
  };
  return urls[name];
}
