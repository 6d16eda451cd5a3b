/**
 * Takes a cluster down to the last trace, from its record alone: it does not matter whether the cluster works, has crashed, or was never
 * finished. Each part can be repeated. Nothing is touched that the record does not name.
 */
import { existsSync, rmdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { places } from './configFiles.ts';
import { ClusterError } from './errors.ts';
import {
  containerIds,
  mountsBelow,
  processesOf,
  processesWithArgument,
  removeCgroups,
  removeNetwork,
  unmountBelow,
  writeSysctls,
} from './machine.ts';
import { end, signal } from './processes.ts';
import { bootId } from './record.ts';
import type { ClusterRecord } from './record.ts';
import { until } from './terminal.ts';

const deathMs = 15_000;

/** Ends and removes everything that the record names, the state directory last. */
export async function cleanUp(record: ClusterRecord): Promise<void> {
  const { plan, absent, sysctls } = record;
  // After a reboot the kernel has forgotten it all, and the process ids belong to others.
  if (record.bootId === bootId()) {
    await endProcesses(record);
    await unmountBelow(plan.stateDir);
    await removeNetwork(plan.bridge);
    writeSysctls(sysctls);
  }
  for (const foreign of absent) await removeForeign(foreign);
  await removeTree(plan.stateDir);
}

/** First those that would start pods anew, then the pods, then the rest. The API server goes last, so that nobody complains on the way. */
async function endProcesses(record: ClusterRecord): Promise<void> {
  const { containerdSocket, containerdState } = places(record.plan);
  const named = (name: string) => record.processes.filter((process) => process.name === name);
  await end(named('kubelet'));
  // Those that containerd forgets while it ends lose their cgroups to it; those that it does not get to are ours to end.
  const containers = containerIds(containerdState);
  const killContainers = (): boolean => killAll(processesOf(containers));
  await until('the end of the containers', killContainers, { timeoutMs: deathMs });
  await end(named('containerd'));
  await until('the end of the shims', () => killAll(processesWithArgument(containerdSocket)), { timeoutMs: deathMs });
  for (const process of record.processes.toReversed()) await end([process]);
  // The kernel empties a cgroup a moment after its last process is gone.
  await until('the cgroups of the containers to be removed', () => removedCgroups(containers), { timeoutMs: deathMs });
}

function removedCgroups(containers: readonly string[]): boolean {
  killAll(processesOf(containers));
  removeCgroups(containers);
  return true;
}

/** Answers whether nobody was left to kill. */
function killAll(pids: readonly number[]): boolean {
  signal(
    pids.map((pid) => ({ pid })),
    'SIGKILL',
  );
  return pids.length === 0;
}

/** A path that one of the programs made outside of the state directory; what somebody else has put there since stays. */
async function removeForeign(foreign: string): Promise<void> {
  if (!existsSync(foreign)) return;
  if (mountsBelow(foreign).length > 0) return;
  if (foreign.startsWith('/sys/fs/cgroup/')) removeEmptyCgroup(foreign);
  else if (ownedAlone.has(foreign)) await rm(foreign, { recursive: true, force: true });
  else await removeIfEmpty(foreign);
}

/** Of these nobody but a kubelet and its helpers writes. */
const ownedAlone: ReadonlySet<string> = new Set(['/var/lib/kubelet', '/var/lib/cni', '/var/log/containers', '/run/xtables.lock']);

/** The files in it are the kernel's; EBUSY means that containers of somebody else are in it by now. */
function removeEmptyCgroup(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
}

async function removeIfEmpty(dir: string): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeIfEmpty(path.join(dir, entry.name));
  if ((await readdir(dir)).length === 0) rmdirSync(dir);
}

/** Never through a mount: what is mounted below may be anything. */
async function removeTree(dir: string): Promise<void> {
  const [mounted] = mountsBelow(dir);
  if (mounted !== undefined) throw new ClusterError(`${mounted} is still mounted: \`umount ${mounted}\`, then try again.`);
  await rm(dir, { recursive: true, force: true });
}
