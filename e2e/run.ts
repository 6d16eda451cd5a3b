/**
 * `make e2e`: everything on a real Kubernetes. Brings a cluster up (e2e/cluster says which), builds the image, installs the chart, runs the
 * lists and stories against it, upgrades, rolls back, uninstalls, and takes the cluster down again if it was down before. Each step says how long
 * it took. Exit code 0: all well. 1: not. `--check` only says whether it can be done here: 0, or 77 when it cannot.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { version } from '../operator/version.ts';
import { chooseCluster } from './cluster/cluster.ts';
import type { Cluster } from './cluster/provider.ts';
import { checkMachine } from './cluster/debian.ts';
import { ClusterError } from './cluster/errors.ts';
import { cacheDir } from './cluster/paths.ts';
import { busyboxImage } from './cluster/testImages.ts';
import { kubectl } from './scenarios/tools.ts';
import { SkipStep, Steps, StepsEnded } from './steps.ts';

const root = path.join(import.meta.dirname, '..');
const node = process.execPath;
const operatorImage = `localhost/prow-operator:${version}`;
const archive = path.join(root, 'dist', 'prow-operator-image.tar');
const cannot = 77;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Runs a program with its output on this terminal. Rejects when it fails. */
async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<undefined> {
  const child = spawn(program, [...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } });
  running = child;
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  running = undefined;
  if (code !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')} ended with ${signal ?? `exit code ${code ?? '?'}`}`);
  return undefined;
}

let running: ReturnType<typeof spawn> | undefined;

const cluster = (verb: string, ...more: readonly string[]): Promise<undefined> =>
  run(node, [path.join(root, 'e2e', 'cluster', 'cluster.ts'), verb, ...more]);

/** Test files run one after the other: they share one cluster. */
function tests(kubeconfig: string, ...filters: readonly string[]): Promise<undefined> {
  const env = { E2E_KUBECONFIG: kubeconfig, E2E_IMAGE: busyboxImage, E2E_OPERATOR_IMAGE: operatorImage };
  return run(path.join(root, 'node_modules', '.bin', 'vitest'), ['run', '--no-file-parallelism', ...filters], env);
}

/** What it is about when something fails. */
async function autopsy(kubeconfig: string): Promise<void> {
  for (const args of [
    ['get', 'pods,prowjobs,periodics', '-A', '-o', 'wide'],
    ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
  ]) {
    const text = await kubectl({ kubeconfig, args }).catch((error: unknown) => String(error));
    say(text.split('\n').slice(-60).join('\n'));
  }
}

/** No node takes a pod meanwhile: for tests that play the kubelet themselves and would be contradicted by a real one. */
async function withoutNodes<T>(kubeconfig: string, act: () => Promise<T>): Promise<T> {
  const nodes = (await kubectl({ kubeconfig, args: ['get', 'nodes', '-o', 'name'] })).trim().split('\n');
  await kubectl({ kubeconfig, args: ['cordon', ...nodes] });
  try {
    return await act();
  } finally {
    await kubectl({ kubeconfig, args: ['uncordon', ...nodes] });
  }
}

/** Stories that stop programs of the cluster: they have steps of their own, and are left out where the cluster is not ours. */
const faultStories = path.join('e2e', 'scenarios', 'realFaults');

function faultTests({ kind, kubeconfig }: Cluster, filter: string): Promise<undefined> {
  if (kind !== 'local') return Promise.reject(new SkipStep('it needs the programs of the one-node cluster'));
  return tests(kubeconfig, filter);
}

/** Needs no cluster, but a server that is a program of its own. */
async function archiveTests(): Promise<undefined> {
  await run(node, [path.join(root, 'e2e', 'archive', 'minio.ts')]);
  return run(path.join(root, 'node_modules', '.bin', 'vitest'), ['run', 'e2e/archive']);
}

/** Lists that bring what they need and want no operator beside them. */
async function withoutRelease(steps: Steps, target: Cluster): Promise<void> {
  const { kubeconfig } = target;
  await steps.look('conformance of the Kubernetes API', () => tests(kubeconfig, 'e2e/conformance'));
  await steps.look('what the chart lets tenants ask of their pods', () => tests(kubeconfig, '.cluster.test.ts'));
  await steps.look('no drift for Git tools', () => withoutNodes(kubeconfig, () => tests(kubeconfig, 'e2e/gitops')));
  await steps.look('another real API server as build cluster: it hangs, dies, forbids', () =>
    faultTests(target, `${faultStories}Elsewhere.test.ts`),
  );
  await steps.look('kill -9 of the operator at chosen writes', () => tests(kubeconfig, 'e2e/faults/crashPoints/killedProcess'));
  await steps.look('random faults between the operator and a real API server', () =>
    withoutNodes(kubeconfig, () => tests(kubeconfig, 'e2e/faults/randomFaults')),
  );
  await steps.look('etcd of a real API server, restored from an older copy', () => faultTests(target, 'e2e/faults/realRestore'));
  await steps.look('results on a real S3 server', archiveTests);
  await steps.need('remove the kinds, so that the chart brings them', async () => {
    const files = path.join(root, 'crds', 'generated');
    await kubectl({ kubeconfig, args: ['delete', '-f', files, '--ignore-not-found', '--timeout=60s'] });
    return undefined;
  });
}

async function withRelease(steps: Steps, target: Cluster): Promise<void> {
  const { kubeconfig } = target;
  // Read when the modules are loaded: what stories run must be known by then.
  process.env.E2E_IMAGE = busyboxImage;
  process.env.E2E_OPERATOR_IMAGE = operatorImage;
  const { ReleaseLife } = await import('./runRelease.ts');
  const life = new ReleaseLife(kubeconfig);
  try {
    await steps.need('helm install, from an older package', () => life.install());
    await steps.look('helm test', () => life.test());
    await steps.need('a schedule and a long run', async () => {
      say(await life.putToWork());
      return undefined;
    });
    await steps.look('helm upgrade, with other values, while they run', () => life.upgrade());
    await steps.look('helm rollback', () => life.rollBack());
    await steps.look('the long run ends, and nothing happened twice', () => life.finishWork());
    await steps.look('the stories, with the rights of the chart', () =>
      tests(kubeconfig, 'e2e/scenarios', '--exclude', `${faultStories}*`),
    );
    await steps.look('what a real node does to runs: OOM, eviction, quota, a kubelet that hangs', () =>
      faultTests(target, `${faultStories}.test.ts`),
    );
    if (steps.failed) await autopsy(kubeconfig);
    await steps.look('helm uninstall', () => life.uninstall());
  } finally {
    await life.close();
  }
}

async function everything(steps: Steps, target: Cluster): Promise<void> {
  const wasUp = target.kind === 'given' || (await target.status().catch(() => false));
  try {
    await steps.need('cluster up', async () => {
      const start = wasUp ? 'it was up' : existsSync(path.join(cacheDir, 'bin')) ? 'warm' : 'cold: its programs were built';
      await cluster('up');
      return start;
    });
    const chosen = await chooseCluster();
    await steps.need('build the image', () => run(node, [path.join(root, 'tools', 'image.ts')]));
    await steps.need('load the image', () => cluster('load', archive));
    await withoutRelease(steps, chosen);
    await withRelease(steps, chosen);
    await steps.look('alerts, by promtool and Prometheus', async () => {
      await run('sh', [path.join(root, 'e2e', 'prometheus', 'install.sh')]).catch((error: unknown) => {
        throw new SkipStep(String(error));
      });
      return run(path.join(root, 'node_modules', '.bin', 'vitest'), ['run', 'e2e/prometheus']);
    });
  } finally {
    await steps.undo('cluster down', async () => {
      if (wasUp) throw new SkipStep('it was up before');
      return cluster('down');
    });
  }
}

/** Why it cannot be done here, if it cannot. */
function obstacle(target: Cluster): string | undefined {
  if (target.kind !== 'local') return undefined;
  try {
    checkMachine();
  } catch (error) {
    if (error instanceof ClusterError) return error.message;
    throw error;
  }
  return existsSync('/usr/bin/apt-get')
    ? undefined
    : 'The parts of a one-node cluster come from packages of Debian, and this is no Debian.';
}

const target = await chooseCluster();
const why = obstacle(target);
if (process.argv.includes('--check')) {
  if (why !== undefined) say(why);
  process.exitCode = why === undefined ? 0 : cannot;
} else if (why !== undefined) {
  say(why);
  process.exitCode = 1;
} else {
  const steps = new Steps({ say, nowMs: () => performance.now() });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!steps.stopped) say(`\n${signal}: stopping; what was brought up is taken down`);
    steps.stop();
    running?.kill('SIGTERM');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  try {
    await everything(steps, target);
  } catch (error) {
    if (!(error instanceof StepsEnded)) throw error;
  } finally {
    say(['', ...steps.summary()].join('\n'));
  }
  process.exitCode = steps.failed || steps.stopped ? 1 : 0;
}
