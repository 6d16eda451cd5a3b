/**
 * The cluster's programs, built from the pinned Go module and kept in the cache. The first build takes minutes; what is being compiled and
 * how long it has taken is said all the time. A build that was interrupted leaves nothing that looks like a program.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { command } from './commands.ts';
import { ClusterError } from './errors.ts';
import { buildDir, cacheDir } from './paths.ts';
import { say, step } from './terminal.ts';
import { cacheKey, linkerFlags, programs, readModule, versionsOf } from './versions.ts';
import type { Program } from './versions.ts';

/** Builds what is missing. Resolves with the directory that holds all programs. */
export async function ensureBinaries(): Promise<string> {
  const { goMod, goSum } = readModule();
  const go = await command('go', ['version']).catch(() => {
    throw new ClusterError('Go 1.26 or later is needed to build the programs of the cluster: put `go` on PATH.');
  });
  const directory = path.join(cacheDir, 'bin', cacheKey(goMod, goSum, go));
  const missing = programs.filter(({ name }) => !existsSync(path.join(directory, name)));
  if (missing.length === 0) return directory;
  const { kubernetes, etcd } = versionsOf(goMod);
  say(`Kubernetes ${kubernetes} and etcd ${etcd} are not built yet: ${missing.map(({ name }) => name).join(', ')}.`);
  say('This happens once for each version. With an empty Go cache it takes 6 to 10 minutes on 2 cores.');
  await mkdir(directory, { recursive: true });
  for (const [index, program] of missing.entries()) {
    const what = `build ${program.name} (${index + 1} of ${missing.length})`;
    await step(what, () => build(program, directory, linkerFlags(kubernetes)));
  }
  return directory;
}

/** Into a name of its own first, so that only a complete program has the final one. */
async function build(program: Program, directory: string, flags: string): Promise<void> {
  const partial = path.join(directory, `.${program.name}.${process.pid}`);
  let compiled = 0;
  let lastMs = performance.now();
  const onLine = (line: string): void => {
    compiled += 1;
    if (performance.now() - lastMs < 5_000) return;
    lastMs = performance.now();
    say(`  ${program.name}: ${compiled} packages, now ${line}`);
  };
  try {
    // -v names each package when it is compiled: the only progress there is to show.
    await command('go', ['build', '-v', '-buildvcs=false', '-ldflags', flags, '-o', partial, program.package], {
      cwd: buildDir,
      env: { CGO_ENABLED: '0', GOWORK: 'off' },
      onLine,
    });
    await rename(partial, path.join(directory, program.name));
  } finally {
    await rm(partial, { force: true });
  }
}
