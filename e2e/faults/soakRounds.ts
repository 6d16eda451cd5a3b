/**
 * The work of a soak in rounds, each in a namespace of its own: users act at random for a while, then everything comes to its end, is
 * judged, and is deleted and forgotten, so that neither the cluster nor the record of what happened grows. Rounds overlap.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isComplete } from '../../operator/jobs/runState.ts';
import { namespaces } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { byUid, historyOf, lastStates, type Change, type History, type Recorder } from '../scenarios/history.ts';
import { askedAtTheEnd, blurredByDelays, brokenInvariants } from '../scenarios/invariants.ts';
import { overTheLimits, type Limits } from '../scenarios/limitLedger.ts';
import { RandomWork } from './randomWork.ts';
import type { Dice } from './seeded.ts';
import { unlessUnreachable } from './soakStage.ts';

export interface RoundsOptions {
  readonly client: KubeClient;
  readonly recorder: Recorder;
  readonly seed: number;
  readonly limits: Limits;
}

const underWay: ReadonlySet<string> = new Set([...askedAtTheEnd, ...blurredByDelays]);

/** How long everything may take to end while faults go on. */
const settleMs = 240_000;

export class Rounds {
  acts = 0;
  /** Runs that ended in rounds that are over. */
  ended = 0;
  readonly #options: RoundsOptions;
  readonly #live = new Map<string, RandomWork>();
  /** What was broken when it was last asked: watches of several kinds are not told at the same moment, so once says nothing. */
  #suspected = new Set<string>();
  #serial = 0;
  #isGivenUp = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Nobody waits for anything any more: something else has failed. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  history(namespace: string): History {
    return historyOf(this.#options.recorder, [namespace]);
  }

  /** Runs that have not ended. */
  get open(): number {
    return lastStates(this.#options.recorder.runs).filter((run) => !isComplete(run)).length;
  }

  /** A namespace with work that goes on until `endMs` or the signal. Resolves with its name when nobody acts there any more. */
  async play(dice: Dice, forMs: number, signal: AbortSignal): Promise<string> {
    const { client, seed } = this.#options;
    this.#serial += 1;
    const namespace = `soak-${this.#serial}`;
    await insist(() => client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }));
    await insist(() => client.text(`/api/v1/namespaces/${namespace}/serviceaccounts/default`));
    const work = new RandomWork({ client, namespace, seed: seed * 1000 + this.#serial });
    this.#live.set(namespace, work);
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs && !signal.aborted) {
      await work.step().catch(unlessUnreachable);
      this.acts += 1;
      await wait(dice.between(1, 9) * 100);
    }
    return namespace;
  }

  /** Everything in the namespace comes to its end. Throws when it does not. */
  async settle(namespace: string): Promise<void> {
    const work = this.#live.get(namespace);
    const endMs = performance.now() + settleMs;
    for (;;) {
      await work?.stop().catch(unlessUnreachable);
      this.#options.recorder.check();
      const open = this.#unsettled(namespace);
      if (open.length === 0) return;
      this.#expectHope();
      if (performance.now() > endMs) throw new Error(`after ${settleMs / 1000} s this has not settled:\n${open.join('\n')}`);
      await wait(1000);
    }
  }

  /** What is broken for certain: it was so when it was last asked, too. */
  broken(): readonly string[] {
    const { recorder, limits } = this.#options;
    recorder.check();
    const now = new Set([
      ...overTheLimits(recorder, limits),
      ...[...this.#live].flatMap(([namespace, work]) => [
        ...brokenInvariants(this.history(namespace), { deletedPods: work.deletedPods, limits }, underWay),
        ...work.wrongEnds(lastStates(this.history(namespace).runs)),
      ]),
    ]);
    const certain = [...now].filter((each) => this.#suspected.has(each));
    this.#suspected = now;
    return certain;
  }

  /** What is broken now that everything has settled. */
  judge(namespace: string): readonly string[] {
    const { limits } = this.#options;
    const work = this.#live.get(namespace);
    const history = this.history(namespace);
    return [
      ...brokenInvariants(history, { deletedPods: work?.deletedPods ?? new Set(), limits }, blurredByDelays),
      ...(work?.wrongEnds(lastStates(history.runs)) ?? []),
    ];
  }

  /** The namespace goes, with all that is in it; when it is gone, it is forgotten. */
  async leave(namespace: string): Promise<void> {
    const { client, recorder } = this.#options;
    this.ended += lastStates(this.history(namespace).runs).length;
    this.#live.delete(namespace);
    await insist(() => client.delete(namespaces, { namespace: '', name: namespace }).catch(unlessGone));
    const endMs = performance.now() + settleMs;
    for (;;) {
      const isThere = await client
        .get(namespaces, { namespace: '', name: namespace })
        .then(() => true, unlessGone)
        .catch(unlessUnreachable);
      const { runs, pods, periodics: schedules } = this.history(namespace);
      if (isThere === undefined && [runs, pods, schedules].every(areGone)) break;
      this.#expectHope();
      if (performance.now() > endMs) throw new Error(`namespace ${namespace} does not go`);
      await wait(500);
    }
    recorder.forget([namespace]);
  }

  #expectHope(): void {
    if (this.#isGivenUp) throw new Error('given up, because something else has failed');
  }

  #unsettled(namespace: string): readonly string[] {
    const { runs, periodics: schedules } = this.history(namespace);
    const { recorder } = this.#options;
    const openRuns = lastStates(runs)
      .filter((run) => !isComplete(run) && recorder.run(namespace, run.metadata.name)?.metadata.uid === run.metadata.uid)
      .map(({ metadata, status }) => `ProwJob ${metadata.name}: ${JSON.stringify(status)}`);
    const openSchedules = lastStates(schedules)
      .filter(({ metadata }) => recorder.periodic(namespace, metadata.name)?.metadata.uid === metadata.uid)
      .filter(
        ({ metadata, spec, status }) =>
          spec.suspend !== true || status?.observedGeneration !== metadata.generation || (status?.active ?? []).length > 0,
      )
      .map(({ metadata, status }) => `Periodic ${metadata.name}: ${JSON.stringify(status)}`);
    return [...openRuns, ...openSchedules];
  }
}

/** The last that was told of each object is that it went. */
const areGone = (changes: readonly Change<KubeObject>[]): boolean =>
  [...byUid(changes).values()].every((states) => states.at(-1)?.type === 'DELETED');

function unlessGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}

/** Again and again until the API server takes it. */
async function insist(act: () => Promise<unknown>): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    try {
      await act();
      return;
    } catch (error) {
      if (isAlreadyExists(error)) return;
      if (!isNotFound(error)) unlessUnreachable(error);
      if (performance.now() > endMs) throw error;
      await wait(200);
    }
  }
}
