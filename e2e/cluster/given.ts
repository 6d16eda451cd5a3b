/** A cluster that the user names. It is used as it is, and never taken down. */
import { existsSync } from 'node:fs';
import type { Cluster } from './provider.ts';
import { kubernetesTool } from '../../tools/helm.ts';
import { command } from './commands.ts';
import { ClusterError } from './errors.ts';
import { say } from './terminal.ts';

/** The cluster of KUBECONFIG, when E2E_USE_CURRENT_CLUSTER=1 asks for it. Throws when it asks but names none. */
export function givenCluster(env: Readonly<Record<string, string | undefined>>): Cluster | undefined {
  if (env.E2E_USE_CURRENT_CLUSTER !== '1') return undefined;
  const file = env.KUBECONFIG ?? '';
  if (!existsSync(file)) throw new ClusterError('E2E_USE_CURRENT_CLUSTER=1 needs KUBECONFIG to name the one file of that cluster.');
  const answers = async (): Promise<boolean> => {
    const version = await command(kubernetesTool('kubectl'), ['--kubeconfig', file, 'get', '--raw', '/version']);
    say(`the cluster of ${file} answers: ${(JSON.parse(version) as { gitVersion: string }).gitVersion}`);
    return true;
  };
  return {
    kind: 'given',
    kubeconfig: file,
    up: async () => {
      await answers();
    },
    down: () => {
      say(`the cluster of ${file} was given; it stays up`);
      return Promise.resolve();
    },
    status: answers,
    load: (archives) => {
      say(`images cannot be loaded into a given cluster: its nodes must be able to pull, or know already, ${archives.join(', ')}`);
      return Promise.resolve();
    },
  };
}
