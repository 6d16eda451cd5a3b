/**
 * Random histories of runs, pods, schedules and settings. Whatever happens: no pod of an unfinished run goes, no run goes that its schedule
 * or its results still need, the newest run of a schedule stays, what nothing holds is gone when its time has come, and then nothing is written.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobState } from '../../crds/v1/prowJob.ts';
import { reporterFinalizer } from '../../operator/jobs/labels.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { CleanupWorld, hourMs, worldPolicy } from './testing/cleanupWorld.ts';
import { ended, nightly, pod, run } from './testing/objects.ts';

type Step =
  | { readonly do: 'start'; readonly scheduled: boolean; readonly pod: 'none' | 'plain' | 'reported' | 'silent'; readonly ttl?: number }
  | { readonly do: 'end'; readonly which: number; readonly state: ProwJobState }
  | { readonly do: 'see' }
  | { readonly do: 'history'; readonly history: Periodic['spec']['history'] }
  | { readonly do: 'archive'; readonly which: number }
  | { readonly do: 'dropRun'; readonly which: number }
  | { readonly do: 'rate'; readonly perSecond: number }
  | { readonly do: 'wait'; readonly ms: number };

const which = fc.nat(30);
const limit = fc.option(fc.nat(3), { nil: undefined });
const history = fc.record({ successful: limit, failed: limit, keepLatest: fc.option(fc.boolean(), { nil: undefined }) });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      scheduled: fc.boolean(),
      pod: fc.constantFrom('none' as const, 'plain' as const, 'reported' as const, 'silent' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      scheduled: fc.boolean(),
      pod: fc.constant('plain' as const),
      ttl: fc.nat(7200),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which,
      state: fc.constantFrom<ProwJobState>('success', 'failure', 'aborted', 'error'),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'see' }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('history' as const), history: fc.option(history, { nil: undefined }) }) as fc.Arbitrary<Step>,
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('archive' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dropRun' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rate' as const), perSecond: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 1000, 60_000, hourMs, 30 * hourMs) }) },
);

const archive = {
  location: { scheme: 'file', bucket: '/results', prefix: '' },
  allowedBuckets: [],
  pathStrategy: 'explicit',
  defaultOrg: '',
  defaultRepo: '',
  holdCleanupMs: 20 * hourMs,
} as const;

/** The world, what was put into it, and a judge that looks at each deletion when it happens. */
class Story {
  readonly world = new CleanupWorld();
  readonly broken: string[] = [];
  #count = 0;
  #seen = 0;

  constructor() {
    this.world.policy = { ...worldPolicy, archive };
    this.world.put(this.world.periodics, nightly({ status: { active: [] } }));
    this.world.own.store.subscribe(({ type, object, previous }) => {
      const isAsked =
        type === 'deleted' || (type === 'updated' && previous?.metadata.deletionTimestamp !== object.metadata.deletionTimestamp);
      const owner = this.runs.find(({ metadata }) => metadata.uid === object.metadata.labels?.['prow.k8s.io/run-uid']);
      if (isAsked && owner !== undefined && !isComplete(owner)) this.broken.push(`pod of unfinished run ${owner.metadata.name}`);
    });
    this.world.jobs.subscribe(({ type, object }) => {
      if (type === 'deleted' && !this.dropped.has(object.metadata.name)) this.#judge(object);
    });
  }

  /** Deleted by hand. */
  readonly dropped = new Set<string>();

  get runs(): readonly ProwJob[] {
    return this.world.jobs.list();
  }

  get periodic(): Periodic {
    return this.world.periodics.get({ namespace: 'ci', name: 'nightly' })!;
  }

  /** A run that was deleted by cleanup just now; it is not in the cache any more. */
  #judge(gone: ProwJob): void {
    const { name, uid } = gone.metadata;
    const say = (what: string): number => this.broken.push(`${name}: ${what}`);
    if (!isComplete(gone)) say('was not finished');
    if (this.isHeldByArchive(gone)) say('its results were not safe');
    if (gone.metadata.ownerReferences === undefined) return;
    if (this.periodic.status?.active?.some((entry) => entry.uid === uid) === true && !this.hasWaited(gone)) say('its end was not seen');
    const keepsLatest = this.periodic.spec.history?.keepLatest ?? gone.spec.ttl_seconds_after_finished === undefined;
    const newest = [...this.finished, gone].toSorted(newestFirst)[0];
    if (keepsLatest && newest === gone) say('was the newest');
  }

  /** Finished runs of the schedule. */
  get finished(): readonly ProwJob[] {
    return this.runs.filter((each) => each.metadata.ownerReferences !== undefined && isComplete(each));
  }

  endedAgoMs = (of: ProwJob): number => this.world.clock.now() - Date.parse(of.status?.completionTime ?? '');

  hasWaited = (of: ProwJob): boolean => this.endedAgoMs(of) >= hourMs;

  isHeldByArchive(of: ProwJob): boolean {
    const isSafe = of.status?.conditions?.some(({ type, status }) => type === 'Archived' && status === 'True') === true;
    return of.status?.build_id !== undefined && !isSafe && this.endedAgoMs(of) < archive.holdCleanupMs;
  }

  async play(next: Step): Promise<void> {
    this.#carryOut(next);
    await this.world.clock.advance(next.do === 'wait' ? next.ms : 0);
  }

  #carryOut(next: Step): void {
    const { world } = this;
    const one = 'which' in next ? this.runs[next.which % Math.max(1, this.runs.length)] : undefined;
    switch (next.do) {
      case 'start': {
        this.#start(next);
        return;
      }
      case 'end':
        if (one !== undefined && !isComplete(one)) world.put(world.jobs, ended(one, world.clock.now(), next.state));
        return;
      case 'see': {
        // As the reconciler of Periodics does: what has ended leaves the list.
        const active = this.runs.filter((each) => each.metadata.ownerReferences !== undefined && !isComplete(each));
        this.#write({ active: active.map(({ metadata }) => ({ name: metadata.name, uid: metadata.uid ?? '' })) });
        return;
      }
      case 'history': {
        const { history: _before, ...spec } = this.periodic.spec;
        world.put(world.periodics, { ...this.periodic, spec: next.history === undefined ? spec : { ...spec, history: next.history } });
        return;
      }
      case 'archive':
        if (one === undefined || !isComplete(one)) return;
        world.put(world.jobs, {
          ...one,
          status: {
            ...one.status!,
            conditions: [
              { type: 'Archived', status: 'True', reason: 'Uploaded', message: '', lastTransitionTime: stamp(world.clock.now()) },
            ],
          },
        });
        return;
      case 'dropRun':
        if (one === undefined) return;
        this.dropped.add(one.metadata.name);
        world.remove(world.jobs, one);
        return;
      case 'rate':
        world.policy = { ...world.policy, cleanup: { ...world.policy.cleanup, deletesPerSecond: next.perSecond } };
        return;
      case 'wait':
    }
  }

  #start({ scheduled, pod: kind, ttl }: Extract<Step, { do: 'start' }>): void {
    const { world } = this;
    const name = `r-${String((this.#count += 1)).padStart(3, '0')}`;
    const at = stamp(world.clock.now());
    const made = run(name, {
      ...(scheduled ? { periodic: 'p1' } : {}),
      spec: ttl === undefined ? {} : { ttl_seconds_after_finished: ttl },
      status: { startTime: at, ...(kind === 'none' ? {} : { build_id: name }) },
    });
    world.put(world.jobs, { ...made, metadata: { ...made.metadata, creationTimestamp: at } });
    if (scheduled) this.#write({ active: [...(this.periodic.status?.active ?? []), { name, uid: made.metadata.uid ?? '' }] });
    if (kind === 'none') return;
    if (kind === 'silent') world.own.silent.add(`${name}-pod`);
    const object = pod(name, { phase: 'Running', ...(kind === 'reported' ? { finalizers: [reporterFinalizer] } : {}) });
    world.own.put({ ...object, metadata: { ...object.metadata, creationTimestamp: at } });
  }

  #write(status: NonNullable<Periodic['status']>): void {
    this.world.put(this.world.periodics, { ...this.periodic, status });
  }

  /** Everything that can have a hold lets go; then all times pass. */
  async comeToRest(): Promise<readonly string[]> {
    await this.play({ do: 'rate', perSecond: 0 });
    for (const each of this.runs) if (!isComplete(each)) this.world.put(this.world.jobs, ended(each, this.world.clock.now()));
    await this.play({ do: 'see' });
    await this.world.clock.advance(49 * hourMs);
    await this.world.clock.advance(49 * hourMs);
    this.#seen = this.world.calls.length;
    return this.runs.map(({ metadata }) => metadata.name);
  }

  /** Calls after everything had come to rest. */
  async secondPass(): Promise<readonly string[]> {
    this.world.settingsChanged();
    await this.world.pass(1000 * hourMs);
    return this.world.calls.slice(this.#seen);
  }
}

const newestFirst = (a: ProwJob, b: ProwJob): number => {
  const [first, second] = [a, b].map((each) => `${each.status?.startTime ?? ''} ${each.metadata.name}`) as [string, string];
  return first < second ? 1 : -1;
};

it('keeps every promise over random histories', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
      const story = new Story();
      try {
        for (const next of steps) {
          await story.play(next);
          expect(story.broken).toEqual([]);
        }
        const scheduled = story.finished.length + story.runs.filter((each) => !isComplete(each)).length;
        const left = await story.comeToRest();
        expect(story.broken).toEqual([]);
        expect(left.length).toBeLessThanOrEqual(1);
        expect(left.length).toBeLessThanOrEqual(scheduled);
        expect(story.world.own.store.list().map(({ metadata }) => metadata.name)).toEqual([]);
        expect(await story.secondPass()).toEqual([]);
      } finally {
        story.world.stop();
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);
