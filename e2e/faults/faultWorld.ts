/**
 * A whole operator behind the fault proxy, in this process, with one clock for operator and faults. Connections are real. Everything that
 * happens is recorded without faults in between. What it stands on, a sandbox or a real API server, and how time passes there, is the ground's.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setUpControllers } from '../../operator/commands/controllers.ts';
import type { Settings } from '../../operator/config/settings.ts';
import { namespaces } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { Exit } from '../../operator/runtime/manager.ts';
import { OperatorKit } from '../../operator/runtime/operatorKit.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import { Recorder } from '../scenarios/history.ts';
import { clientOf } from '../scenarios/installation.ts';
import { installCrds } from '../scenarios/sandboxCluster.ts';
import { FaultProxy } from './faultProxy.ts';
import { isLease, isWrite } from './faults.ts';
import type { Ground } from './ground.ts';

export interface FaultWorldOptions {
  /** Closed with the world. */
  readonly ground: Ground;
  readonly seed: number;
  readonly settings: Settings;
}

/** In real time, and so long that a busy machine changes nothing: here the proxy loses patience, in the time of the cluster. */
const callTimeoutMs = 60_000;
const stepMs = 250;
/** Longer than the operator lets a cache live without a new list. */
const relistMs = 4_600_000;
const mostStopSteps = 2_000;

export class FaultWorld {
  readonly ground: Ground;
  readonly namespace: string;
  readonly logger = new RecordingLogger();
  /** The user's client: no fault is between it and the cluster. */
  readonly client: KubeClient;
  readonly recorder: Recorder;
  readonly proxy: FaultProxy;
  readonly #dir: string;
  readonly #settings: Settings;
  #operator: { readonly stop: AbortController; readonly exit: Promise<Exit> } | undefined;
  #exit: Exit | undefined;

  private constructor(ground: Ground, parts: { readonly proxy: FaultProxy; readonly dir: string; readonly settings: Settings }) {
    this.ground = ground;
    this.namespace = ground.namespace;
    this.proxy = parts.proxy;
    this.#dir = parts.dir;
    this.#settings = parts.settings;
    this.client = clientOf(ground.kubeconfig);
    this.recorder = new Recorder(this.client);
  }

  /** Resolves when the operator works. */
  static async open({ ground, seed, settings }: FaultWorldOptions): Promise<FaultWorld> {
    const { backend, clock } = ground;
    const proxy = await FaultProxy.open({ backend, seed, keepLists: 4, clock });
    const dir = await mkdtemp(path.join(tmpdir(), 'prow-faults-'));
    await writeFile(path.join(dir, 'kubeconfig'), proxy.kubeconfig('operator'), { mode: 0o600 });
    const world = new FaultWorld(ground, { proxy, dir, settings });
    await installCrds(world.client);
    await world.client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: world.namespace } });
    await ground.begin();
    await world.recorder.start();
    await world.startOperator();
    return world;
  }

  async startOperator(): Promise<void> {
    const access = PooledKubeConfig.load({ path: path.join(this.#dir, 'kubeconfig') });
    const { logger, namespace } = this;
    const { clock, isShared } = this.ground;
    const kit = new OperatorKit({
      name: 'prow-operator',
      identity: 'faults',
      access,
      clock,
      logger,
      transport: { timeoutMs: callTimeoutMs },
    });
    setUpControllers(kit, { settings: () => this.#settings, ...(isShared ? { namespace } : {}) });
    const stop = new AbortController();
    const exit = kit.manager.run(stop.signal);
    this.#operator = { stop, exit };
    void exit.then((how) => (this.#exit = how));
    await this.until('the operator to lead', () => kit.manager.phase === 'leading');
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    await this.ground.pass(ms, this.#isQuiet);
    this.check();
  }

  /** The same when only pauses have to come to their ends. */
  async hurry(ms: number): Promise<void> {
    await this.ground.hurry(ms, this.#isQuiet);
    this.check();
  }

  /** The same when nothing is created any more: what is to be cleaned up grows old. */
  async rest(ms: number): Promise<void> {
    await this.ground.rest(ms, this.#isQuiet);
    this.check();
  }

  /** So much time passes at once that every cache is listed anew when its watch ends, which it then does. */
  async listAnew(): Promise<void> {
    await this.ground.age(relistMs, this.#isQuiet);
    this.proxy.cut();
    await this.hurry(60_000);
  }

  /** Hurries until it is so. Throws when it is not so within so much of the cluster's time. */
  async until(what: string, isSo: () => boolean, withinMs = 300_000): Promise<void> {
    for (let passedMs = 0; !isSo(); passedMs += stepMs) {
      if (passedMs > withinMs) throw new Error(`waited ${withinMs / 1000} s of the cluster in vain for ${what}`);
      await this.hurry(stepMs);
    }
  }

  /** Writes of the operator so far, without Events and leases. */
  get writes(): readonly string[] {
    return this.proxy.seen
      .filter((request) => isWrite(request) && !isLease(request) && !request.url.includes('/events'))
      .map(({ method, url }) => `${method} ${url}`);
  }

  /** Throws when the operator has ended, or when the record has a gap. */
  check(): void {
    this.ground.check();
    this.recorder.check();
    if (this.#exit !== undefined) throw new Error(`the operator ended: ${JSON.stringify(this.#exit)}`);
  }

  /** The last lines of its log that name one of these, or of all where none is given: for a test that failed. */
  tail(lines: number, names: readonly string[] = []): string {
    return this.logger.lines
      .filter(({ level }) => level !== 'debug')
      .map(({ level, message, fields: { reconcileId: _id, ...fields } }) => `${level} ${message} ${JSON.stringify(fields)}`)
      .filter((line) => names.length === 0 || names.some((name) => line.includes(`${name}"`)))
      .slice(-lines)
      .join('\n');
  }

  async close(): Promise<void> {
    this.proxy.heal();
    const operator = this.#operator;
    operator?.stop.abort();
    const isOver = (): boolean => this.#exit !== undefined;
    for (let step = 0; operator !== undefined && !isOver() && step < mostStopSteps; step += 1) await this.ground.pass(stepMs, () => true);
    await this.recorder.close();
    await this.client.close();
    await this.proxy.close();
    await this.ground.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  readonly #isQuiet = (): boolean => this.proxy.underWay === 0;
}
