/** Where things lie. Everything that a cluster writes is below `.state`, everything that outlives it (programs, images) below `.cache`. */
import path from 'node:path';

const here = import.meta.dirname;

export const repositoryRoot = path.join(here, '..', '..');
export const buildDir = path.join(here, 'build');
export const cacheDir = path.join(here, '.cache');
export const stateDir = path.join(here, '.state');
export const recordFile = path.join(stateDir, 'record.json');
/** The administrator's kubeconfig of the cluster that is up. */
export const kubeconfigFile = path.join(stateDir, 'kubeconfig');
