/**
 * The operator as a real process behind a proxy that keeps one chosen write, before the API server has it or after it was carried out, while the process
 * is killed with SIGKILL. On the sandbox with its own kubelet, or on the cluster that E2E_KUBECONFIG names.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { namespaces, pods, type Pod } from '../../../operator/kube/builtin.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { isNotFound } from '../../../operator/kube/errors.ts';
import { realClock } from '../../../operator/runtime/clock.ts';
import { Informer } from '../../../operator/runtime/informer.ts';
import { silentLogger } from '../../../operator/runtime/logger.ts';
import { startSandbox } from '../../../sandbox/sandbox.ts';
import { Program } from '../../demo/processes.ts';
import { clientOf } from '../../scenarios/installation.ts';
import { installCrds } from '../../scenarios/sandboxCluster.ts';
import { until } from '../arena.ts';
import { backendOf, FaultProxy, type Seen } from '../faultProxy.ts';
import { isLease, isWrite } from '../faults.ts';
import type { When } from './ledger.ts';

export interface KillPoint {
  /** Such as "PATCH prowjobs/plain/status". */
  readonly what: string;
  /** From 1. */
  readonly nth: number;
  readonly when: When;
}

/** Longer than a start on a machine that is busy with other tests. */
const patienceMs = 60_000;

export class KilledProcess {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Names of all pods that were ever there, each as often as it was created. */
  readonly podsEver: string[] = [];
  readonly #proxy: FaultProxy;
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'crash-real-'));
  readonly #kubeconfig: string;
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #program: Program | undefined;
  #starts = 0;
  #kills = 0;
  #failure: unknown;

  private constructor(client: KubeClient, proxy: FaultProxy, namespace: string) {
    this.client = client;
    this.namespace = namespace;
    this.#proxy = proxy;
    this.#kubeconfig = path.join(this.#dir, 'kubeconfig');
    writeFileSync(this.#kubeconfig, proxy.kubeconfig('operator'), { mode: 0o600 });
    writeFileSync(this.#settings, stringify({ leaderElection: { enabled: false }, server: { host: '127.0.0.1', port: 0 } }));
  }

  /** In a namespace of its own, with an operator that works. */
  static async open(kubeconfig: string, namespace: string): Promise<KilledProcess> {
    const client = clientOf(kubeconfig);
    const proxy = await FaultProxy.open({ backend: await backendOf(kubeconfig) });
    const made = new KilledProcess(client, proxy, namespace);
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await made.#watch();
    made.#start();
    await made.#working();
    return made;
  }

  get kills(): number {
    return this.#kills;
  }

  /** What was asked of the API server, each as often as it was sent; what was kept from it is not among it. */
  get writes(): readonly string[] {
    return this.#proxy.seen.filter(isStateWrite).map(wordsOf).sort();
  }

  /** Kills the process when it sends this write; another one is started as soon as it is gone. */
  kill({ what, nth, when }: KillPoint): void {
    let count = 0;
    let isDone = false;
    const tooLate: Seen[] = [];
    const matches = (seen: Seen): boolean => {
      if (isDone || !isStateWrite(seen) || wordsOf(seen) !== what) return false;
      count += 1;
      if (count < nth) return false;
      isDone = true;
      if (when === 'before') tooLate.push(seen);
      void this.#replace(tooLate).catch((error: unknown) => (this.#failure = error));
      return true;
    };
    // A signal takes its time: nothing that is sent between this write and its death may be carried out, or it would be a crash at two places.
    const isTooLate = (seen: Seen): boolean => {
      if (!isDone || !isStateWrite(seen)) return false;
      tooLate.push(seen);
      return true;
    };
    this.#proxy.inject(
      { fault: { kind: when === 'before' ? 'silence' : 'silenceAfter' }, matches },
      { fault: { kind: 'silence' }, matches: isTooLate },
    );
  }

  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const look = async (): Promise<boolean> => {
      if (this.#failure !== undefined) throw this.#failure as Error;
      return isSo();
    };
    await until(`${what}\n${this.#program?.tail(10) ?? ''}`, look, patienceMs);
  }

  async close(): Promise<void> {
    await this.#program?.kill();
    this.#stop.abort();
    await this.#watching;
    await this.#proxy.close();
    await this.client.delete(namespaces, { namespace: '', name: this.namespace }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    await this.client.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #settings(): string {
    return path.join(this.#dir, 'settings.yaml');
  }

  async #watch(): Promise<void> {
    const { client, namespace } = this;
    const informer = new Informer<Pod>({ client, type: pods, namespace, clock: realClock, logger: silentLogger });
    informer.store.subscribe(({ type, object }) => {
      if (type === 'added') this.podsEver.push(object.metadata.name);
    });
    this.#watching = informer.run(this.#stop.signal);
    await informer.synced();
  }

  #start(): void {
    this.#starts += 1;
    const name = `operator-${this.#starts}`;
    const args = ['run', '--kubeconfig', this.#kubeconfig, '--settings', this.#settings, '--namespace', this.namespace];
    this.#program = Program.start(name, args, path.join(this.#dir, `${name}.log`));
  }

  #working(): Promise<void> {
    return until('the operator to work', () => this.#program?.tail(Infinity).includes('Controllers run') === true, patienceMs);
  }

  /** `tooLate`: what never reached the API server. */
  async #replace(tooLate: readonly Seen[]): Promise<void> {
    // What it sent before is carried out, and told but for the one write.
    await until('the writes to be carried out', () => this.#proxy.underWay === 0, patienceMs);
    await this.#program?.kill();
    this.#kills += 1;
    this.#proxy.inject();
    this.#proxy.heal();
    for (const seen of tooLate) this.#proxy.seen.splice(this.#proxy.seen.indexOf(seen), 1);
    this.#start();
    await this.#working();
  }
}

const isStateWrite = (seen: Seen): boolean =>
  isWrite(seen) && !isLease(seen) && !seen.url.includes('/events') && !seen.url.includes('/selfsubjectaccessreviews');

/** A body is not looked at: creations are known by their kind. */
function wordsOf({ method, url }: Seen): string {
  const [target = ''] = url.split('?');
  return `${method} ${target.replace(/^.*\/namespaces\/[^/]+\//, '')}`;
}

/** The cluster to work on, and how to leave it. */
export async function openTarget(): Promise<{ readonly kubeconfig: string; readonly close: () => Promise<void> }> {
  const named = process.env.E2E_KUBECONFIG ?? '';
  const sandbox = named === '' ? await startSandbox() : undefined;
  const kubeconfig = sandbox?.kubeconfigPath ?? named;
  const client = clientOf(kubeconfig);
  try {
    await installCrds(client);
  } finally {
    await client.close();
  }
  return { kubeconfig, close: () => sandbox?.close() ?? Promise.resolve() };
}
