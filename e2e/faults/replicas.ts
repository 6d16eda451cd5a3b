/**
 * Operators as processes on one sandbox, each behind a proxy of its own: what a process asked for can be told from what the others did, and
 * what one sends or hears can be kept back while the others go on. Everything is ended by its process id.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import type { SettingsFile } from '../../operator/config/settings.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { Program } from '../demo/processes.ts';
import { clientOf, testImage, type Installation } from '../scenarios/installation.ts';
import { installCrds } from '../scenarios/sandboxCluster.ts';
import { FaultProxy, type Seen } from './faultProxy.ts';
import { isWrite } from './faults.ts';

/** One process, with the way by which it reaches the API server. */
export class Replica {
  readonly program: Program;
  readonly proxy: FaultProxy;

  constructor(program: Program, proxy: FaultProxy) {
    this.program = program;
    this.proxy = proxy;
  }

  /** Whether its log has this message. */
  says(message: string): boolean {
    return this.program.tail(Infinity).includes(`"${message}"`);
  }

  get leads(): boolean {
    return this.says('This replica leads');
  }

  /** What it asked to be written, from so many requests on. */
  writes(from = 0): readonly Seen[] {
    return this.proxy.seen.slice(from).filter(isWrite);
  }

  /** The process does nothing any more, and does not know it. What it has sent arrives. */
  freeze(): void {
    process.kill(this.program.pid, 'SIGSTOP');
  }

  /** It goes on as if no time had passed. */
  wake(): void {
    process.kill(this.program.pid, 'SIGCONT');
  }
}

export class Replicas implements Installation {
  readonly name = 'sandbox';
  readonly image = testImage;
  readonly lease = { namespace: 'default', name: 'prow-operator' };
  readonly client: KubeClient;
  readonly #sandbox: Sandbox;
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'prow-replicas-'));
  readonly #all: Replica[] = [];
  /** Those whose end is expected. */
  readonly #mayEnd = new Set<Replica>();

  private constructor(sandbox: Sandbox, client: KubeClient, settings: SettingsFile) {
    this.#sandbox = sandbox;
    this.client = client;
    const leaderElection = { ...settings.leaderElection, ...this.lease };
    const file = { ...settings, leaderElection, server: { host: '127.0.0.1', port: 0 }, logging: { level: 'info', format: 'json' } };
    writeFileSync(this.#settingsFile, stringify(file));
  }

  static async open(settings: SettingsFile): Promise<Replicas> {
    const sandbox = await startSandbox();
    const client = clientOf(sandbox.kubeconfigPath);
    await installCrds(client);
    return new Replicas(sandbox, client, settings);
  }

  get kubeconfig(): string {
    return this.#sandbox.kubeconfigPath;
  }

  async start(name: string): Promise<Replica> {
    const proxy = await FaultProxy.open({ backend: this.#sandbox });
    const kubeconfig = path.join(this.#dir, `${name}.kubeconfig`);
    writeFileSync(kubeconfig, proxy.kubeconfig(name));
    const args = ['run', '--kubeconfig', kubeconfig, '--settings', this.#settingsFile];
    const replica = new Replica(Program.start(name, args, path.join(this.#dir, `${name}.log`)), proxy);
    this.#all.push(replica);
    return replica;
  }

  /** From now on this one may end. */
  letEnd(replica: Replica): void {
    this.#mayEnd.add(replica);
  }

  /** kill -9 of the one that says that it leads. */
  async crash(): Promise<void> {
    const leader = this.#all.findLast(({ leads, program }) => leads && program.running);
    if (leader === undefined) throw new Error('nobody leads');
    this.letEnd(leader);
    await leader.program.kill();
  }

  check(): void {
    const ended = this.#all.find((replica) => !replica.program.running && !this.#mayEnd.has(replica));
    if (ended !== undefined) throw new Error(`${ended.program.name} ended by itself (${ended.program.ending}):\n${ended.program.tail(20)}`);
  }

  tail(lines: number): Promise<string> {
    return Promise.resolve(this.#all.map(({ program }) => `${program.name}:\n${program.tail(lines)}`).join('\n'));
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#all.map(async (replica) => {
        // One that is still frozen would not hear that it shall end.
        if (replica.program.running) replica.wake();
        await replica.program.stop();
        await replica.proxy.close();
      }),
    );
    await this.client.close();
    await this.#sandbox.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #settingsFile(): string {
    return path.join(this.#dir, 'settings.yaml');
  }
}
