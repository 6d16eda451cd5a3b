/**
 * What the cluster needs of the machine: root on Linux, and a few programs that Debian packages bring. Missing packages are installed;
 * where that is not possible the message says what to install. Nothing is removed again: the packages start no service of their own here.
 */
import { existsSync } from 'node:fs';
import { command } from './commands.ts';
import { ClusterError } from './errors.ts';
import { say, step } from './terminal.ts';

interface Need {
  readonly package: string;
  /** One of these files shows that it is there. */
  readonly files: readonly string[];
}

const needs: readonly Need[] = [
  { package: 'containerd', files: ['/usr/bin/containerd', '/usr/local/bin/containerd'] },
  { package: 'runc', files: ['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc'] },
  { package: 'containernetworking-plugins', files: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'] },
  { package: 'iptables', files: ['/usr/sbin/iptables', '/sbin/iptables'] },
  { package: 'conntrack', files: ['/usr/sbin/conntrack'] },
  { package: 'nftables', files: ['/usr/sbin/nft', '/sbin/nft'] },
  { package: 'iproute2', files: ['/usr/bin/ip', '/usr/sbin/ip', '/sbin/ip'] },
];

/** Throws unless this is Linux and the user is root. */
export function checkMachine(platform: NodeJS.Platform = process.platform, uid: number | undefined = process.getuid?.()): void {
  if (platform === 'linux' && uid === 0) return;
  throw new ClusterError(
    'A one-node cluster without docker needs root on Linux: it makes network namespaces, mounts and cgroups. ' +
      'Run it as root, or start docker and put `kind` on PATH, or set E2E_USE_CURRENT_CLUSTER=1 and KUBECONFIG.',
  );
}

/** The packages whose files are not there. */
export const missingPackages = (exists: (file: string) => boolean = existsSync): readonly string[] =>
  needs.filter(({ files }) => !files.some(exists)).map((need) => need.package);

/** Installs what is missing with apt-get. */
export async function ensurePackages(): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (!existsSync('/usr/bin/apt-get')) {
    throw new ClusterError(`These programs are missing, and this is no Debian: ${missing.join(', ')}. Install them, then try again.`);
  }
  say(`missing Debian packages: ${missing.join(', ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await step('apt-get update', () => command('apt-get', ['update', '-qq'], { env }));
  await step('apt-get install', () => command('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env }));
}

/** Where the CNI plugins are. */
export const cniPluginDir = (): string => (existsSync('/usr/lib/cni/bridge') ? '/usr/lib/cni' : '/opt/cni/bin');
