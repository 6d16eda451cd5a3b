/**
 * The operator as processes of this machine, from source, on a cluster that is reached through a kubeconfig. What was started is ended by
 * its process id.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { Program } from '../demo/processes.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { clientOf, leaderOf, testImage, type Installation, type InstallOptions } from './installation.ts';

export class ProcessInstallation implements Installation {
  readonly name: string;
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly image = testImage;
  readonly lease: ObjectKey = { namespace: 'default', name: 'prow-operator' };
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'prow-scenarios-'));
  readonly #options: InstallOptions;
  readonly #closeCluster: () => Promise<void>;
  #operators: Program[] = [];
  #starts = 0;

  constructor(name: string, kubeconfig: string, options: InstallOptions, closeCluster: () => Promise<void> = () => Promise.resolve()) {
    this.name = name;
    this.kubeconfig = kubeconfig;
    this.client = clientOf(kubeconfig);
    this.#options = options;
    this.#closeCluster = closeCluster;
    const settings = { ...options.settings, server: { host: '127.0.0.1', port: 0 } };
    const { leaderElection } = settings;
    const lease = { ...leaderElection, namespace: this.lease.namespace, name: this.lease.name };
    writeFileSync(this.#settingsFile, stringify({ ...settings, leaderElection: lease }));
    for (let count = 0; count < options.replicas; count += 1) this.#startOne();
  }

  /** kill -9 of the leader. A lone operator is started again, as a supervisor would. */
  async crash(identity?: string): Promise<void> {
    const leader = this.#leadingAs(identity ?? (await leaderOf(this)));
    this.#operators = this.#operators.filter((operator) => operator !== leader);
    await leader.kill();
    if (this.#options.replicas === 1) this.#startOne();
  }

  check(): void {
    const ended = this.#operators.find((operator) => !operator.running);
    if (ended !== undefined) throw new Error(`${ended.name} ended by itself (${ended.ending}):\n${ended.tail(20)}`);
  }

  tail(lines: number): Promise<string> {
    return Promise.resolve(this.#operators.map((operator) => `${operator.name}:\n${operator.tail(lines)}`).join('\n'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#operators.map((operator) => operator.stop()));
    await this.client.close();
    await this.#closeCluster();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #settingsFile(): string {
    return path.join(this.#dir, 'settings.yaml');
  }

  #startOne(): void {
    this.#starts += 1;
    const name = `operator-${this.#starts}`;
    const args = ['run', '--kubeconfig', this.kubeconfig, '--settings', this.#settingsFile];
    this.#operators.push(Program.start(name, args, path.join(this.#dir, `${name}.log`)));
  }

  /** The process whose log says that it leads: all have this machine's name, and those that follow name the leader too. */
  #leadingAs(identity: string): Program {
    const leader = this.#operators.find((operator) => identity !== '' && leads(operator, identity));
    if (leader === undefined) throw new Error(`no operator of ours holds the lease; its holder is "${identity}"`);
    return leader;
  }
}

const leads = (operator: Program, identity: string): boolean =>
  operator
    .tail(Infinity)
    .split('\n')
    .some((line) => line.includes('"This replica leads"') && line.includes(identity));
