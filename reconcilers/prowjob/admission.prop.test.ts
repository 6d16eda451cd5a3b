/** Whatever happens in whatever order: no limit is ever exceeded, nobody waits who could start, and the order is kept. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { compareRank } from '../../operator/jobs/startOrder.ts';
import { Admission, type Limits } from './admission.ts';
import { aRun } from './testing/builders.ts';

type Step =
  | { readonly do: 'create'; readonly job: number; readonly queue: number; readonly priority: number; readonly age: number }
  | { readonly do: 'finish' | 'delete' | 'abort' | 'standBack' | 'ask'; readonly pick: number }
  | { readonly do: 'settings'; readonly maxConcurrency: number; readonly capacity: number };

const pick = fc.nat(50);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('create' as const), job: fc.nat(2), queue: fc.nat(2), priority: fc.nat(2), age: fc.nat(3) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('finish' as const, 'delete' as const, 'abort' as const, 'standBack' as const, 'ask' as const),
      pick,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('settings' as const), maxConcurrency: fc.nat(4), capacity: fc.integer({ min: -1, max: 3 }) }),
  },
);

/** Jobs 0, 1, 2 have limits 0 (none), 1 and 2. */
const limitOf = (run: ProwJob): number => run.spec.max_concurrency ?? 0;

class Model {
  limits: Limits = { maxConcurrency: 3, queueCapacities: new Map([['q1', 2]]) };
  readonly runs = new Map<string, ProwJob>();
  readonly held = new Set<string>();
  readonly away = new Set<string>();
  readonly admission = new Admission({ limits: () => this.limits, wake: (key) => this.granted.push(key.name) });
  granted: string[] = [];
  #next = 0;

  constructor() {
    this.admission.open();
  }

  apply(step: Step): void {
    this.granted = [];
    const holders = new Set(this.held);
    if (step.do === 'create') this.#create(step);
    else if (step.do === 'settings') {
      this.limits = { maxConcurrency: step.maxConcurrency, queueCapacities: new Map([['q1', step.capacity]]) };
      this.admission.refresh();
    } else this.#touch(step.do, step.pick);
    // Every grant turns into a pending run, as the reconciler makes it.
    this.#checkOrder(holders);
    for (const name of this.granted) this.#start(name);
  }

  #create({ job, queue, priority, age }: Extract<Step, { do: 'create' }>): void {
    const name = `run-${this.#next++}`;
    const spec = { job: `job-${job}`, max_concurrency: job, priority, ...(queue === 0 ? {} : { job_queue_name: `q${queue}` }) };
    const run = aRun({ name, createdAgoMs: age * 1000, spec });
    this.runs.set(name, run);
    this.admission.onJob({ type: 'added', object: run });
  }

  #touch(what: 'finish' | 'delete' | 'abort' | 'standBack' | 'ask', index: number): void {
    const run = [...this.runs.values()][index % Math.max(1, this.runs.size)];
    if (run === undefined) return;
    const { name, uid } = run.metadata;
    if (what === 'ask') {
      this.away.delete(name);
      if (this.admission.request(run).admitted && !this.held.has(name)) this.granted.push(name);
    } else if (what === 'standBack') {
      if (this.held.has(name)) return;
      this.away.add(name);
      this.admission.standBack(uid!);
    } else {
      this.runs.delete(name);
      this.held.delete(name);
      this.away.delete(name);
      if (what === 'delete') this.admission.onJob({ type: 'deleted', object: run });
      else if (what === 'abort')
        this.admission.onJob({ type: 'updated', object: { ...run, status: { state: 'aborted', completionTime: 'x' } } });
      else this.admission.onJob({ type: 'updated', object: { ...run, status: { state: 'success', completionTime: 'x' } } });
    }
  }

  #start(name: string): void {
    const run: ProwJob = { ...this.runs.get(name)!, status: { state: 'pending' } };
    this.runs.set(name, run);
    this.held.add(name);
    this.admission.onJob({ type: 'updated', object: run });
  }

  count(test: (run: ProwJob) => boolean): number {
    return [...this.held].filter((name) => test(this.runs.get(name)!)).length;
  }

  /** Whether there is room for this run beside those that hold a slot. */
  fits(run: ProwJob): boolean {
    const { maxConcurrency, queueCapacities } = this.limits;
    if (maxConcurrency > 0 && this.held.size >= maxConcurrency) return false;
    if (limitOf(run) > 0 && this.count((other) => other.spec.job === run.spec.job) >= limitOf(run)) return false;
    const queue = run.spec.job_queue_name;
    if (queue === undefined) return true;
    const capacity = queueCapacities.get(queue);
    if (capacity === undefined) return false;
    return capacity < 0 || this.count((other) => other.spec.job_queue_name === queue) < capacity;
  }

  get waiting(): readonly ProwJob[] {
    return [...this.runs.values()].filter(({ metadata: { name } }) => !this.held.has(name) && !this.away.has(name));
  }

  /** Nobody was granted a slot of a job before a better ranked run of that job and queue. */
  #checkOrder(before: ReadonlySet<string>): void {
    for (const name of this.granted) {
      expect(before.has(name), `${name} was granted twice`).toBe(false);
      const run = this.runs.get(name)!;
      for (const other of this.waiting) {
        if (this.granted.includes(other.metadata.name) || laneOf(other) !== laneOf(run)) continue;
        expect(compareRank(rank(run), rank(other)), `${name} passed ${other.metadata.name}`).toBeLessThan(0);
      }
    }
  }
}

const laneOf = ({ spec }: ProwJob): string => `${spec.job} ${spec.job_queue_name ?? ''}`;
const rank = ({ metadata, spec }: ProwJob) => ({
  priority: spec.priority ?? 0,
  createdMs: Date.parse(metadata.creationTimestamp!),
  uid: metadata.uid!,
});

it('holds its invariants after every step', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      for (const each of steps) {
        const before = { global: model.held.size };
        model.apply(each);
        expect(model.admission.holding).toBe(model.held.size);
        const { maxConcurrency, queueCapacities } = model.limits;
        // Settings may become tighter than what runs already; then nothing may be added.
        if (maxConcurrency > 0) expect(model.held.size).toBeLessThanOrEqual(Math.max(maxConcurrency, before.global));
        for (const job of [1, 2]) expect(model.count((run) => run.spec.job === `job-${job}`)).toBeLessThanOrEqual(job);
        const capacity = queueCapacities.get('q1')!;
        if (each.do !== 'settings' && capacity >= 0 && steps.every((other) => other.do !== 'settings')) {
          expect(model.count((run) => run.spec.job_queue_name === 'q1')).toBeLessThanOrEqual(capacity);
        }
        expect(
          model.count((run) => run.spec.job_queue_name === 'q2'),
          'a queue nobody knows',
        ).toBe(0);
        expect(model.waiting.filter((run) => model.fits(run)).map((run) => run.metadata.name)).toEqual([]);
        expect(model.admission.waiting).toBe(model.waiting.length);
      }
    }),
    { numRuns: 400 },
  );
});
