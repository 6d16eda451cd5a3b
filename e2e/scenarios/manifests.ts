/** Manifests as a user writes them, short: a shell command, and what is special about it. */
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic, PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import type { JobContainer, JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { ObjectMeta } from '../../operator/kube/objects.ts';
import { testImage } from './installation.ts';

/** Runs until it is stopped. */
export const forever = 'echo started; sleep 3600';

const terminatesAtOnce = { terminationGracePeriodSeconds: 1 };
const shellContainer = (script: string): JobContainer => ({
  image: testImage,
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
});

/** One container with a shell. It ends at once when it is asked to. */
export function shellPod(script: string, rest: Partial<JobPodSpec> = {}): JobPodSpec {
  return { ...terminatesAtOnce, containers: [shellContainer(script)], ...rest };
}

/** A pod that no run made. */
export const plainPod = (name: string, script: string, metadata: Omit<ObjectMeta, 'name'> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name },
  spec: { ...terminatesAtOnce, containers: [{ ...shellContainer(script), name: 'test' }] },
});

/** No node has this label, so the pod waits for one. */
export const nowhere = { nodeSelector: { 'e2e.prow.k8s.io/no-node-has-this': 'true' } };

/** A pod that gets a node and cannot begin there: nobody may pull its image. */
export const withoutImage: JobPodSpec = {
  terminationGracePeriodSeconds: 1,
  containers: [{ image: 'localhost/there-is-no-such-image:1', imagePullPolicy: 'Never' }],
};

export function prowJob(name: string, script: string, spec: Partial<ProwJobSpec> = {}): ProwJob {
  return { apiVersion, kind: 'ProwJob', metadata: { name }, spec: { type: 'periodic', job: name, pod_spec: shellPod(script), ...spec } };
}

export function periodic(name: string, script: string, spec: Partial<PeriodicSpec>): Periodic {
  return { apiVersion, kind: 'Periodic', metadata: { name }, spec: { jobTemplate: { spec: { pod_spec: shellPod(script) } }, ...spec } };
}

export const pluginConfig = (name: string, spec: PluginConfig['spec']): PluginConfig => ({
  apiVersion,
  kind: 'PluginConfig',
  metadata: { name },
  spec,
});

/** A schedule whose time does not come while a story lasts. */
export const rarely = '0 0 1 1 *';
