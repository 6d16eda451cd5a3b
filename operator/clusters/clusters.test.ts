import { describe, expect, it } from 'vitest';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Pod } from '../kube/builtin.ts';
import { Store } from '../runtime/store.ts';
import { LocalClusters } from './clusters.ts';

const refuse = () => Promise.reject(new Error('unused'));
const access = { pods: new Store<Pod>(), writer: { create: refuse, delete: refuse, patch: refuse }, client: { get: refuse } };
const gpu: BuildCluster = {
  metadata: { name: 'any', namespace: 'ci' },
  spec: { alias: 'gpu', kubeconfigSecretRef: { name: 's', key: 'k' } },
};
const declared = new Store<BuildCluster>();
declared.apply({ type: 'ADDED', object: gpu });

describe('LocalClusters', () => {
  it.each([
    { alias: 'default', namespace: 'ci', want: { state: 'ready', access } },
    { alias: 'gpu', namespace: 'ci', want: { state: 'unavailable' } },
    { alias: 'gpu', namespace: 'other', want: { state: 'unknown' } },
    { alias: 'nowhere', namespace: 'ci', want: { state: 'unknown' } },
  ])('$alias for $namespace: $want.state', ({ alias, namespace, want }) => {
    expect(new LocalClusters(access, declared).get(alias, namespace)).toMatchObject(want);
  });
  it('without a cache of BuildClusters knows only its own', () => {
    expect(new LocalClusters(access).get('gpu', 'ci')).toMatchObject({ state: 'unknown' });
  });
});
