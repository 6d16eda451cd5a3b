/**
 * What a cluster will be: names, addresses, ports. Made once, before anything is changed, from what the machine has free; kept in the
 * record so that every later command speaks of the same things.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { ClusterError } from './errors.ts';

const portNames = [
  'apiServer',
  'etcd',
  'etcdPeer',
  'kubelet',
  'kubeletHealth',
  'controllerManager',
  'scheduler',
  'proxyHealth',
  'proxyMetrics',
] as const;
export type PortName = (typeof portNames)[number];

export interface Plan {
  readonly stateDir: string;
  readonly binDir: string;
  readonly cniPluginDir: string;
  readonly nodeName: string;
  /** The link that pods are connected to. */
  readonly bridge: string;
  readonly podCidr: string;
  /** The bridge's own address: the node's, the API server's and the kubelet's. */
  readonly gateway: string;
  readonly serviceCidr: string;
  /** The address of the `kubernetes` Service. */
  readonly serviceIp: string;
  readonly snapshotter: 'overlayfs' | 'native';
  readonly ports: Readonly<Record<PortName, number>>;
}

export const bridgeName = 'prow-e2e0';
export const nodeName = 'prow-e2e';
const wantedApiServerPort = 6443;

export interface Subnets {
  readonly pods: string;
  readonly services: string;
}

/** A pair of ranges that none of the machine's routes touches. Throws when even the last is in use. */
export function chooseSubnets(routes: readonly string[]): Subnets {
  const taken = routes.filter((route) => route !== 'default').map(parseCidr);
  const isFree = (cidr: string): boolean => !taken.some((other) => overlap(parseCidr(cidr), other));
  for (let second = 244; second < 254; second += 1) {
    const pods = `10.${second}.0.0/24`;
    const services = `10.${second - 148}.0.0/16`;
    if (isFree(pods) && isFree(services)) return { pods, services };
  }
  throw new ClusterError('Every range from 10.244.0.0/24 to 10.253.0.0/24 is routed already on this machine: see `ip route`.');
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function parseCidr(cidr: string): Range {
  const [address = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = value - (value % size);
  return { first, last: first + size - 1 };
}

const overlap = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last;

/** The address of a range by its number: `nth('10.96.0.0/16', 1)` is 10.96.0.1. */
export function nthAddress(cidr: string, n: number): string {
  const value = parseCidr(cidr).first + n;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Free ports on all addresses; for the API server the wanted one unless somebody has it, 0 for any. */
export async function choosePorts(wantedApiServer = wantedApiServerPort): Promise<Record<PortName, number>> {
  const held: { readonly name: PortName; readonly port: number; readonly release: () => Promise<void> }[] = [];
  for (const name of portNames) held.push({ name, ...(await holdPort(name === 'apiServer' ? wantedApiServer : 0)) });
  for (const { release } of held) await release();
  return Object.fromEntries(held.map(({ name, port }) => [name, port])) as Record<PortName, number>;
}

async function holdPort(wanted: number): Promise<{ port: number; release: () => Promise<void> }> {
  const server = createServer();
  server.listen(wanted, '0.0.0.0');
  try {
    await once(server, 'listening');
  } catch (error) {
    if (wanted === 0) throw error;
    return await holdPort(0);
  }
  const release = async (): Promise<void> => {
    server.close();
    await once(server, 'close');
  };
  return { port: (server.address() as AddressInfo).port, release };
}
