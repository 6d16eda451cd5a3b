/** The one-node cluster that stories may break: the one of e2e/cluster, when E2E_KUBECONFIG names it. On any other, nobody's programs are stopped. */
import type { Parts } from '../cluster/parts.ts';
import { partsOfCluster } from '../cluster/secondServer.ts';

export const realCluster: Parts | undefined = partsOfCluster(process.env.E2E_KUBECONFIG ?? '');
