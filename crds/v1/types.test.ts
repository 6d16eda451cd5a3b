import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { buildClusters, periodics, pluginConfigs, prowJobs } from '../resources.ts';
import type { BuildCluster } from './buildCluster.ts';
import type { Periodic } from './periodic.ts';
import type { PluginConfig } from './pluginConfig.ts';
import type { ProwJob } from './prowJob.ts';

const job: ProwJob = {
  metadata: { name: 'a', namespace: 'ns' },
  spec: {
    type: 'presubmit',
    job: 'unit',
    refs: { org: 'acme', repo: 'widget', pulls: [{ number: 1, author: 'ann', sha: 'abc' }] },
    pod_spec: { containers: [{ image: 'x', command: ['make'] }], tolerations: [] },
    decoration_config: { timeout: '2h', default_memory_request: 5 },
  },
  status: { state: 'pending', attempts: [{ number: 1, pod_name: 'a', build_id: '1' }] },
};

describe('the types of the API', () => {
  it('fit the client', () => {
    const types: readonly [ResourceType<ProwJob>, ResourceType<Periodic>, ResourceType<PluginConfig>, ResourceType<BuildCluster>] = [
      prowJobs,
      periodics,
      pluginConfigs,
      buildClusters,
    ];
    const objects: readonly KubeObject[] = [job];
    expect(types.map((type) => type.plural)).toEqual(['prowjobs', 'periodics', 'pluginconfigs', 'buildclusters']);
    expect(objects[0]?.metadata.name).toBe('a');
  });

  it('are closed and cannot be assigned', () => {
    // @ts-expect-error a state that does not exist
    const state: ProwJob['status'] = { state: 'done' };
    // @ts-expect-error a field that does not exist
    const spec: Periodic['spec'] = { cronn: '* * * * *', jobTemplate: { spec: {} } };
    // @ts-expect-error objects from the API are shared
    const assign = (target: ProwJob): unknown => (target.spec.job = 'other');
    expect([state?.state, Object.keys(spec), typeof assign]).toEqual(['done', ['cronn', 'jobTemplate'], 'function']);
  });
});
