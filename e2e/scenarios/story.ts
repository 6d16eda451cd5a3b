/**
 * How a file of stories runs: one installation for the file, a namespace for each story, stories beside each other, and at the end of each
 * the invariants. A story that fails tells what the operator said last.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { periodics, periodicSets } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import { historyOf, lastStates, Recorder } from './history.ts';
import { leaderOf, type Installation } from './installation.ts';
import { brokenInvariants } from './invariants.ts';
import type { Limits } from './limitLedger.ts';
import { prowJob } from './manifests.ts';
import { Scene } from './scene.ts';
import { disturbedSince, touchAll } from './secondPass.ts';
import { limitsOf, storySettings } from './settings.ts';
import { install, targetName } from './target.ts';

export type Story = (says: string, play: (scene: Scene) => Promise<void>) => void;

export interface Stage {
  /** What the operator's settings say beside the common ones. */
  readonly settings?: SettingsFile;
  /** Default 1. */
  readonly replicas?: number;
  /** The stories disturb each other, so they run one after the other. */
  readonly alone?: boolean;
  /** What they need is not there. */
  readonly skip?: boolean;
}

const storyTimeoutMs = 120_000;
const installTimeoutMs = 180_000;

/** A name that no other run of the stories takes. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`;

export function stories(about: string, stage: Stage, tell: (story: Story) => void): void {
  const settings = storySettings(stage.settings);
  const limits = limitsOf(settings);
  describe.skipIf(stage.skip === true)(`${about} (${targetName()})`, { concurrent: stage.alone !== true }, () => {
    let installation: Installation;
    let recorder: Recorder;
    const undo: (() => Promise<void>)[] = [];
    beforeAll(async () => {
      installation = await install({ settings, replicas: stage.replicas ?? 1 });
      undo.push(() => installation.close());
      recorder = new Recorder(installation.client);
      undo.push(() => recorder.close());
      await recorder.start();
      while ((await leaderOf(installation)) === '') {
        await installation.check();
        await wait(50);
      }
    }, installTimeoutMs);
    afterAll(async () => {
      for (const step of undo.toReversed()) await step();
    }, installTimeoutMs);
    tell((says, play) => {
      it(says, async () => playStory(new Scene(installation, recorder, uniqueName('story')), limits, play), storyTimeoutMs);
    });
  });
}

async function playStory(scene: Scene, limits: Limits, play: (scene: Scene) => Promise<void>): Promise<void> {
  try {
    await scene.addNamespace(scene.namespace);
    await play(scene);
    await settle(scene);
    const broken = brokenInvariants(historyOf(scene.recorder, scene.namespaces), { deletedPods: scene.deletedPods, limits });
    if (broken.length > 0) throw new Error(`the story went well, but:\n${broken.join('\n')}`);
    await staysAsItIs(scene);
  } catch (error) {
    const words = await scene.installation.tail(15).catch(messageOf);
    await scene.leave().catch(() => undefined);
    throw new Error(`${messageOf(error)}\nThe operator's last words:\n${words}`, { cause: error });
  }
  await scene.leave();
}

/** A set would start its schedules again, so it has to stop them itself. */
async function stopSets(scene: Scene): Promise<void> {
  for (const namespace of scene.namespaces) {
    for (const { metadata } of (await scene.client.list(periodicSets, { namespace })).items) {
      await scene.client.patch(
        periodicSets,
        { namespace, name: metadata.name },
        mergePatch({ spec: { template: { spec: { suspend: true } } } }),
      );
    }
  }
  const isOfSet = ({ metadata }: Periodic): boolean => metadata.ownerReferences?.some(({ kind }) => kind === 'PeriodicSet') === true;
  await scene.eventually('every set to stop its schedules', () =>
    lastStates(historyOf(scene.recorder, scene.namespaces).periodics).every(
      (each) => !isOfSet(each) || each.spec.suspend === true || isGone(scene, each),
    ),
  );
}

/** Schedules stop, and everything that was started comes to its end. */
async function settle(scene: Scene): Promise<void> {
  await stopSets(scene);
  const here = (): ReturnType<typeof historyOf> => historyOf(scene.recorder, scene.namespaces);
  /** By uid: what the operator must have seen at least. */
  const generations = new Map<string, number>();
  for (const { metadata, spec } of lastStates(here().periodics)) {
    const key = { namespace: metadata.namespace ?? '', name: metadata.name };
    if (scene.recorder.periodic(key.namespace, key.name) === undefined || spec.suspend === true) continue;
    const stopped = await scene.client.patch(periodics, key, mergePatch({ spec: { suspend: true } }));
    generations.set(stopped.metadata.uid ?? '', stopped.metadata.generation ?? 0);
  }
  const isSettled = ({ metadata, status }: Periodic): boolean =>
    status?.observedGeneration === metadata.generation &&
    (metadata.generation ?? 0) >= (generations.get(metadata.uid ?? '') ?? 0) &&
    (status?.active ?? []).length === 0;
  await scene.eventually('every run to end', () => lastStates(here().runs).every((run) => isComplete(run) || isGone(scene, run)));
  await scene.eventually('every Periodic to know', () =>
    lastStates(here().periodics).every((each) => isGone(scene, each) || isSettled(each)),
  );
}

const isGone = ({ recorder }: Scene, { kind, metadata }: ProwJob | Periodic): boolean => {
  const { namespace = '', name, uid } = metadata;
  const now = kind === 'Periodic' ? recorder.periodic(namespace, name) : recorder.run(namespace, name);
  return now?.metadata.uid !== uid;
};

/**
 * A second pass over a settled world writes nothing. Each object is touched, which makes the operator look at it again; a run that comes
 * after them and has ended shows that it did; then each must be as the touch left it.
 */
async function staysAsItIs(scene: Scene): Promise<void> {
  const touched = await touchAll(scene.client, scene.namespace);
  await scene.apply(prowJob('looked-again', 'true', { cluster: 'nowhere' }));
  await scene.finished('looked-again');
  const disturbed = await disturbedSince(scene.client, touched);
  if (disturbed.length > 0) throw new Error(`a second pass over a settled world wrote:\n${disturbed.join('\n')}`);
}
