import { expect, test } from 'vitest';
import { ClusterError } from './errors.ts';
import { cacheKey, linkerFlags, programs, readModule, versionsOf } from './versions.ts';

test.each([
  ['single lines', 'module x\nrequire k8s.io/kubernetes v1.36.3\nrequire go.etcd.io/etcd/server/v3 v3.6.8\n'],
  ['a block', 'require (\n\tk8s.io/kubernetes v1.36.3\n\tgo.etcd.io/etcd/server/v3 v3.6.8 // indirect\n)\n'],
])('reads the versions from %s', (_what, goMod) => {
  expect(versionsOf(goMod)).toEqual({ kubernetes: 'v1.36.3', etcd: 'v3.6.8' });
});

test('a module that is missing is named', () => {
  expect(() => versionsOf('require k8s.io/kubernetes v1.36.3')).toThrow(ClusterError);
  expect(() => versionsOf('require k8s.io/kubernetes v1.36.3')).toThrow(/go\.etcd\.io\/etcd\/server\/v3/);
});

test('the committed module pins both, and replaces every staging module with the release of the same number', () => {
  const { goMod } = readModule();
  const { kubernetes } = versionsOf(goMod);
  const staged = [...goMod.matchAll(/=> k8s\.io\/\S+ (\S+)/g)].map(([, version]) => version);
  expect(staged.length).toBeGreaterThan(20);
  expect(new Set(staged)).toEqual(new Set([kubernetes.replace(/^v1\./, 'v0.')]));
});

test('programs say their version', () => {
  expect(linkerFlags('v1.36.3')).toBe(
    '-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36',
  );
});

test('another module, lock or compiler is another cache entry', () => {
  const keys = [
    cacheKey('a', 'b', 'c'),
    cacheKey('x', 'b', 'c'),
    cacheKey('a', 'x', 'c'),
    cacheKey('a', 'b', 'x'),
    cacheKey('ab', '', 'c'),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(cacheKey('a', 'b', 'c')).toBe(keys[0]);
});

test('no two programs have one name', () => {
  expect(new Set(programs.map(({ name }) => name)).size).toBe(programs.length);
});
