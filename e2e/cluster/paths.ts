/**
 * Where things lie. Everything that a cluster writes is below `.state`, everything that outlives it (programs, images) below `.cache`. A socket's
 * path may have no more than about a hundred characters, so a checkout with a long name keeps its state elsewhere, under a name of its own.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';

const here = import.meta.dirname;

export const repositoryRoot = path.join(here, '..', '..');
export const buildDir = path.join(here, 'build');
export const cacheDir = path.join(here, '.cache');

/** `.state` and the longest socket below it have to fit into sockaddr_un. */
const longestStateDir = 80;

/** Where the cluster of this checkout keeps its state. */
export function stateDirOf(clusterDir: string): string {
  const beside = path.join(clusterDir, '.state');
  if (beside.length <= longestStateDir) return beside;
  return path.join('/var/lib', `prow-e2e-${createHash('sha256').update(clusterDir).digest('hex').slice(0, 12)}`);
}

export const stateDir = stateDirOf(here);
export const recordFile = path.join(stateDir, 'record.json');
/** The administrator's kubeconfig of the cluster that is up. */
export const kubeconfigFile = path.join(stateDir, 'kubeconfig');
