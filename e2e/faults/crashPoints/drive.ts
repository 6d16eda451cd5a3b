/**
 * Plays scenarios: once without a crash, then once for each write with a crash before it is sent, and once with one after it was carried out and before
 * anybody heard of it. A failure names scenario, number of the write, the write, and the command that plays just that point again.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { PlayedCluster } from './cluster.ts';
import { nameOf, type CrashPoint, type When, type Write } from './ledger.ts';
import { differences, recordOf, type Record } from './oracle.ts';
import type { Scenario } from './scenario.ts';
import { World, type Clusters } from './world.ts';

const file = 'e2e/faults/crashPoints';

interface Pass {
  readonly record: Record;
  readonly writes: readonly Write[];
  /** What a process that knows nothing writes afterwards. */
  readonly later: readonly string[];
  readonly isReached: boolean;
  readonly log: string;
}

/** CRASH_POINT=queue:7:after, where somebody looks for one. */
interface Wanted {
  readonly scenario: string;
  /** From 1. */
  readonly number: number;
  readonly when: When;
}

function wanted(): Wanted | undefined {
  const text = process.env.CRASH_POINT ?? '';
  if (text === '') return undefined;
  const [, scenario = '', number = '', when = ''] = /^([^:]+):(\d+):(before|after)$/.exec(text) ?? [];
  if (scenario === '') throw new Error(`CRASH_POINT=${text} is not like queue:7:after`);
  return { scenario, number: Number(number), when: when as When };
}

export async function playOnce(clusters: Clusters, scenario: Scenario, point?: CrashPoint): Promise<Pass> {
  const { settings = {}, replicas = 1 } = scenario;
  const world = await World.open({ clusters, settings, replicas, ...(point === undefined ? {} : { point }) });
  try {
    await scenario.play(world);
    await world.settle();
    const record = recordOf(world, scenario);
    const writes = [...world.ledger.writes];
    const later = point === undefined ? await world.secondLook() : [];
    return { record, writes, later, isReached: world.ledger.isReached, log: world.log };
  } catch (error) {
    throw new Error(`${scenario.name}: ${(error as Error).message}\n${world.log}`, { cause: error });
  } finally {
    await world.close();
  }
}

interface Crash {
  /** The same scenario without one. */
  readonly calm: Pass;
  /** Of the write, from 1. */
  readonly number: number;
  readonly when: When;
}

/** What is wrong after a crash at this point, for people; undefined when nothing is. */
export async function faultAt(clusters: Clusters, scenario: Scenario, { calm, number, when }: Crash): Promise<string | undefined> {
  const write = calm.writes[number - 1];
  if (write === undefined) return `${scenario.name} has ${calm.writes.length} writes and no number ${number}`;
  const point = { ...write, when };
  const pass = await playOnce(clusters, scenario, point);
  const allowed = (what: string): number => scenario.allowed?.writes?.(what, point) ?? 0;
  const found = differences(calm.record, pass.record, allowed);
  // The last of those whose number may vary is not there each time.
  if (!pass.isReached && allowed(write.what) === 0) found.unshift('this write was never sent');
  if (found.length === 0) return undefined;
  const id = `${scenario.name}:${number}:${when}`;
  const again = `CRASH_POINT='${id}' vitest run ${file}`;
  return [`A crash ${nameOf(point)}, write ${number} of ${scenario.name}:`, ...found.map((line) => `  ${line}`), `  again: ${again}`].join(
    '\n',
  );
}

export async function openClusters(): Promise<Clusters> {
  const clock = new FakeClock();
  return { home: await PlayedCluster.open('', clock), east: await PlayedCluster.open('east', clock) };
}

/** The tests of these scenarios; `clusters` are shared by all of a file. */
export function crashTests(scenarios: readonly Scenario[]): void {
  let clusters: Clusters;
  beforeAll(async () => {
    clusters = await openClusters();
  }, 60_000);
  afterAll(async () => {
    await clusters.home.close();
    await clusters.east.close();
  });
  const only = wanted();
  const chosen = scenarios.filter(({ name }) => only === undefined || name === only.scenario);
  describe.skipIf(chosen.length === 0)('a crash at any write is not to be noticed afterwards', () => {
    it.each(chosen)('$name', { timeout: 900_000 }, async (scenario) => {
      const calm = await playOnce(clusters, scenario);
      expect(calm.record.errors, 'errors without a crash').toEqual([]);
      expect(calm.later, 'what a second look at a settled world writes').toEqual([]);
      const points: readonly (readonly [number, When])[] =
        only === undefined
          ? calm.writes.flatMap((_write, index) => [[index + 1, 'before'] as const, [index + 1, 'after'] as const])
          : [[only.number, only.when]];
      const faults: string[] = [];
      for (const [number, when] of points) {
        const fault = await faultAt(clusters, scenario, { calm, number, when });
        if (fault !== undefined) faults.push(fault);
      }
      expect(faults.join('\n\n')).toBe('');
      expect(calm.writes.length, 'writes of this scenario').toBeGreaterThanOrEqual(scenario.writes);
    });
  });
}
