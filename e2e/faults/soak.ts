/**
 * `make soak`: half an hour of random work under random faults, on a sandbox with two operators as processes. All invariants are checked all
 * the time; at the end the faults stop, everything settles, a second pass writes nothing, and no operator holds more than it did.
 * SOAK_MINUTES (30) and SOAK_SEED (any) from the environment. Exit code 0: all held. 1: something broke; it says what, and how to try again.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { prowJobs } from '../../crds/resources.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { Recorder } from '../scenarios/history.ts';
import { prowJob } from '../scenarios/manifests.ts';
import { disturbedSince, touchAll } from '../scenarios/secondPass.ts';
import { limitsOf } from '../scenarios/settings.ts';
import { Dice } from './seeded.ts';
import { nextFault } from './soakFaults.ts';
import { Rounds } from './soakRounds.ts';
import { growthOf, type Growth, type ProbeLine } from './soakSamples.ts';
import { soakSettings, SoakStage, until } from './soakStage.ts';

const minutes = Number(process.env.SOAK_MINUTES ?? '30');
const seed = Number(process.env.SOAK_SEED ?? String(randomInt(1, 1_000_000)));

/** Of the time: processes die in the first part and live on in the second, where they are measured. */
const deadlyShare = 0.4;
const warmUpShare = 0.1;
const roundMs = 40_000;
const lanes = 2;
const sampleMs = 5_000;
const checkMs = 10_000;
const megabyte = 2 ** 20;

class Soak {
  readonly #stage: SoakStage;
  readonly #recorder: Recorder;
  readonly #rounds: Rounds;
  readonly #beganMs = performance.now();
  /** Aborted when nobody acts and nothing is done to anybody any more. */
  readonly #over = new AbortController();
  /** Samples of each process before it was warm. */
  readonly #cold = new Map<number, number>();
  /** Samples of those that were there to the end. */
  readonly #measured = new Map<string, readonly ProbeLine[]>();
  readonly #faults = new Map<string, number>();
  #lastFault = 'none yet';
  #checks = 0;

  constructor(stage: SoakStage, recorder: Recorder) {
    this.#stage = stage;
    this.#recorder = recorder;
    this.#rounds = new Rounds({ client: stage.client, recorder, seed, limits: limitsOf(soakSettings) });
  }

  /** Throws at the first thing that is wrong. */
  async play(): Promise<void> {
    const watching = new AbortController();
    const watched = this.#keepWatch(watching.signal);
    const played = this.#playAll();
    try {
      // Whoever fails first decides; the others are told to end.
      await Promise.race([played, watched.then(() => played)]);
    } finally {
      this.#over.abort();
      this.#rounds.giveUp();
      watching.abort();
      await Promise.allSettled([played, watched]);
    }
    this.#expectFlat();
  }

  async #playAll(): Promise<void> {
    const timer = setTimeout(() => this.#over.abort(), minutes * 60_000);
    try {
      await Promise.all([this.#faultsByChance(), ...Array.from({ length: lanes }, (_, lane) => this.#lane(new Dice(seed + lane + 1)))]);
    } finally {
      clearTimeout(timer);
      this.#over.abort();
    }
    this.#rememberCold(true);
    await this.#afterwards();
  }

  get #elapsedMs(): number {
    return performance.now() - this.#beganMs;
  }

  #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get #isCalm(): boolean {
    return this.#elapsedMs > minutes * 60_000 * deadlyShare;
  }

  async #faultsByChance(): Promise<void> {
    const dice = new Dice(seed);
    while (!this.#isOver()) {
      await wait(dice.between(1, 6) * 1000, undefined, { signal: this.#over.signal }).catch(() => undefined);
      const fault = nextFault(dice, this.#isCalm);
      if (this.#isOver()) break;
      this.#lastFault = await fault.act(this.#stage, dice, this.#isCalm);
      this.#faults.set(fault.name, (this.#faults.get(fault.name) ?? 0) + 1);
    }
    this.#stage.proxy.heal();
  }

  async #lane(dice: Dice): Promise<void> {
    while (!this.#isOver()) {
      const namespace = await this.#rounds.play(dice, roundMs, this.#over.signal);
      await this.#endOf(namespace);
    }
  }

  async #endOf(namespace: string): Promise<void> {
    await this.#rounds.settle(namespace);
    expectNothing(`when ${namespace} had settled`, this.#rounds.judge(namespace));
    await this.#rounds.leave(namespace);
  }

  /** Without faults: what is left settles, and looking at it again changes nothing. */
  async #afterwards(): Promise<void> {
    const { client } = this.#stage;
    const namespace = await this.#rounds.play(new Dice(seed), 8_000, new AbortController().signal);
    await this.#rounds.settle(namespace);
    const touched = await touchAll(client, namespace);
    const barrier = prowJob('looked-again', 'true', { cluster: 'nowhere' });
    await client.create(prowJobs, { ...barrier, metadata: { ...barrier.metadata, namespace } });
    const key = { namespace, name: barrier.metadata.name };
    await until('a run that nobody can start to end', async () => isComplete(await client.get<ProwJob>(prowJobs, key)));
    expectNothing('by a second pass over a settled world', await disturbedSince(client, touched));
    await this.#endOf(namespace);
  }

  /** Restarts what ended, checks the invariants, and tells how it goes, until it is told to stop. */
  async #keepWatch(signal: AbortSignal): Promise<void> {
    let [sampledMs, checkedMs, toldMs] = [0, 0, 0];
    while (!signal.aborted) {
      this.#stage.supervise();
      const nowMs = this.#elapsedMs;
      if (nowMs - sampledMs >= sampleMs) {
        sampledMs = nowMs;
        this.#rememberCold(false);
      }
      if (nowMs - checkedMs >= checkMs) {
        checkedMs = nowMs;
        this.#checks += 1;
        expectNothing('under way', this.#rounds.broken());
      }
      if (nowMs - toldMs >= 60_000) {
        toldMs = nowMs;
        say(await this.#progress());
      }
      await wait(500, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Until the calm part has gone on for a while, a process is not measured; nor while it is young, nor when the work is over. */
  #rememberCold(isOver: boolean): void {
    const warmMs = minutes * 60_000 * (deadlyShare + warmUpShare);
    for (const program of this.#stage.operators) {
      const samples = this.#stage.samplesOf(program);
      if (isOver) this.#measured.set(program.name, samples.slice(this.#cold.get(program.pid) ?? 0));
      else if (this.#elapsedMs < warmMs || (samples.at(-1)?.ageMs ?? 0) < minutes * 60_000 * warmUpShare)
        this.#cold.set(program.pid, samples.length);
    }
  }

  async #progress(): Promise<string> {
    const leader = await this.#stage.leader();
    const last = leader === undefined ? undefined : this.#stage.samplesOf(leader).at(-1);
    const held =
      last === undefined
        ? ''
        : ` (heap ${mb(last.heapBytes)} MB, resident ${mb(last.rssBytes)} MB, ${last.files} files, ${last.sockets} sockets, ${last.timers} timers)`;
    const minute = Math.round(this.#elapsedMs / 60_000);
    return [
      `${String(minute).padStart(3)} min  ${this.#rounds.acts} acts, ${this.#rounds.ended} runs judged, ${this.#rounds.open} open`,
      `${[...this.#faults.values()].reduce((sum, count) => sum + count, 0)} faults, the last: ${this.#lastFault}`,
      `leader ${leader?.name ?? 'nobody'}${held}`,
    ].join(' · ');
  }

  #expectFlat(): void {
    const grown: string[] = [];
    for (const [name, samples] of this.#measured) {
      const growth = growthOf(samples);
      say(
        '',
        growth === undefined
          ? `${name} did not live long enough to be measured (${samples.length} samples)`
          : `${name}, ${samples.length} samples:`,
      );
      for (const each of growth ?? []) {
        say(growthLine(each));
        if (!each.isFlat) grown.push(`${name} grew: ${growthLine(each)}`);
      }
    }
    expectNothing('in the long run', grown);
    if (minutes >= 10 && ![...this.#measured.values()].some((samples) => growthOf(samples) !== undefined))
      throw new Error('no operator lived long enough to be measured');
  }

  summary(): readonly string[] {
    return [
      '',
      `${this.#rounds.acts} acts of users, ${this.#rounds.ended} runs judged one by one, invariants checked ${this.#checks} times`,
      `${this.#stage.starts} starts of operators; ended by themselves: ${this.#stage.selfEnded.length}`,
      ...this.#stage.selfEnded.map((each) => `  ${each}`),
      `record bridged ${this.#recorder.gaps} gaps after crashes of the API server`,
      ...[...this.#faults].sort().map(([name, count]) => `${String(count).padStart(5)} × ${name}`),
    ];
  }
}

const say = (...lines: readonly string[]): void => void process.stdout.write(`${lines.join('\n')}\n`);
const mb = (bytes: number): string => (bytes / megabyte).toFixed(0);
const growthLine = ({ name, early, late, allowed, isFlat }: Growth): string =>
  `  ${name.padEnd(13)} first quarter ${early.toFixed(1).padStart(7)}   second half ${late.toFixed(1).padStart(7)}   at most ${allowed.toFixed(1).padStart(7)}   ${isFlat ? 'flat' : 'GROWS'}`;

class Broken extends Error {}

function expectNothing(when: string, wrong: readonly string[]): void {
  if (wrong.length > 0) throw new Broken(`This broke ${when}:\n${wrong.map((each) => `  ${each}`).join('\n')}`);
}

const isUsable = (value: number): boolean => Number.isFinite(value) && value > 0;

async function main(): Promise<number> {
  if (!isUsable(minutes) || !isUsable(seed)) {
    process.stderr.write('soak: SOAK_MINUTES and SOAK_SEED must be numbers above 0\n');
    return 2;
  }
  const replay = `SOAK_SEED=${seed} SOAK_MINUTES=${minutes} make soak`;
  say(`Soak of ${minutes} minutes with seed ${seed}. Again: ${replay}`);
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  interrupted.catch(() => undefined);
  const stage = await SoakStage.open(seed);
  const recorder = new Recorder(stage.client, { bridgesGaps: true });
  const soak = new Soak(stage, recorder);
  let isWell = false;
  try {
    await Promise.race([stage.startOperators().then(() => recorder.start()), interrupted]);
    await Promise.race([soak.play(), interrupted]);
    isWell = true;
    say(...soak.summary(), '', 'All invariants held, everything settled, and nothing grew.');
  } catch (error) {
    const words = error instanceof Broken ? error.message : String(error instanceof Error ? (error.stack ?? error) : error);
    say('', words, ...soak.summary(), '', stage.tail(12), '', `The seed was ${seed}. Again: ${replay}`, `What was said is in ${stage.dir}`);
  } finally {
    await recorder.close();
    await stage.close(!isWell);
  }
  return isWell ? 0 : 1;
}

process.exitCode = await main();
// Where it was interrupted, users still act, and wait for a server that is gone.
process.exit();
