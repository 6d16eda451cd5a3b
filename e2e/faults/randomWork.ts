/**
 * Work such as users give, at random but from a seed: runs that pass, fail, hang or wait for their turn, presubmits that replace each
 * other, schedules of every policy, aborts, deletions, edits. What each run may end as is known beforehand, so that the end state of a
 * cluster can be judged without trusting the operator. The same seed gives the same acts, whatever becomes of them.
 */
import { periodics, prowJobs } from '../../crds/resources.ts';
import { concurrencyPolicies, type Periodic, type PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { pods } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isConflict, isNotFound } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { forever, periodic, prowJob, rarely } from '../scenarios/manifests.ts';
import { Dice } from './seeded.ts';

type EndState = NonNullable<ProwJob['status']>['state'];

export type Act =
  | { readonly do: 'run'; readonly run: ProwJob }
  | { readonly do: 'schedule'; readonly periodic: Periodic }
  | { readonly do: 'abort' | 'deleteRun' | 'deletePod' | 'deleteSchedule'; readonly name: string }
  | { readonly do: 'runNow'; readonly name: string; readonly token: string }
  | { readonly do: 'edit'; readonly name: string; readonly spec: Partial<PeriodicSpec> };

export interface RandomWorkOptions {
  /** With the rights of an administrator, and not through the faults. */
  readonly client: KubeClient;
  readonly namespace: string;
  readonly seed: number;
  /** Schedules that are there at once, at most. Default 4. */
  readonly schedules?: number;
  /** Default 1: pods live 0.1 to 3 s. */
  readonly slowness?: number;
}

/** What the operator's settings have to say for this work: the capacity of its queues. */
export const randomWorkSettings: SettingsFile = { prowJobs: { queueCapacities: { narrow: 1, wide: 3 } } };

/** What a run is about, and what it may end as when nobody interferes. */
interface Outcome {
  readonly script: string;
  readonly ends: readonly EndState[];
  readonly spec?: Partial<ProwJobSpec>;
}

/** Jobs that share names share their limit. */
const limitsOfJobs: readonly Partial<ProwJobSpec>[] = [
  { job: 'free' },
  { job: 'one', max_concurrency: 1 },
  { job: 'two', max_concurrency: 2 },
  { job: 'narrow', job_queue_name: 'narrow' },
  { job: 'wide', job_queue_name: 'wide' },
  { job: 'both', job_queue_name: 'wide', max_concurrency: 1 },
];

export class RandomWork {
  /** Uids of pods that this work itself deleted. */
  readonly deletedPods = new Set<string>();
  readonly #options: RandomWorkOptions;
  readonly #dice: Dice;
  /** What each run that was applied may end as, by its name. */
  readonly #ends = new Map<string, Set<EndState>>();
  /** The same of the runs of a schedule. */
  readonly #endsOfSchedules = new Map<string, Set<EndState>>();
  readonly #deletedRuns = new Set<string>();
  /** Names of runs that may still go on: the newest 20. */
  #recent: string[] = [];
  #schedules: string[] = [];
  #serial = 0;

  constructor(options: RandomWorkOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed);
  }

  /** What is done next. Depends on the seed and on the acts before, on nothing else. */
  next(): Act {
    const { schedules = 4 } = this.#options;
    const hasRuns = this.#recent.length > 0;
    const hasSchedules = this.#schedules.length > 0;
    const kind = this.#dice.weighted<Act['do']>([
      [10, 'run'],
      [this.#schedules.length < schedules ? 3 : 0, 'schedule'],
      [hasRuns ? 2 : 0, 'abort'],
      [hasRuns ? 1 : 0, 'deletePod'],
      [hasRuns ? 0.5 : 0, 'deleteRun'],
      [hasSchedules ? 2 : 0, 'runNow'],
      [hasSchedules ? 2 : 0, 'edit'],
      [hasSchedules ? 0.5 : 0, 'deleteSchedule'],
    ]);
    return this.#plan(kind);
  }

  /** Plans and performs one act. */
  async step(): Promise<Act> {
    const act = this.next();
    await this.perform(act);
    return act;
  }

  /** Rejects only for what an administrator's call may not answer: that its object is gone or changed is all right. */
  async perform(act: Act): Promise<void> {
    try {
      await this.#perform(act);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  /** No schedule starts a run any more, and what would run for ever is aborted: everything can come to its end. */
  async stop(): Promise<void> {
    const { client, namespace } = this.#options;
    for (const { metadata } of (await client.list(periodics, { namespace })).items) {
      await client.patch(periodics, { namespace, name: metadata.name }, mergePatch({ spec: { suspend: true } }));
    }
    await this.#abortThose(() => true);
  }

  /**
   * To be repeated after stop(): an operator that lags behind does not know of it yet and may still start what was asked for before, a slot
   * that waits or a run by hand. Only what would run for ever is aborted; that everything else ends is for the operator to see to.
   */
  async stopLatecomers(): Promise<void> {
    await this.#abortThose((run) => run.spec.abort === undefined && runsForEver(run));
  }

  /** Names of the runs that were applied and that nobody deleted. */
  get lasting(): readonly string[] {
    return [...this.#ends.keys()].filter((name) => !this.#deletedRuns.has(name));
  }

  /** Runs that ended as they may not. */
  wrongEnds(runs: readonly ProwJob[]): readonly string[] {
    return runs.flatMap((run) => {
      if (!isComplete(run)) return [];
      const schedule = run.metadata.ownerReferences?.find(({ kind }) => kind === 'Periodic')?.name;
      const may = schedule === undefined ? this.#ends.get(run.metadata.name) : this.#endsOfSchedules.get(schedule);
      const { state, reason } = run.status ?? { state: 'triggered' };
      if (may === undefined || may.has(state) || (state === 'aborted' && run.spec.abort !== undefined)) return [];
      return [`${run.metadata.name} ended as ${state} (${reason ?? 'no reason'}); it may end as ${[...may].join(' or ')}`];
    });
  }

  async #abortThose(isMeant: (run: ProwJob) => boolean): Promise<void> {
    const { client, namespace } = this.#options;
    for (const run of (await client.list(prowJobs, { namespace })).items) {
      if (!isComplete(run) && isMeant(run)) await this.perform({ do: 'abort', name: run.metadata.name });
    }
  }

  #plan(kind: Act['do']): Act {
    switch (kind) {
      case 'run':
        return this.#planRun();
      case 'schedule':
        return this.#planSchedule();
      case 'runNow':
        return { do: kind, name: this.#dice.pick(this.#schedules), token: `token-${(this.#serial += 1)}` };
      case 'edit':
        return { do: kind, name: this.#dice.pick(this.#schedules), spec: this.#planEdit() };
      case 'deleteSchedule': {
        const name = this.#dice.pick(this.#schedules);
        this.#schedules = this.#schedules.filter((other) => other !== name);
        return { do: kind, name };
      }
      case 'deleteRun': {
        const name = this.#dice.pick(this.#recent);
        this.#deletedRuns.add(name);
        return { do: kind, name };
      }
      case 'abort':
      case 'deletePod':
        return { do: kind, name: this.#dice.pick(this.#recent) };
    }
  }

  #planRun(): Act {
    const name = `run-${(this.#serial += 1)}`;
    const { script, ends, spec } = this.#planOutcome();
    const isPresubmit = this.#dice.chance(0.15);
    const shape = isPresubmit ? this.#planPresubmit() : { ...this.#dice.pick(limitsOfJobs), priority: this.#dice.between(-1, 2) };
    this.#ends.set(name, new Set<EndState>(isPresubmit ? [...ends, 'aborted'] : ends));
    this.#recent = [...this.#recent.slice(-19), name];
    return { do: 'run', run: prowJob(name, script, { ...shape, ...spec }) };
  }

  #planOutcome(): Outcome {
    const lifeMs = this.#dice.between(1, 30) * 100 * (this.#options.slowness ?? 1);
    const sleep = `sleep ${lifeMs / 1000}`;
    return this.#dice.weighted<Outcome>([
      [8, { script: `${sleep}; exit 0`, ends: ['success'] }],
      [4, { script: `${sleep}; exit 1`, ends: ['failure'] }],
      [1, { script: forever, ends: ['aborted'], spec: { timeouts: { running: '6s' } } }],
      [1, { script: forever, ends: ['aborted'] }],
      [1, { script: `${sleep}; exit 0`, ends: ['success', 'error'], spec: { retry: { max_attempts: 1 } } }],
    ]);
  }

  #planPresubmit(): Partial<ProwJobSpec> {
    const number = this.#dice.between(1, 2);
    const pulls = [{ number, author: 'ann', sha: `sha-${this.#serial}` }];
    return { type: 'presubmit', job: 'pull', refs: { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'base', pulls } };
  }

  #planSchedule(): Act {
    const name = `schedule-${(this.#serial += 1)}`;
    const { script, ends } = this.#planOutcome();
    const policy = this.#dice.pick(concurrencyPolicies);
    const everySeconds = this.#dice.between(1, 4);
    const spec: Partial<PeriodicSpec> = {
      cron: this.#dice.chance(0.8) ? `@every ${everySeconds}s` : rarely,
      concurrencyPolicy: policy,
      ...(policy === 'Allow' || policy === 'Queue' ? { maxConcurrency: this.#dice.between(1, 2) } : {}),
      ...(policy === 'Queue' ? { maxQueued: 3 } : {}),
      ...(this.#dice.chance(0.3) ? { retry: { attempts: 1, delay: '1s' } } : {}),
      ...(this.#dice.chance(0.3) ? { history: { successful: 2, failed: 1 } } : {}),
    };
    this.#endsOfSchedules.set(name, new Set<EndState>(policy === 'Replace' ? [...ends, 'aborted'] : ends));
    this.#schedules.push(name);
    return { do: 'schedule', periodic: periodic(name, script, spec) };
  }

  #planEdit(): Partial<PeriodicSpec> {
    return this.#dice.weighted<Partial<PeriodicSpec>>([
      [2, { suspend: true }],
      [3, { suspend: false }],
      [1, { startingDeadline: '30s' }],
    ]);
  }

  async #perform(act: Act): Promise<void> {
    const { client, namespace } = this.#options;
    switch (act.do) {
      case 'run':
        await client.create(prowJobs, placed(act.run, namespace));
        return;
      case 'schedule':
        await client.create(periodics, placed(act.periodic, namespace));
        return;
      case 'abort':
        await this.#abort(act.name);
        return;
      case 'deleteRun':
        await client.delete(prowJobs, { namespace, name: act.name });
        return;
      case 'deletePod':
        await this.#deletePod(act.name);
        return;
      case 'deleteSchedule':
        await client.delete(periodics, { namespace, name: act.name });
        return;
      case 'runNow': {
        const metadata = { annotations: { [runNowAnnotation]: act.token } };
        await client.patch(periodics, { namespace, name: act.name }, mergePatch({ metadata }));
        return;
      }
      case 'edit':
        await client.patch(periodics, { namespace, name: act.name }, mergePatch({ spec: act.spec }));
    }
  }

  /** An abort that was asked for stays as it is. Where somebody else has just changed the run it is looked at again. */
  async #abort(name: string): Promise<void> {
    const { client, namespace } = this.#options;
    for (;;) {
      const run = await client.get(prowJobs, { namespace, name });
      if (run.spec.abort !== undefined || isComplete(run)) return;
      const { resourceVersion } = run.metadata;
      const body = mergePatch({ metadata: { resourceVersion }, spec: { abort: { by: 'chance' } } });
      try {
        await client.patch(prowJobs, { namespace, name }, body);
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  }

  async #deletePod(runName: string): Promise<void> {
    const { client, namespace } = this.#options;
    const { status } = await client.get(prowJobs, { namespace, name: runName });
    if (status?.pod_name === undefined) return;
    const pod = await client.get(pods, { namespace, name: status.pod_name });
    const uid = pod.metadata.uid ?? '';
    this.deletedPods.add(uid);
    await client.delete(pods, { namespace, name: status.pod_name }, { uid });
  }
}

const runsForEver = ({ spec }: ProwJob): boolean => spec.pod_spec?.containers[0]?.command?.at(-1) === forever;

const placed = <T extends ProwJob | Periodic>(object: T, namespace: string): T => ({
  ...object,
  metadata: { ...object.metadata, namespace },
});
