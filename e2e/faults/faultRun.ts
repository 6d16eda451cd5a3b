/**
 * Random work under faults, then without: everything has to settle, the invariants have to hold over the whole history, every run has to end
 * as it may, and a settled world has to stay as it is. What is wrong comes back as sentences.
 */
import { stringify } from 'yaml';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { loadSettings } from '../../operator/config/loadSettings.ts';
import type { Settings } from '../../operator/config/settings.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { historyOf, lastStates, type History } from '../scenarios/history.ts';
import { brokenInvariants } from '../scenarios/invariants.ts';
import { FaultWorld } from './faultWorld.ts';
import type { Rule } from './faults.ts';
import { sandboxGround, type Ground } from './ground.ts';
import { faultMix, type FaultKind } from './randomFaults.ts';
import { RandomWork, randomWorkSettings } from './randomWork.ts';
import { Dice } from './seeded.ts';

export interface FaultRunOptions {
  readonly seed: number;
  /** What it stands on; closed in the end. Default: a sandbox. */
  readonly ground?: () => Promise<Ground>;
  /** The faults of one phase after the other; default: random mixes of what a server may do. */
  readonly phases?: readonly (readonly Rule[])[];
  /** Kinds for random mixes. Default: those of a server. */
  readonly from?: readonly FaultKind['from'][];
  /** Afterwards so much time passes that the caches are listed anew: what was lost without a trace comes back only then. */
  readonly comparesAnew?: boolean;
}

export interface FaultRunResult {
  /** What was done to the operator. */
  readonly faults: readonly string[];
  /** Empty when all is well. */
  readonly wrong: readonly string[];
  readonly runs: number;
  readonly pods: number;
  /** Requests that a fault has befallen. */
  readonly hits: number;
  /** What the operator said last of what is wrong, or of everything. */
  readonly log: string;
}

const phaseMs = 8_000;
const phasesOfChance = 4;
/** The longest wait between two attempts of anything, and the longest deadline of the work, several times. */
const settleMs = 600_000;
/** So far behind the operator may be when the work stops: the longest pause before a watch goes on, twice. Meanwhile it is looked after. */
const lagMs = 60_000;
const lookMs = 1_000;
const restMs = 90_000;

export async function faultRun({
  seed,
  ground = sandboxGround,
  phases,
  from = ['server'],
  comparesAnew = from.includes('broken'),
}: FaultRunOptions): Promise<FaultRunResult> {
  const settings = loadSettings(stringify(randomWorkSettings), 'settings of random work');
  const world = await FaultWorld.open({ ground: await ground(), seed, settings });
  const work = new RandomWork({ client: world.client, namespace: world.namespace, seed });
  const dice = new Dice(seed ^ 0x5eed);
  const faults: string[] = [];
  const here = (): History => historyOf(world.recorder, [world.namespace]);
  const wrong: string[] = [];
  try {
    for (let phase = 0; phase < (phases?.length ?? phasesOfChance); phase += 1) {
      const mix = phases === undefined ? faultMix(dice, from) : { names: [], rules: phases[phase] ?? [] };
      faults.push(mix.names.join(' + '));
      world.proxy.heal();
      world.proxy.inject(...mix.rules);
      // Watches that are open would not notice.
      world.proxy.cut();
      await toil(world, work, dice);
    }
    world.proxy.heal();
    if (comparesAnew) await world.listAnew();
    await toil(world, work, dice);
    await settleDown(world, work, here);
    wrong.push(...(await judge({ world, work, here, limits: settings.prowJobs })));
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error), ...unsettled(here()));
  }
  const result = {
    hits: world.proxy.hits,
    faults,
    wrong,
    runs: lastStates(here().runs).length,
    pods: lastStates(here().pods).length,
    log: world.tail(40, namesIn(wrong)),
  };
  await world.close();
  return result;
}

/** The objects of random work that sentences are about. */
const namesIn = (sentences: readonly string[]): readonly string[] =>
  sentences.flatMap((each) => each.match(/(?:run|schedule)-[-\w]+/g) ?? []);

/** One phase of work. */
async function toil(world: FaultWorld, work: RandomWork, dice: Dice): Promise<void> {
  for (let leftMs = phaseMs; leftMs > 0;) {
    await work.step();
    const ms = dice.between(1, 4) * 250;
    await world.pass(ms);
    leftMs -= ms;
  }
}

const settledPeriodic = ({ metadata, spec, status }: Periodic): boolean =>
  spec.suspend === true &&
  status?.observedGeneration === metadata.generation &&
  (status?.active ?? []).length === 0 &&
  // Asked for by hand, and seen.
  metadata.annotations?.[runNowAnnotation] === status?.lastRunNowToken;

/** What has not come to rest, in words. */
function unsettled({ runs, periodics }: History): string[] {
  const present = <T extends ProwJob | Periodic>(changes: readonly { readonly type: string; readonly object: T }[]): readonly T[] =>
    [...new Map(changes.map(({ type, object }) => [object.metadata.uid, type === 'DELETED' ? [] : [object]])).values()].flat();
  return [
    ...present(runs)
      .filter((run) => !isComplete(run))
      .map(({ metadata, status }) => `${metadata.name} is ${JSON.stringify(status)}`),
    ...present(periodics)
      .filter((each) => !settledPeriodic(each))
      .map(({ metadata, spec, status }) => `${metadata.name} (suspend ${spec.suspend === true}) is ${JSON.stringify(status)}`),
  ];
}

async function settleDown(world: FaultWorld, work: RandomWork, here: () => History): Promise<void> {
  await work.stop();
  const isSettled = (): boolean => unsettled(here()).length === 0;
  for (let passedMs = 0; passedMs < lagMs && !isSettled(); passedMs += lookMs) {
    await world.hurry(lookMs);
    await work.stopLatecomers();
  }
  await world.until('everything to settle', isSettled, settleMs);
}

/** While an API server refuses again and again, that is said again and again. That it ends is seen when the world has settled. */
const isOfFaults = (what: string): boolean => what.startsWith('nothing is written again and again');

interface Case {
  readonly world: FaultWorld;
  readonly work: RandomWork;
  readonly here: () => History;
  readonly limits: Settings['prowJobs'];
}

async function judge({ world, work, here, limits }: Case): Promise<readonly string[]> {
  // What is cleaned up now is cleaned up; then nothing is left to do.
  await world.rest(restMs);
  const before = world.writes.length;
  await world.rest(restMs);
  const runs = lastStates(here().runs);
  const names = new Set(runs.map(({ metadata }) => metadata.name));
  return [
    ...brokenInvariants(here(), { deletedPods: work.deletedPods, limits }).filter((what) => !isOfFaults(what)),
    ...work.wrongEnds(runs),
    ...work.lasting.filter((name) => !names.has(name)).map((name) => `${name} was never seen`),
    ...world.writes.slice(before).map((write) => `a settled world was written to: ${write}`),
  ];
}
