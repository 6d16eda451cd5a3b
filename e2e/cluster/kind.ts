/** The cluster as a container, where docker answers and kind is installed. It has a name of its own; other kind clusters are not touched. */
import { mkdir, rm } from 'node:fs/promises';
import type { Cluster } from './provider.ts';
import { command, succeeds } from './commands.ts';
import { kubeconfigFile, stateDir } from './paths.ts';
import { say, step } from './terminal.ts';
import { ensureTestImages } from './testImages.ts';

const name = 'prow-operator-e2e';

/** Undefined where kind cannot be used. */
export async function kindCluster(): Promise<Cluster | undefined> {
  const usable = (await succeeds('docker', ['info'])) && (await succeeds('kind', ['version']));
  if (!usable) return undefined;
  const exists = async (): Promise<boolean> => (await command('kind', ['get', 'clusters'])).split('\n').includes(name);
  const load = async (archives: readonly string[]): Promise<void> => {
    for (const archive of archives) {
      await step(`load ${archive}`, () => command('kind', ['load', 'image-archive', archive, '--name', name]));
    }
  };
  return {
    kind: 'kind',
    kubeconfig: kubeconfigFile,
    up: async () => {
      await mkdir(stateDir, { recursive: true });
      if (await exists()) await command('kind', ['export', 'kubeconfig', '--name', name, '--kubeconfig', kubeconfigFile]);
      else
        await step('kind create cluster', () =>
          command('kind', ['create', 'cluster', '--name', name, '--kubeconfig', kubeconfigFile, '--wait', '3m']),
        );
      await load(await ensureTestImages());
      say(`is up: export KUBECONFIG=${kubeconfigFile}`);
    },
    down: async () => {
      if (await exists())
        await step('kind delete cluster', () => command('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', kubeconfigFile]));
      await rm(stateDir, { recursive: true, force: true });
    },
    status: async () => {
      const up = await exists();
      say(up ? `the kind cluster ${name} is up, export KUBECONFIG=${kubeconfigFile}` : 'no cluster is up');
      return up;
    },
    load,
  };
}
