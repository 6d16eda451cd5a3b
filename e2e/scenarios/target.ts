/**
 * Which cluster the stories run on: the sandbox, or the one that E2E_KUBECONFIG names. A cluster that nobody named is never touched.
 * E2E_OPERATOR=process: there, run the operator from source instead of installing it by helm.
 */
import { HelmInstallation } from './helmInstallation.ts';
import type { Installation, InstallOptions } from './installation.ts';
import { installBeside, installOnSandbox } from './sandboxCluster.ts';

const kubeconfig = (): string => process.env.E2E_KUBECONFIG ?? '';
const asProcess = (): boolean => process.env.E2E_OPERATOR === 'process';

export const targetName = (): string => (kubeconfig() === '' ? 'sandbox' : 'cluster');

export function install(options: InstallOptions): Promise<Installation> {
  const file = kubeconfig();
  if (file === '') return installOnSandbox(options);
  if (asProcess()) return installBeside(file, options);
  return HelmInstallation.open(file, options);
}
