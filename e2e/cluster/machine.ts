/**
 * What a cluster changes on the machine itself: the pod bridge, kernel settings, kube-proxy's tables, cgroups, mounts. Reads the state of
 * these things, makes them, and takes back exactly what was made.
 */
import { existsSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { command, succeeds } from './commands.ts';
import { ClusterError } from './errors.ts';

/** Settings that the cluster's programs change; read before, written back after. */
const sysctlNames = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/forwarding',
  'net/ipv4/conf/default/forwarding',
  'net/ipv4/conf/all/route_localnet',
  'net/ipv6/conf/all/forwarding',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/netfilter/nf_conntrack_max',
  'net/netfilter/nf_conntrack_tcp_timeout_established',
  'net/netfilter/nf_conntrack_tcp_timeout_close_wait',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

/** Paths that the programs make at fixed places. */
const foreignPaths: readonly string[] = [
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/var/log/containers',
  '/var/log/pods',
  '/run/containerd',
  '/run/netns',
  '/run/xtables.lock',
  '/opt/containerd',
  '/usr/libexec/kubernetes',
];

/** kube-proxy's tables, by family. */
const proxyTables = ['ip', 'ip6'] as const;
const proxyTableName = 'kube-proxy';
const cgroupMount = '/sys/fs/cgroup';

const sysctlFile = (name: string): string => path.join('/proc/sys', name);

/** The settings that exist here, with their values. */
export function readSysctls(): Record<string, string> {
  const existing = sysctlNames.filter((name) => existsSync(sysctlFile(name)));
  return Object.fromEntries(existing.map((name) => [name, readFileSync(sysctlFile(name), 'utf8').trim()]));
}

export function writeSysctls(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const file = sysctlFile(name);
    if (existsSync(file) && readFileSync(file, 'utf8').trim() !== value) writeFileSync(file, value);
  }
}

/** The destinations of all IPv4 routes. */
export async function routes(): Promise<readonly string[]> {
  const listed = JSON.parse(await command('ip', ['-4', '-j', 'route', 'show', 'table', 'all'])) as readonly { readonly dst: string }[];
  return listed.map(({ dst }) => dst);
}

/** Refuses to start where another cluster's things would be taken for ours. */
export async function checkNothingInTheWay(bridge: string): Promise<void> {
  if (existsSync(linkDir(bridge))) {
    const owner = ownerOfBridge(bridge);
    throw new ClusterError(
      `The link ${bridge} exists: another checkout has a cluster up${owner === undefined ? '' : `, see ${owner}`}. ` +
        `Run \`make cluster-down\` there, or \`ip link delete ${bridge}\` if it is a leftover.`,
    );
  }
  if ((await proxyTablesPresent()).length > 0) {
    throw new ClusterError('kube-proxy already keeps nftables tables on this machine: a Kubernetes node runs here. Use that one instead.');
  }
}

const proxyTablesPresent = async (): Promise<readonly string[]> => {
  const answers = await Promise.all(proxyTables.map((family) => succeeds('nft', ['list', 'table', family, proxyTableName])));
  return proxyTables.filter((_family, index) => answers[index]);
};

const linkDir = (link: string): string => path.join('/sys/class/net', link);

/** The record file that the maker of the bridge left on it, so that a later checkout can tell a cluster that runs from what is left of one. */
export function ownerOfBridge(bridge: string): string | undefined {
  const file = path.join(linkDir(bridge), 'ifalias');
  const alias = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return alias === '' ? undefined : alias;
}

/** `owner` is the file of the record that this bridge belongs to. */
export async function makeBridge(bridge: string, address: string, owner: string): Promise<void> {
  await command('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await command('ip', ['link', 'set', 'dev', bridge, 'alias', owner]);
  await command('ip', ['addr', 'add', address, 'dev', bridge]);
  await command('ip', ['link', 'set', bridge, 'up']);
}

/** Removes the bridge, the virtual links that hang on it, and kube-proxy's tables. */
export async function removeNetwork(bridge: string): Promise<void> {
  const port = path.join(linkDir(bridge), 'brif');
  for (const link of existsSync(port) ? readdirSync(port) : []) await succeeds('ip', ['link', 'delete', link]);
  if (existsSync(linkDir(bridge))) await command('ip', ['link', 'delete', bridge]);
  for (const family of await proxyTablesPresent()) await command('nft', ['delete', 'table', family, proxyTableName]);
}

/** The directory of one cgroup in each hierarchy that could have it, of version 1 and 2. */
function cgroupDirs(cgroup: string): readonly string[] {
  if (!existsSync(cgroupMount)) return [];
  const hierarchies = readdirSync(cgroupMount, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return ['', ...hierarchies.map(({ name }) => name)].map((name) => path.join(cgroupMount, name, cgroup));
}

/** Where containerd puts containers when the kubelet names no parent. */
const cgroupParent = 'k8s.io';

/** The containers that a containerd with this state directory knows, running or not. */
export function containerIds(containerdState: string): readonly string[] {
  const tasks = path.join(containerdState, 'io.containerd.runtime.v2.task', cgroupParent);
  return existsSync(tasks) ? readdirSync(tasks) : [];
}

const cgroupsOf = (containers: readonly string[]): readonly string[] =>
  containers.flatMap((id) => cgroupDirs(`${cgroupParent}/${id}`)).filter((dir) => existsSync(dir));

/** The directories inside, the deepest first. */
const inside = (dir: string): readonly string[] =>
  readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [...inside(path.join(dir, name)), path.join(dir, name)]);

/** The ids of all processes of these containers. */
export function processesOf(containers: readonly string[]): readonly number[] {
  const dirs = cgroupsOf(containers).flatMap((dir) => [...inside(dir), dir]);
  const ids = dirs.flatMap((dir) => readFileSync(path.join(dir, 'cgroup.procs'), 'utf8').split('\n'));
  return [...new Set(ids.filter((id) => id !== '').map(Number))];
}

/** Removes the cgroups of containers, the deepest first. Throws EBUSY while a process is in one. */
export function removeCgroups(containers: readonly string[]): void {
  for (const dir of cgroupsOf(containers)) for (const each of [...inside(dir), dir]) rmdirSync(each);
}

/** Paths outside of the state directory that do not exist, and that a cluster will make. */
export const absentPaths = (): readonly string[] => [...foreignPaths, ...cgroupDirs(cgroupParent)].filter((file) => !existsSync(file));

/** The mount points below a directory, the deepest first. */
export function mountsBelow(dir: string, mountInfo: string = readFileSync('/proc/self/mountinfo', 'utf8')): readonly string[] {
  const points = mountInfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.split(' ')[4] ?? '').replaceAll(/\\(\d{3})/g, (_all, octal: string) => String.fromCharCode(parseInt(octal, 8))));
  return points.filter((point) => point === dir || point.startsWith(`${dir}/`)).sort((a, b) => b.length - a.length);
}

/** Unmounts everything below a directory. */
export async function unmountBelow(dir: string): Promise<void> {
  for (let mounts = mountsBelow(dir); mounts.length > 0;) {
    for (const point of mounts) await succeeds('umount', ['--lazy', point]);
    const left = mountsBelow(dir);
    if (left.length >= mounts.length) throw new ClusterError(`${left[0] ?? dir} cannot be unmounted: see \`umount ${left[0] ?? dir}\`.`);
    mounts = left;
  }
}

/** Processes of which one argument is exactly this text: containerd's shims, by the socket that they were started with. */
export function processesWithArgument(argument: string): readonly number[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.filter((id) => argumentsOf(id).includes(argument)).map(Number);
}

function argumentsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** ext4, xfs, btrfs and tmpfs can carry an overlay; on anything else layers are copied. */
const overlayCapable: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994]);

export async function snapshotterFor(dir: string): Promise<'overlayfs' | 'native'> {
  return overlayCapable.has((await statfs(dir)).type) ? 'overlayfs' : 'native';
}
