/**
 * The cluster of the end-to-end tests: `node e2e/cluster/cluster.ts up|down|status|load IMAGE.tar…`. Where it comes from, the first that
 * applies: the one that KUBECONFIG names, if E2E_USE_CURRENT_CLUSTER=1; kind, where docker answers and kind is there; else one node made
 * of processes of this machine. A cluster that was given is never taken down, and no cluster that was not asked for is touched.
 */
import { existsSync } from 'node:fs';
import { ClusterError } from './errors.ts';
import { givenCluster } from './given.ts';
import { kindCluster } from './kind.ts';
import { downLocal, loadLocal, statusLocal, upLocal } from './local.ts';
import { kubeconfigFile, recordFile } from './paths.ts';
import type { Cluster } from './provider.ts';
import { say } from './terminal.ts';

const localCluster: Cluster = {
  kind: 'local',
  kubeconfig: kubeconfigFile,
  up: upLocal,
  down: downLocal,
  status: () => Promise.resolve(statusLocal()),
  load: loadLocal,
};

/** The cluster to use here. */
export async function chooseCluster(): Promise<Cluster> {
  const given = givenCluster(process.env);
  if (given !== undefined) return given;
  // One that is up is the one that is meant, whatever has been installed since.
  if (existsSync(recordFile)) return localCluster;
  return (await kindCluster()) ?? localCluster;
}

const usage = 'usage: node e2e/cluster/cluster.ts up | down | status | load IMAGE.tar… | kubeconfig';

async function main([verb = '', ...rest]: readonly string[]): Promise<number> {
  const cluster = await chooseCluster();
  switch (verb) {
    case 'up':
      await cluster.up();
      return 0;
    case 'down':
      await cluster.down();
      return 0;
    case 'status':
      return (await cluster.status()) ? 0 : 1;
    case 'load':
      await cluster.load(rest);
      return 0;
    case 'kubeconfig':
      process.stdout.write(`${cluster.kubeconfig}\n`);
      return 0;
    default:
      process.stderr.write(`${usage}\n`);
      return 2;
  }
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
