/** The sandbox with the kinds of prow.k8s.io, and the operator as a process from source. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parse } from 'yaml';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { clientOf, type Installation, type InstallOptions } from './installation.ts';
import { ProcessInstallation } from './processInstallation.ts';

const generated = path.join(import.meta.dirname, '..', '..', 'crds', 'generated');
const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

export async function installOnSandbox(options: InstallOptions): Promise<Installation> {
  const sandbox = await startSandbox();
  const client = clientOf(sandbox.kubeconfigPath);
  try {
    await installCrds(client);
  } finally {
    await client.close();
  }
  return new ProcessInstallation('sandbox', sandbox.kubeconfigPath, options, () => sandbox.close());
}

/** The operator as a process, on a cluster where helm shall not install anything. */
export async function installBeside(kubeconfig: string, options: InstallOptions): Promise<Installation> {
  const client = clientOf(kubeconfig);
  try {
    await installCrds(client);
  } finally {
    await client.close();
  }
  return new ProcessInstallation('cluster, operator as a process', kubeconfig, options);
}

/** Creates the kinds that are not there, and waits until the API serves it. */
export async function installCrds(client: KubeClient): Promise<void> {
  for (const file of readdirSync(generated).filter((name) => name.endsWith('.yaml'))) {
    const crd = parse(readFileSync(path.join(generated, file), 'utf8')) as KubeObject;
    await client.create(definitions, crd).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
  for (const type of [prowJobs, periodics, periodicSets, periodicBackfills, pluginConfigs, buildClusters] as const) {
    while (!(await isServed(client, type))) await wait(20);
  }
}

async function isServed(client: KubeClient, type: ResourceType): Promise<boolean> {
  try {
    await client.list(type, { limit: 1 });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
