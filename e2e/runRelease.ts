/**
 * The life of a release on a real cluster while it works: installed from an older package, tested, upgraded with other values, rolled back,
 * uninstalled. Meanwhile a schedule ticks and a run goes on; at the end nothing has happened twice, nothing is lost, nothing is stuck.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { SettingsFile } from '../operator/config/settings.ts';
import { pods } from '../operator/kube/builtin.ts';
import type { KubeClient } from '../operator/kube/client.ts';
import { isNotFound } from '../operator/kube/errors.ts';
import { messageOf } from '../operator/runtime/errors.ts';
import { release, valuesFor } from './scenarios/helmInstallation.ts';
import { historyOf, lastStates, Recorder } from './scenarios/history.ts';
import { clientOf } from './scenarios/installation.ts';
import { brokenInvariants } from './scenarios/invariants.ts';
import { periodic, prowJob } from './scenarios/manifests.ts';
import { storySettings } from './scenarios/settings.ts';
import { helm, kubectl } from './scenarios/tools.ts';

const chart = path.join(import.meta.dirname, '..', 'charts', 'prow-operator');
const tenant = 'release-life';
const longRun = 'long-haul';
const schedule = 'ticking';
const ticksEverySeconds = 5;
const deployment = `deployment/${release.name}`;
const lookEveryMs = 250;
const patienceMs = 120_000;

interface Wanted {
  readonly replicas: number;
  readonly settings?: SettingsFile;
  /** Values beside those of the stories. */
  readonly more?: object;
}

export class ReleaseLife {
  readonly #kubeconfig: string;
  readonly #client: KubeClient;
  readonly #recorder: Recorder;
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'prow-release-'));
  #longRunPod = '';

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig;
    this.#client = clientOf(kubeconfig);
    this.#recorder = new Recorder(this.#client);
  }

  /** From a package of the chart with an older version, as it would come from a registry. */
  async install(): Promise<string> {
    await this.#helm(['package', chart, '--version', '0.0.1', '--destination', this.#dir]);
    const archive = path.join(this.#dir, 'prow-operator-0.0.1.tgz');
    await this.#deploy(['install', release.name, archive, '--create-namespace'], { replicas: 2 });
    return this.#current();
  }

  async test(): Promise<string> {
    const words = await this.#helm(['test', release.name, '--timeout', '4m']).catch(async (error: unknown) => {
      // A pod that failed stays, so that it can be asked.
      const logs = await this.#kubectl(['logs', '-n', release.namespace, `${release.name}-test`]).catch(String);
      throw new Error(`${messageOf(error)}\n${logs}`, { cause: error });
    });
    return words.split('\n').findLast((line) => line.startsWith('Phase:')) ?? '';
  }

  /** Work that goes on while the release changes. Resolves when it is under way. */
  async putToWork(): Promise<string> {
    await this.#recorder.start();
    await this.#kubectl(['create', 'namespace', tenant]);
    const ticking = periodic(schedule, 'true', { cron: `@every ${ticksEverySeconds}s`, concurrencyPolicy: 'Allow' });
    for (const object of [prowJob(longRun, 'sleep 90'), ticking])
      await this.#kubectl(['apply', '-n', tenant, '-f', '-'], JSON.stringify(object));
    await this.#until('the long run to be under way', () => this.#recorder.pod(tenant, longRun)?.status?.phase === 'Running');
    await this.#until('the schedule to tick', () => this.#ticks() >= 2);
    this.#longRunPod = this.#recorder.pod(tenant, longRun)?.metadata.uid ?? '';
    return this.table();
  }

  /** What a person sees. */
  table(): Promise<string> {
    return this.#kubectl(['get', 'pods,prowjobs,periodics', '-A', '-o', 'wide']);
  }

  async upgrade(): Promise<string> {
    // Another setting replaces all pods: the lease changes hands under the work.
    await this.#deploy(['upgrade', release.name, chart], { replicas: 3, settings: storySettings({ prowJobs: { maxRevivals: 1 } }) });
    await this.#expectReplicas(3);
    await this.#expectWork();
    return this.#current();
  }

  async rollBack(): Promise<string> {
    await this.#helm(['rollback', release.name, '1', '--namespace', release.namespace, '--wait', '--timeout', '3m']);
    await this.#expectReplicas(2);
    await this.#expectWork();
    return this.#current();
  }

  /** The work is done, and held to the invariants over all that happened since putToWork(). */
  async finishWork(): Promise<string> {
    await this.#kubectl(['patch', 'periodic', schedule, '-n', tenant, '--type=merge', '-p', '{"spec":{"suspend":true}}']);
    const open = (): number => lastStates(this.#here().runs).filter(({ status }) => status?.completionTime === undefined).length;
    await this.#until('every run to end', () => open() === 0);
    const run = this.#recorder.run(tenant, longRun);
    if (run?.status?.state !== 'success' || run.status.attempts?.length !== 1)
      throw new Error(`the long run did not survive: ${JSON.stringify(run?.status)}`);
    const broken = brokenInvariants(this.#here(), { deletedPods: new Set() });
    if (broken.length > 0) throw new Error(broken.join('\n'));
    return `${lastStates(this.#here().runs).length} runs, each once`;
  }

  /** With everything that it brought, its kinds included; nothing may be left or stuck. */
  async uninstall(): Promise<string> {
    await this.#kubectl(['delete', 'namespace', tenant, '--wait=false']);
    // Kept by default, because all objects go with them.
    await this.#deploy(['upgrade', release.name, chart], { replicas: 2, more: { crds: { keep: false } } });
    await this.#helm(['uninstall', release.name, '--namespace', release.namespace, '--wait', '--timeout', '3m']);
    const labelled = ['get', 'all,cm,sa,secret,role,rolebinding,pdb,netpol,lease', '-n', release.namespace, '-o', 'name'];
    const byRelease = ['-l', `app.kubernetes.io/instance=${release.name}`];
    const clusterWide = ['get', 'crd,clusterrole,clusterrolebinding,validatingadmissionpolicy', '-o', 'name', ...byRelease];
    await this.#untilEmpty('everything of the release to be gone', () => this.#kubectl([...labelled, ...byRelease]));
    await this.#untilEmpty('its kinds and roles to be gone', () => this.#kubectl(clusterWide));
    await this.#kubectl(['delete', 'namespace', tenant, release.namespace, '--ignore-not-found', '--timeout=120s']);
    return 'nothing is left';
  }

  async close(): Promise<void> {
    await this.#recorder.close();
    await this.#client.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #here(): ReturnType<typeof historyOf> {
    return historyOf(this.#recorder, [tenant]);
  }

  #ticks(): number {
    return lastStates(this.#here().runs).filter(({ metadata }) => metadata.name.startsWith(`${schedule}-`)).length;
  }

  /** The long run has the pod it had, and the schedule ticks on. */
  async #expectWork(): Promise<void> {
    const pod = await this.#client.get(pods, { namespace: tenant, name: longRun }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (pod?.metadata.uid !== this.#longRunPod) throw new Error('the pod of the long run is not the one it was');
    const before = this.#ticks();
    await this.#until('the schedule to go on', () => this.#ticks() > before);
  }

  async #expectReplicas(wanted: number): Promise<void> {
    const jsonPath = '-o=jsonpath={.spec.replicas} {.status.readyReplicas}';
    const found = await this.#kubectl(['get', deployment, '-n', release.namespace, jsonPath]);
    if (found !== `${wanted} ${wanted}`) throw new Error(`wanted and ready replicas are "${found}" instead of ${wanted} and ${wanted}`);
  }

  async #deploy(args: readonly string[], { replicas, settings = storySettings(), more = {} }: Wanted): Promise<void> {
    const values = { ...valuesFor({ settings, replicas }), ...more };
    const common = ['--namespace', release.namespace, '--wait', '--timeout', '3m', '--values', '-'];
    await helm({ kubeconfig: this.#kubeconfig, args: [...args, ...common], input: JSON.stringify(values) });
  }

  async #current(): Promise<string> {
    const text = await this.#helm(['list', '--namespace', release.namespace, '--output', 'json']);
    const [first] = JSON.parse(text) as readonly { readonly chart: string; readonly revision: string; readonly status: string }[];
    return `${first?.chart ?? 'nothing'}, revision ${first?.revision ?? '-'}, ${first?.status ?? ''}`;
  }

  #helm(args: readonly string[]): Promise<string> {
    const scoped = args[0] === 'package' || args.includes('--namespace') ? args : [...args, '--namespace', release.namespace];
    return helm({ kubeconfig: this.#kubeconfig, args: scoped });
  }

  #kubectl(args: readonly string[], input = ''): Promise<string> {
    return kubectl({ kubeconfig: this.#kubeconfig, args, input });
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    const endMs = performance.now() + patienceMs;
    while (!isSo()) {
      this.#recorder.check();
      if (performance.now() > endMs) throw new Error(`waited ${patienceMs / 1000} s in vain for ${what}`);
      await wait(lookEveryMs);
    }
  }

  async #untilEmpty(what: string, list: () => Promise<string>): Promise<void> {
    const endMs = performance.now() + patienceMs;
    for (let left = await list(); left.trim() !== ''; left = await list()) {
      if (performance.now() > endMs) throw new Error(`waited ${patienceMs / 1000} s in vain for ${what}; left:\n${left}`);
      await wait(lookEveryMs);
    }
  }
}
