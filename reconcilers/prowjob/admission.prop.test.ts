/**
 * Whatever happens in whatever order, the ledger grants exactly what a naive model would that sorts all waiting runs after each event and
 * counts everything anew: the same runs, in the same order, with the same reasons and places for those that wait.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { compareRank } from '../../operator/jobs/startOrder.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { Admission } from './admission.ts';
import type { ClusterRoom, LimitSettings } from './admissionLimits.ts';
import { aRun, podOf } from './testing/builders.ts';

type Step =
  | {
      readonly do: 'create';
      readonly namespace: number;
      readonly job: number;
      readonly limit: number;
      readonly queue: number;
      readonly cluster: number;
      readonly priority: number;
      readonly age: number;
    }
  /** What happens to one run or pod, picked from those it can happen to. */
  | { readonly do: 'begin' | 'finish' | 'podEnds' | 'abort' | 'delete' | 'ask' | 'giveBack' | 'again'; readonly pick: number }
  | {
      readonly do: 'settings';
      readonly all: number;
      readonly each: number;
      readonly own: number;
      readonly tenant: number;
      readonly queue: number;
    }
  | { readonly do: 'cluster'; readonly limit: number; readonly isOpen: boolean }
  /** The process dies; the next one reads runs and pods in some order. */
  | { readonly do: 'restart'; readonly podsFirst: boolean };

const small = (max: number) => fc.nat(max);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      namespace: small(1),
      job: small(2),
      limit: small(2),
      queue: small(2),
      cluster: small(1),
      priority: small(2),
      age: small(3),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constantFrom('begin', 'begin', 'finish', 'podEnds', 'podEnds', 'abort', 'delete', 'ask', 'giveBack', 'again'),
      pick: small(50),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('settings' as const),
      all: small(4),
      each: small(3),
      own: small(3),
      tenant: small(2),
      queue: fc.integer({ min: -1, max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cluster' as const), limit: small(2), isOpen: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), podsFirst: fc.boolean() }) },
);

interface Naive {
  readonly run: ProwJob;
  readonly pod: Pod;
  /** What the API server has. */
  state: 'triggered' | 'pending' | 'over';
  /** The pod exists and may run. Its end is often seen late. */
  hasPod: boolean;
  granted: boolean;
  exists: boolean;
}

class World {
  settings: LimitSettings = {
    maxConcurrency: 4,
    maxConcurrencyPerNamespace: 3,
    namespaceLimits: new Map(),
    defaultClusterMaxConcurrency: 3,
    queueCapacities: new Map([['q1', 2]]),
  };
  east: ClusterRoom = { limit: 2, isOpen: true };
  readonly known = new Map<string, Naive>();
  granted: string[] = [];
  ledger = this.#ledger();
  #next = 0;
  /** The cache has the runs already. */
  #hasRuns = true;

  constructor() {
    this.ledger.open();
  }

  get all(): readonly Naive[] {
    return [...this.known.values()];
  }

  #ledger(): Admission {
    return new Admission({
      limits: {
        settings: () => this.settings,
        cluster: (alias) => (alias === 'east' ? this.east : { limit: this.settings.defaultClusterMaxConcurrency, isOpen: true }),
      },
      wake: (key) => this.granted.push(key.name),
      find: ({ name }) => (this.#hasRuns && this.known.get(name)?.exists === true ? this.known.get(name)?.run : undefined),
    });
  }

  /** Those that hold a slot, counted anew. */
  get holders(): readonly Naive[] {
    return this.all.filter((each) => each.granted || each.state === 'pending' || each.hasPod);
  }

  get waiting(): readonly Naive[] {
    return this.all
      .filter((each) => each.exists && each.state === 'triggered' && !each.granted)
      .toSorted((a, b) => compareRank(rank(a.run), rank(b.run)));
  }

  /** Every limit that this run meets: its reason, how many have a slot there, how many may. The narrowest first. */
  limitsOf({ run }: Naive): readonly { reason: string; alike: (other: ProwJob) => boolean; room: number }[] {
    const { namespace = '' } = run.metadata;
    const { job, job_queue_name: queue, max_concurrency: limit = 0 } = run.spec;
    const { maxConcurrency, maxConcurrencyPerNamespace, namespaceLimits, queueCapacities, defaultClusterMaxConcurrency } = this.settings;
    const inNamespace = (other: ProwJob): boolean => other.metadata.namespace === namespace;
    const orNone = (room: number): number => (room === 0 ? Infinity : room);
    const capacity = queueCapacities.get(queue ?? '');
    const isEast = run.spec.cluster === 'east';
    const eastRoom = this.east.isOpen ? orNone(this.east.limit) : 0;
    return [
      { reason: 'MaxConcurrency', alike: (other) => inNamespace(other) && other.spec.job === job, room: orNone(limit) },
      {
        reason: capacity === undefined ? 'QueueUnknown' : 'QueueFull',
        alike: (other) => other.spec.job_queue_name === queue,
        room: queue === undefined ? Infinity : capacity === undefined ? 0 : capacity < 0 ? Infinity : capacity,
      },
      {
        reason: isEast && !this.east.isOpen ? 'ClusterUnavailable' : 'ClusterLimit',
        alike: (other) => other.spec.cluster === run.spec.cluster && (!isEast || inNamespace(other)),
        room: isEast ? eastRoom : orNone(defaultClusterMaxConcurrency),
      },
      { reason: 'NamespaceLimit', alike: inNamespace, room: orNone(namespaceLimits.get(namespace) ?? maxConcurrencyPerNamespace) },
      { reason: 'GlobalLimit', alike: () => true, room: orNone(maxConcurrency) },
    ];
  }

  obstacles(each: Naive): readonly { reason: string; alike: (other: ProwJob) => boolean }[] {
    return this.limitsOf(each).filter(({ alike, room }) => this.holders.filter(({ run }) => alike(run)).length >= room);
  }

  /** The model's own grants: the best that fits, until none does. */
  grantNaively(): readonly string[] {
    const names: string[] = [];
    for (const each of this.waiting) {
      if (this.obstacles(each).length > 0) continue;
      each.granted = true;
      names.push(each.run.metadata.name);
    }
    return names;
  }

  apply(step: Step): void {
    this.granted = [];
    switch (step.do) {
      case 'create': {
        this.#create(step);
        return;
      }
      case 'settings': {
        const { all, each, own, tenant, queue } = step;
        this.settings = {
          maxConcurrency: all,
          maxConcurrencyPerNamespace: each,
          namespaceLimits: new Map(tenant === 0 ? [] : [['ns-0', tenant]]),
          defaultClusterMaxConcurrency: own,
          queueCapacities: new Map([['q1', queue]]),
        };
        this.ledger.refresh();
        return;
      }
      case 'cluster':
        this.east = { limit: step.limit, isOpen: step.isOpen };
        {
          this.ledger.refresh();
          return;
        }
      case 'restart': {
        this.#restart(step.podsFirst);
        return;
      }
      default: {
        this.#touch(step.do, step.pick);
        return;
      }
    }
  }

  #create({ namespace, job, limit, queue, cluster, priority, age }: Extract<Step, { do: 'create' }>): void {
    const name = `run-${this.#next++}`;
    const spec = {
      job: `job-${job}`,
      max_concurrency: limit,
      priority,
      ...(queue === 0 ? {} : { job_queue_name: `q${queue}` }),
      ...(cluster === 0 ? {} : { cluster: 'east' }),
    };
    const run = aRun({ name, namespace: `ns-${namespace}`, createdAgoMs: age * 1000, spec });
    this.known.set(name, { run, pod: podOf(run), state: 'triggered', hasPod: false, granted: false, exists: true });
    this.ledger.onJob({ type: 'added', object: run });
  }

  #touch(what: Exclude<Step['do'], 'create' | 'settings' | 'cluster' | 'restart'>, pick: number): void {
    const fits: Record<typeof what, (each: Naive) => boolean> = {
      begin: (each) => each.granted,
      finish: (each) => each.state === 'pending' && each.exists,
      podEnds: (each) => each.hasPod,
      abort: (each) => each.exists && each.state === 'triggered',
      delete: (each) => each.exists,
      ask: (each) => each.exists && each.state === 'triggered',
      giveBack: (each) => each.granted,
      again: (each) => each.exists || each.hasPod,
    };
    const those = this.all.filter(fits[what]);
    const each = those[pick % Math.max(1, those.length)];
    if (each === undefined) return;
    const { run, pod } = each;
    const isEast = run.spec.cluster === 'east';
    const cluster = { alias: isEast ? 'east' : 'default', namespace: isEast ? run.metadata.namespace! : '' };
    switch (what) {
      case 'begin':
        Object.assign(each, { granted: false, state: 'pending', hasPod: true });
        this.#tell(each);
        {
          this.ledger.onPod({ type: 'added', object: pod }, cluster);
          return;
        }
      case 'finish':
        each.state = 'over';
        {
          this.#tell(each);
          return;
        }
      case 'podEnds':
        each.hasPod = false;
        {
          this.ledger.onPod({ type: 'deleted', object: pod }, cluster);
          return;
        }
      case 'abort':
        Object.assign(each, { granted: false, state: 'over' });
        {
          this.#tell(each);
          return;
        }
      case 'delete':
        Object.assign(each, { granted: false, exists: false, state: 'over' });
        {
          this.ledger.onJob({ type: 'deleted', object: run });
          return;
        }
      case 'ask':
        expect(this.ledger.request(run).admitted).toBe(each.granted || each.hasPod);
        return;
      case 'giveBack':
        each.granted = false;
        {
          this.ledger.giveBack(run.metadata.uid!);
          return;
        }
      case 'again':
        if (each.exists) this.#tell(each);
        if (each.hasPod) this.ledger.onPod({ type: 'updated', object: pod }, cluster);
    }
  }

  #tell({ run, state }: Naive): void {
    const status = { state: state === 'over' ? 'success' : state, ...(state === 'over' ? { completionTime: '2026-01-01T00:00:00Z' } : {}) };
    this.ledger.onJob({ type: 'updated', object: { ...run, status } as ProwJob });
  }

  /** Slots that were granted and not used are lost; everything else is found again. */
  #restart(podsFirst: boolean): void {
    this.ledger = this.#ledger();
    const there = this.all.filter(({ exists }) => exists);
    for (const each of this.all) each.granted = false;
    const jobs = (): void => there.forEach((each) => this.#tell(each));
    const podsOf = (): void =>
      this.all.forEach(({ hasPod, pod, run }) => {
        const isEast = run.spec.cluster === 'east';
        if (hasPod)
          this.ledger.onPod(
            { type: 'added', object: pod },
            { alias: isEast ? 'east' : 'default', namespace: isEast ? run.metadata.namespace! : '' },
          );
      });
    this.#hasRuns = !podsFirst;
    if (podsFirst) podsOf();
    this.#hasRuns = true;
    jobs();
    if (!podsFirst) podsOf();
    expect(this.granted, 'a follower grants nothing').toEqual([]);
    this.ledger.open();
  }
}

const rank = ({ metadata, spec }: ProwJob) => ({
  priority: spec.priority ?? 0,
  createdMs: Date.parse(metadata.creationTimestamp!),
  uid: metadata.uid!,
});

function check(world: World, before: readonly ProwJob[]): void {
  expect(world.granted).toEqual(world.grantNaively());
  expect(world.ledger.holding).toBe(world.holders.length);
  expect(world.ledger.waiting).toBe(world.waiting.length);
  for (const each of world.holders) {
    for (const { reason, alike, room } of world.limitsOf(each)) {
      // Limits may become tighter than what runs already; then nothing may be added.
      const [now, then] = [world.holders.filter(({ run }) => alike(run)).length, before.filter(alike).length];
      expect(now, `${reason} of ${each.run.metadata.name}`).toBeLessThanOrEqual(
        Math.max(room, then, reason === 'MaxConcurrency' ? now : 0),
      );
    }
  }
  for (const each of world.waiting) {
    const unknown = ['QueueUnknown', 'ClusterUnavailable'];
    const obstacles = world.obstacles(each);
    const narrow = obstacles.find(({ reason }) => reason !== 'MaxConcurrency');
    const want = narrow !== undefined && unknown.includes(narrow.reason) ? narrow : obstacles[0]!;
    const alike = world.waiting.filter(({ run }) => want.alike(run));
    const place = unknown.includes(want.reason) ? {} : { position: alike.indexOf(each) + 1 };
    expect(world.ledger.request(each.run), each.run.metadata.name).toMatchObject({ admitted: false, reason: want.reason, ...place });
  }
}

it('grants what a naive model grants, after every event', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const world = new World();
      for (const each of steps) {
        const before = world.holders.map(({ run }) => run);
        world.apply(each);
        check(world, before);
      }
    }),
    { numRuns: 500 },
  );
});
