/**
 * Kill and restart at every write of a run, before and after it reaches the server: the end state and the set of pods are those of a
 * run nobody disturbed, and no pod ever ran beside another.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { World, namespace, type CrashPoint } from './testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world.close());

interface Story {
  readonly name: string;
  readonly spec?: Partial<ProwJobSpec>;
  /** How many writes the undisturbed story takes. */
  readonly writes: number;
  /** What the world does while operators come and go; called again and again until the run is complete. */
  readonly world: (run: ProwJob, pods: readonly Pod[]) => Promise<void>;
  readonly end: {
    readonly state: string;
    readonly reason: string;
    readonly causes: readonly (string | undefined)[];
    readonly pods: readonly string[];
  };
}

const unfinished = (pods: readonly Pod[]): readonly Pod[] =>
  pods.filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined);

const stories: readonly Story[] = [
  {
    name: 'success',
    writes: 3,
    world: async (_run, pods) => {
      for (const pod of unfinished(pods)) await world.endPod(pod.metadata.name, 0);
    },
    end: { state: 'success', reason: 'Succeeded', causes: ['Succeeded'], pods: [''] },
  },
  {
    name: 'failure',
    writes: 3,
    world: async (_run, pods) => {
      for (const pod of unfinished(pods)) await world.endPod(pod.metadata.name, 1);
    },
    end: { state: 'failure', reason: 'TestFailed', causes: ['TestFailed'], pods: [''] },
  },
  {
    name: 'eviction',
    writes: 5,
    world: async (_run, pods) => {
      for (const pod of unfinished(pods)) {
        if (pod.metadata.name.endsWith('-2')) await world.endPod(pod.metadata.name, 0);
        else await world.setPodStatus(pod.metadata.name, { phase: 'Failed', reason: 'Evicted' });
      }
    },
    end: { state: 'success', reason: 'Succeeded', causes: ['Evicted', 'Succeeded'], pods: ['', '-2'] },
  },
  {
    name: 'abort',
    writes: 4,
    world: async (run, pods) => {
      if (pods.length > 0 && run.spec.abort === undefined) {
        await world.client.patch(prowJobs, { namespace, name: run.metadata.name }, mergePatch({ spec: { abort: { by: 'ann' } } }));
      }
    },
    end: { state: 'aborted', reason: 'Aborted', causes: [undefined], pods: [] },
  },
  {
    name: 'timeout',
    // The pod starts in the past, so its running deadline has passed when anybody sees it.
    spec: { timeouts: { running: '1h' } },
    writes: 4,
    world: async (_run, pods) => {
      const startTime = new Date(Date.now() - 2 * 3_600_000).toISOString();
      for (const pod of unfinished(pods)) {
        if (pod.status?.phase !== 'Running') await world.setPodStatus(pod.metadata.name, { phase: 'Running', startTime });
      }
    },
    end: { state: 'aborted', reason: 'RunningTimeout', causes: ['RunningTimeout'], pods: [] },
  },
];

async function play(story: Story, name: string, crash?: CrashPoint): Promise<number> {
  await world.createRun(name, { job: name, ...story.spec });
  let operator = await world.operator(crash === undefined ? {} : { crash });
  let writes = 0;
  let most = 0;
  await world.eventually(`${name} is settled`, async () => {
    if (operator.crashed()) {
      await operator.stop();
      writes += operator.writes.length;
      operator = await world.operator();
    }
    const own = await podsOf(name);
    most = Math.max(most, unfinished(own).length);
    const run = await world.run(name);
    await story.world(run, own);
    await operator.controller.idle();
    return !operator.crashed() && run.status?.completionTime !== undefined && unfinished(await podsOf(name)).length === 0;
  });
  await operator.stop();
  expect(most, 'unfinished pods at any time').toBeLessThanOrEqual(1);
  return writes + operator.writes.length;
}

const podsOf = async (name: string): Promise<readonly Pod[]> =>
  (await world.pods()).filter((pod) => pod.metadata.name === name || pod.metadata.name.startsWith(`${name}-`));

async function expectEnd(story: Story, name: string): Promise<void> {
  const { status } = await world.run(name);
  expect({ state: status?.state, reason: status?.reason }).toEqual({ state: story.end.state, reason: story.end.reason });
  expect(status?.attempts?.map(({ cause }) => cause)).toEqual(story.end.causes);
  const ids = status?.attempts?.map(({ build_id }) => build_id) ?? [];
  expect(new Set(ids).size).toBe(ids.length);
  const names = (await podsOf(name)).filter((pod) => pod.metadata.deletionTimestamp === undefined).map((pod) => pod.metadata.name);
  expect(names.sort()).toEqual(story.end.pods.map((suffix) => `${name}${suffix}`));
}

describe.each(stories)('$name', (story) => {
  it(`takes ${story.writes} writes when nobody disturbs it`, async () => {
    const name = `${story.name}-calm`;
    expect(await play(story, name)).toBe(story.writes);
    await expectEnd(story, name);
  });

  const points = Array.from({ length: story.writes }, (_, write) => [
    { write, when: 'before' as const },
    { write, when: 'after' as const },
  ]).flat();
  it.each(points)('killed $when write $write, a new operator comes to the same end', async (crash) => {
    const name = `${story.name}-${crash.when}-x${crash.write}`;
    await play(story, name, crash);
    await expectEnd(story, name);
  });
});
