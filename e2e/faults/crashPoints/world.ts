/**
 * One pass of a scenario: clusters, a clock that stands still until the world is at rest, and operator processes that come and go. Whatever a scenario
 * does, the next thing happens only when every process has seen everything, has nothing under way and waits for time. A process that has died is
 * replaced at once by one with empty caches.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DirectoryStore } from '../../../operator/archive/directoryStore.ts';
import { setUpControllers } from '../../../operator/commands/controllers.ts';
import { loadSettings } from '../../../operator/config/loadSettings.ts';
import type { Settings, SettingsFile } from '../../../operator/config/settings.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { messageOf } from '../../../operator/runtime/errors.ts';
import { Metrics } from '../../../operator/runtime/metrics.ts';
import { OperatorKit, type Connect } from '../../../operator/runtime/operatorKit.ts';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../../../operator/runtime/testing/recordingLogger.ts';
import type { StoredObject } from '../../../sandbox/storage/storage.ts';
import { turn, type PlayedCluster } from './cluster.ts';
import { Ledger, type CrashPoint } from './ledger.ts';
import { Life, type Place } from './life.ts';

export const namespace = 'default';
export const startMs = Date.parse('2026-01-05T10:00:30Z');

export interface Clusters {
  readonly home: PlayedCluster;
  readonly east: PlayedCluster;
}

export interface WorldOptions {
  readonly clusters: Clusters;
  readonly settings: SettingsFile;
  readonly replicas: 1 | 2;
  readonly point?: CrashPoint;
}

interface Process {
  readonly life: Life;
  readonly kit: OperatorKit;
  readonly logger: RecordingLogger;
  readonly leading: Promise<unknown>;
}

/** Longer than anything takes; a world that does not come to rest is a failure that says why. */
const longestRestMs = 20_000;
/** The dead that had files open: a system closes those of a process that is killed, but nothing here is one. */
const graves: OperatorKit[] = [];
const quietTurns = 3;
/** Turns of the event loop before processor time is left to others. */
const patience = 200;

export class World {
  readonly clock = new FakeClock(startMs);
  readonly ledger: Ledger;
  readonly home: PlayedCluster;
  readonly east: PlayedCluster;
  readonly #settings: Settings;
  readonly #replicas: number;
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'crash-points-'));
  readonly #lives: Life[] = [];
  readonly #loggers: RecordingLogger[] = [];
  #processes: Process[] = [];
  #isOut = false;
  #starts = 0;

  private constructor(options: WorldOptions) {
    const { home, east } = options.clusters;
    this.home = home;
    this.east = east;
    this.#replicas = options.replicas;
    this.ledger = new Ledger(options.point);
    const archive =
      options.settings.archive === undefined
        ? {}
        : { archive: { ...options.settings.archive, location: `file://${this.archive}`, spoolDir: path.join(this.#dir, 'spool') } };
    this.#settings = loadSettings(JSON.stringify({ ...options.settings, ...archive }), 'settings.yaml');
    for (const cluster of [home, east]) {
      cluster.clear();
      cluster.setClock(this.clock);
    }
  }

  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options);
    // What was cleared is told to nobody who is there now.
    await turn();
    await turn();
    for (const cluster of [world.home, world.east]) cluster.clear();
    return world;
  }

  get archive(): string {
    return path.join(this.#dir, 'archive');
  }

  /** Every line of level error that any process has logged. */
  get errors(): readonly string[] {
    return this.#loggers.flatMap(({ lines }) =>
      lines.filter(({ level }) => level === 'error').map(({ message, fields }) => `${message} ${messageOf(fields.error)}`),
    );
  }

  /** What the processes logged, for a failure. */
  get log(): string {
    return this.#loggers
      .map(({ lines }, index) =>
        [`process ${index + 1}:`, ...lines.map(({ level, message, fields }) => `  ${level} ${message} ${JSON.stringify(fields)}`)].join(
          '\n',
        ),
      )
      .join('\n');
  }

  get hasLeader(): boolean {
    return this.#leader !== undefined;
  }

  create(type: ResourceType, object: KubeObject): void {
    this.home.sandbox.api.create(type, object as StoredObject);
  }

  edit<T extends KubeObject>(type: ResourceType<T>, name: string, change: (object: T) => T): void {
    this.home.sandbox.api.update(type, { namespace, name }, (object) => change(object as unknown as T) as unknown as StoredObject);
  }

  remove(type: ResourceType, name: string): void {
    const key = { namespace, name };
    const { uid = '' } = this.home.sandbox.api.get(type, key)?.metadata ?? {};
    this.home.sandbox.api.delete(type, key, uid);
  }

  get<T extends KubeObject>(type: ResourceType<T>, name: string): T | undefined {
    return this.home.sandbox.api.get(type, { namespace, name }) as unknown as T | undefined;
  }

  /** All operators end, as a machine does that loses its power, and nobody starts others. */
  async outage(): Promise<void> {
    await this.settle();
    this.#isOut = true;
    for (const { life } of this.#processes) life.die();
    await this.settle();
  }

  /** The end of an outage. */
  async back(): Promise<void> {
    this.#isOut = false;
    await this.settle();
  }

  /** An ordered stop of the process that leads; another one is started. */
  async stopLeader(): Promise<void> {
    await this.settle();
    this.#leader?.life.stop();
    await this.settle();
  }

  /** Until nothing happens any more without time. */
  async settle(): Promise<void> {
    do {
      await this.#rest();
    } while (this.#replace() || this.home.step() || this.east.step());
  }

  /** Lets time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.clock.monotonic() + ms;
    await this.settle();
    while (this.clock.monotonic() < endMs) {
      const leftMs = endMs - this.clock.monotonic();
      await this.clock.advance(Math.min(leftMs, this.clock.untilNext ?? leftMs));
      await this.settle();
    }
  }

  /** Lets time pass until it is so. */
  async until(what: string, isSo: () => boolean, limitMs = 600_000): Promise<void> {
    const endMs = this.clock.monotonic() + limitMs;
    await this.settle();
    while (!isSo()) {
      if (this.clock.monotonic() >= endMs) throw new Error(`waited ${limitMs} ms of the scenario's time in vain for ${what}`);
      await this.advance(Math.max(1, this.clock.untilNext ?? 1_000));
    }
  }

  /** Processes that know nothing look at a world at rest: what they write is returned. */
  async secondLook(): Promise<readonly string[]> {
    await this.settle();
    const before = this.ledger.writes.length;
    for (const { life } of this.#processes) life.die();
    await this.settle();
    return this.ledger.writes.slice(before).flatMap(({ channel, what }) => (channel === 'lease' ? [] : [what]));
  }

  async close(): Promise<void> {
    this.#isOut = true;
    for (const { life } of this.#processes) life.die();
    await this.#rest();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #leader(): Process | undefined {
    return this.#processes.find(({ life, kit }) => !life.isDead && kit.manager.phase === 'leading');
  }

  /** Starts processes in the place of those that have died. */
  #replace(): boolean {
    this.#processes = this.#processes.filter(({ life }) => !life.isDead);
    if (this.#isOut) return false;
    const missing = this.#replicas - this.#processes.length;
    for (let index = 0; index < missing; index += 1) this.#processes.push(this.#start());
    return missing > 0;
  }

  #start(): Process {
    this.#starts += 1;
    const life = new Life(this.ledger, this.clock);
    const logger = new RecordingLogger();
    this.#lives.push(life);
    this.#loggers.push(logger);
    const connect: Connect = (source) => life.wire(async () => this.#placeAt((await source.access()).origin));
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#settings.leaderElection;
    const kit = new OperatorKit({
      name: 'prow-operator',
      identity: `operator-${this.#starts}`,
      access: { access: () => Promise.resolve({ origin: this.home.sandbox.url, basePath: '', headers: {}, tls: {} }) },
      connect,
      clock: life.clock,
      logger,
      metrics: new Metrics(),
      ...(this.#replicas === 1 ? {} : { lease: { namespace, name: 'prow-operator', leaseDurationMs, renewDeadlineMs, retryPeriodMs } }),
    });
    const settings = this.#settings;
    if (settings.archive !== undefined) graves.push(kit);
    setUpControllers(kit, { settings: () => settings, openStore: ({ bucket }) => Promise.resolve(life.store(new DirectoryStore(bucket))) });
    life.run((signal) => kit.manager.run(signal));
    const leading = kit.manager.leading().catch(() => undefined);
    return { life, kit, logger, leading };
  }

  #placeAt(origin: string): Place {
    const found = [this.home, this.east].find(({ sandbox }) => sandbox.url === origin);
    if (found === undefined) throw new Error(`no cluster is at ${origin}`);
    return found;
  }

  /** Resolves when nothing is under way: no call, no change that somebody has still to see, no file. */
  async #rest(): Promise<void> {
    const limitMs = performance.now() + longestRestMs;
    let turns = 0;
    for (let quiet = 0; quiet < quietTurns;) {
      await (turns++ < patience ? turn() : wait(1));
      const busy = this.#busy();
      quiet = busy === undefined ? quiet + 1 : 0;
      if (busy !== undefined && performance.now() > limitMs) throw new Error(`the world does not come to rest: ${busy}\n${this.log}`);
    }
  }

  #busy(): string | undefined {
    for (const life of this.#lives) {
      if (life.underWay > 0) return `${life.underWay} calls are under way`;
      for (const view of life.views) {
        const cluster = [this.home, this.east].find(({ transport }) => transport === view.transport);
        if (cluster !== undefined && !view.hasSeen(cluster.changesOf(view.plural))) return `a watch of ${view.plural} is behind`;
      }
    }
    return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'CloseReq')
      ? 'a file is being written'
      : undefined;
  }
}
