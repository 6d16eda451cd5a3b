/**
 * A whole operator behind the fault proxy, on a sandbox, in this process, with one clock for operator and cluster that is moved by hand: a
 * minute of faults takes a second or two. Connections are real. Everything that happens is recorded without faults in between.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { setUpControllers } from '../../operator/commands/controllers.ts';
import type { Settings } from '../../operator/config/settings.ts';
import { namespaces } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { Exit } from '../../operator/runtime/manager.ts';
import { OperatorKit } from '../../operator/runtime/operatorKit.ts';
import { FakeClock, settle } from '../../operator/runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { Recorder } from '../scenarios/history.ts';
import { clientOf } from '../scenarios/installation.ts';
import { FakeNode } from './fakeNode.ts';
import { FaultProxy } from './faultProxy.ts';
import { isLease, isWrite } from './faults.ts';

const generated = path.join(import.meta.dirname, '..', '..', 'crds', 'generated');
const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

export interface FaultWorldOptions {
  readonly seed: number;
  readonly settings: Settings;
}

/** In real time, and so long that a busy machine changes nothing: here the proxy loses patience, in the time of the cluster. */
const callTimeoutMs = 60_000;
/** In real time, so never: what comes when should not depend on the machine. */
const bookmarkMs = 3_600_000;
const stepMs = 250;
/** Longer than the operator lets a cache live without a new list. */
const relistMs = 4_600_000;
/** Turns of the event loop. Both ends of every connection are in this process, so this carries several calls from end to end. */
const turnsOfQuiet = 12;
const mostTurns = 20_000;

export class FaultWorld {
  readonly namespace = 'chance';
  readonly clock = new FakeClock();
  readonly logger = new RecordingLogger();
  /** The user's client: no fault is between it and the cluster. */
  readonly client: KubeClient;
  readonly recorder: Recorder;
  readonly proxy: FaultProxy;
  readonly #sandbox: Sandbox;
  readonly #dir: string;
  readonly #settings: Settings;
  readonly #node: FakeNode;
  #operator: { readonly stop: AbortController; readonly exit: Promise<Exit> } | undefined;
  #exit: Exit | undefined;

  private constructor(parts: {
    readonly sandbox: Sandbox;
    readonly proxy: FaultProxy;
    readonly clock: FakeClock;
    readonly dir: string;
    readonly settings: Settings;
  }) {
    this.#sandbox = parts.sandbox;
    this.clock = parts.clock;
    this.proxy = parts.proxy;
    this.#dir = parts.dir;
    this.#settings = parts.settings;
    this.client = clientOf(parts.sandbox.kubeconfigPath);
    this.recorder = new Recorder(this.client);
    this.#node = new FakeNode(parts.sandbox.api, parts.clock);
  }

  /** Resolves when the operator works. */
  static async open({ seed, settings }: FaultWorldOptions): Promise<FaultWorld> {
    const clock = new FakeClock();
    const sandbox = await startSandbox({ kubelet: false, now: () => clock.now(), bookmarkIntervalMs: bookmarkMs });
    const proxy = await FaultProxy.open({ backend: sandbox, seed, keepLists: 4, clock });
    const dir = await mkdtemp(path.join(tmpdir(), 'prow-faults-'));
    await writeFile(path.join(dir, 'kubeconfig'), proxy.kubeconfig('operator'));
    const world = new FaultWorld({ sandbox, proxy, clock, dir, settings });
    await world.#installCrds();
    await world.client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: world.namespace } });
    await world.recorder.start();
    await world.startOperator();
    return world;
  }

  async startOperator(): Promise<void> {
    const access = PooledKubeConfig.load({ path: path.join(this.#dir, 'kubeconfig') });
    const { clock, logger } = this;
    const kit = new OperatorKit({
      name: 'prow-operator',
      identity: 'faults',
      access,
      clock,
      logger,
      transport: { timeoutMs: callTimeoutMs },
    });
    setUpControllers(kit, { settings: () => this.#settings });
    const stop = new AbortController();
    const exit = kit.manager.run(stop.signal);
    this.#operator = { stop, exit };
    void exit.then((how) => (this.#exit = how));
    await this.until('the operator to lead', () => kit.manager.phase === 'leading');
  }

  /** Lets so much time pass, step by step, each until the calls that it caused are answered or have to wait. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      await this.clock.advance(Math.min(stepMs, leftMs));
      await this.#quiet();
    }
    this.check();
  }

  /** So much time passes at once that every cache is listed anew when its watch ends, which it then does. */
  async listAnew(): Promise<void> {
    await this.clock.advance(relistMs);
    await this.#quiet();
    this.proxy.cut();
    await this.pass(60_000);
  }

  /** Lets time pass until it is so. Throws when it is not so within so much of the cluster's time. */
  async until(what: string, isSo: () => boolean, withinMs = 300_000): Promise<void> {
    for (let passedMs = 0; !isSo(); passedMs += stepMs) {
      if (passedMs > withinMs) throw new Error(`waited ${withinMs / 1000} s of the cluster in vain for ${what}`);
      await this.pass(stepMs);
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
    for (let turn = 0; operator !== undefined && !isOver() && turn < 10_000; turn += 1) {
      await this.clock.advance(stepMs);
      await settle();
    }
    this.#node.close();
    await this.recorder.close();
    await this.client.close();
    await this.proxy.close();
    await this.#sandbox.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #quiet(): Promise<void> {
    for (let [turns, quiet] = [0, 0]; quiet < turnsOfQuiet && turns < mostTurns; turns += 1) {
      await settle();
      quiet = this.proxy.underWay === 0 ? quiet + 1 : 0;
    }
  }

  async #installCrds(): Promise<void> {
    for (const file of (await readdir(generated)).filter((name) => name.endsWith('.yaml'))) {
      await this.client.create(definitions, parse(await readFile(path.join(generated, file), 'utf8')) as KubeObject);
    }
    const types = [prowJobs, periodics, periodicSets, periodicBackfills, pluginConfigs, buildClusters] as readonly ResourceType[];
    for (const type of types) {
      const isServed = (): Promise<boolean> => this.client.list(type, { limit: 1 }).then(Boolean, () => false);
      while (!(await isServed())) await settle();
    }
  }
}
