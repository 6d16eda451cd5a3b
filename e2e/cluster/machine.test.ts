import { expect, test } from 'vitest';
import { ClusterError } from './errors.ts';
import { checkMachine, missingPackages } from './debian.ts';
import { givenCluster } from './given.ts';
import { mountsBelow } from './machine.ts';
import { parseRecord } from './record.ts';
import { until } from './terminal.ts';

const mountInfo = [
  '22 1 0:21 / / rw - ext4 /dev/vda rw',
  '30 22 0:30 / /state rw - tmpfs tmpfs rw',
  '31 30 0:31 / /state/pods/a rw - tmpfs tmpfs rw',
  '32 31 0:32 / /state/pods/a/with\\040space rw - tmpfs tmpfs rw',
  '33 22 0:33 / /state-of-others rw - tmpfs tmpfs rw',
  '',
].join('\n');

test('mounts below a directory: the deepest first, none of a neighbour with a similar name', () => {
  expect(mountsBelow('/state', mountInfo)).toEqual(['/state/pods/a/with space', '/state/pods/a', '/state']);
  expect(mountsBelow('/state/pods/b', mountInfo)).toEqual([]);
});

test.each([
  ['nothing is there', () => false, ['containerd', 'runc', 'containernetworking-plugins', 'iptables', 'conntrack', 'nftables', 'iproute2']],
  ['everything is there', () => true, []],
  ['one program is missing', (file: string) => !file.includes('runc'), ['runc']],
] as const)('packages to install when %s', (_what, exists, missing) => {
  expect(missingPackages(exists)).toEqual(missing);
});

test.each([
  ['darwin', 0],
  ['linux', 1000],
] as const)('refuses %s with user id %d, and says what else can be done', (platform, uid) => {
  expect(() => checkMachine(platform, uid)).toThrow(/root on Linux.*E2E_USE_CURRENT_CLUSTER/);
});

test('root on Linux will do', () => {
  expect(() => checkMachine('linux', 0)).not.toThrow();
});

test('a cluster is used only when it was asked for by name', () => {
  expect(givenCluster({ KUBECONFIG: import.meta.filename })).toBeUndefined();
  expect(() => givenCluster({ E2E_USE_CURRENT_CLUSTER: '1' })).toThrow(ClusterError);
  expect(givenCluster({ E2E_USE_CURRENT_CLUSTER: '1', KUBECONFIG: import.meta.filename })).toMatchObject({ kind: 'given' });
});

test('a given cluster stays up', async () => {
  const given = givenCluster({ E2E_USE_CURRENT_CLUSTER: '1', KUBECONFIG: import.meta.filename });
  await expect(given?.down()).resolves.toBeUndefined();
});

test.each(['{}', '{"processes":[],"plan":{}}', '{"processes":{},"plan":{},"sysctls":{},"absent":[]}'])('%s is no record', (text) => {
  expect(() => parseRecord(text, 'record.json')).toThrow(/record\.json is not the record of a cluster/);
});

test('waiting ends with what the last try said, or at once when it cannot succeed any more', async () => {
  const failing = (): never => {
    throw new Error('connection refused');
  };
  await expect(until('etcd', failing, { timeoutMs: 5, everyMs: 1 })).rejects.toThrow(/etcd: not within.*\nLast try: connection refused/);
  await expect(until('etcd', () => false, { timeoutMs: 60_000, everyMs: 1, failed: () => 'etcd has ended' })).rejects.toThrow(
    'etcd has ended',
  );
});
