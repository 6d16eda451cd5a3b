/**
 * Parts of a measurement as processes of their own, so that none waits for another's event loop. The parent forks the file, is told when it is
 * ready, and ends it; a child whose parent is gone ends by itself.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { clientOf } from '../../scenarios/installation.ts';

export interface Child {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Starts `node FILE KUBECONFIG`. Resolves when it says that it is ready; rejects when it ends before. */
export async function startChild(file: string, kubeconfig: string, ...rest: readonly string[]): Promise<Child> {
  const child = fork(file, [kubeconfig, ...rest], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  const ended = exited.then(() => {
    throw new Error(`${file} ended before it was ready`);
  });
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => undefined);
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  return { pid: child.pid ?? 0, stop };
}

/** The other side: does what the file is for, says that it is ready, and lives until the parent ends it. */
export async function beChild(work: (client: KubeClient, args: readonly string[]) => Promise<void>): Promise<void> {
  const [kubeconfig = '', ...rest] = process.argv.slice(2);
  process.on('disconnect', () => process.exit(0));
  await work(clientOf(kubeconfig), rest);
  process.send?.('ready');
}
