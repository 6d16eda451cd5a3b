/**
 * The scenario table of upstream's sinker, row by row: what is given, and what is gone and what is left when the time has come. The ids are those
 * of the specification. Where the outcome differs on purpose the row says why; docs/differences-from-prow.md lists it.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { reporterFinalizer } from '../../operator/jobs/labels.ts';
import type { PodPhase } from '../../operator/kube/builtin.ts';
import { nightly, pod, run } from './testing/objects.ts';
import { CleanupWorld, hourMs, notFound, worldPolicy } from './testing/cleanupWorld.ts';

interface Row {
  readonly id: string;
  readonly given: string;
  /** "upstream", or how the outcome differs and why. */
  readonly outcome: 'upstream' | `differs: ${string}`;
  readonly set: (world: CleanupWorld) => void;
  /** Time that passes. Default: none, what is due is due now. */
  readonly afterMs?: number;
  /** All calls, in any order. */
  readonly calls: readonly string[];
  /** Further facts. */
  readonly also?: (world: CleanupWorld) => Promise<void> | void;
}

const phases: readonly PodPhase[] = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'];
const second = 1000;
/** Past its limit by a second, as in upstream's tests. */
const oldMs = 48 * hourMs + second;
const reported = { prev_report_states: { gcsk8sreporter: 'failure' } };

const rows: readonly Row[] = [
  {
    id: 'S2',
    given: 'old pods in every phase, whose run is complete',
    outcome: 'upstream',
    set: (world) => {
      for (const phase of phases) {
        world.put(world.jobs, run(`r-${phase.toLowerCase()}`, { completedAgoMs: hourMs }));
        world.own.put(pod(`r-${phase.toLowerCase()}`, { phase }));
      }
    },
    calls: phases.map((phase) => `pod r-${phase.toLowerCase()}-pod`),
  },
  {
    id: 'S3',
    given: 'old pods in every phase, whose run does not exist',
    outcome: 'upstream',
    set: (world) => {
      for (const phase of phases) world.own.put(pod(`r-${phase.toLowerCase()}`, { phase, uid: null }));
    },
    calls: phases.map((phase) => `pod r-${phase.toLowerCase()}-pod`),
    also: (world) => expect(world.reads.toSorted()).toEqual(phases.map((phase) => `r-${phase.toLowerCase()}`).toSorted()),
  },
  {
    id: 'S3 on a build cluster',
    given: 'an old pod that another Prow made, whose run is not here',
    outcome: 'differs: another Prow may use the cluster, and its runs are elsewhere; only pods of this operator are orphans there',
    set: (world) => {
      world.others[0]?.put(pod('theirs', { uid: null }));
      world.others[0]?.put(pod('ours'));
    },
    calls: ['pod west/ours-pod'],
  },
  {
    id: 'S5',
    given: 'a pod that was just created, without a run',
    outcome: 'upstream',
    set: (world) => world.own.put(pod('young', { ageMs: 0 })),
    afterMs: 30 * second - 1,
    calls: [],
    also: (world) => expect(world.reads).toEqual([]),
  },
  {
    id: 'S7',
    given: 'a young pod that failed, whose run is incomplete',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.jobs, run('open'));
      world.own.put(pod('open', { phase: 'Failed', ageMs: second }));
    },
    calls: [],
  },
  {
    id: 'S7 grown old',
    given: 'the same after a year',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.jobs, run('open'));
      world.own.put(pod('open', { phase: 'Running' }));
    },
    afterMs: 365 * 24 * hourMs,
    calls: [],
  },
  {
    id: 'S9',
    given: 'a run that completed longer ago than pods live, and a pod that is younger than they may be',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.jobs, run('done', { completedAgoMs: hourMs / 2 + second }));
      world.own.put(pod('done', { ageMs: hourMs }));
    },
    calls: ['pod done-pod'],
    also: (world) => expect(world.jobs.size).toBe(1),
  },
  {
    id: 'S12',
    given: 'a complete run whose final state gcsk8sreporter has reported, and an old pod with its finalizer',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.jobs, run('done', { completedAgoMs: hourMs, status: reported }));
      world.own.put(pod('done', { finalizers: [reporterFinalizer] }));
    },
    calls: ['release done-pod', 'pod done-pod'],
    also: (world) => expect(world.own.store.size).toBe(0),
  },
  {
    id: 'S13',
    given: 'an old pod with the finalizer, without a run',
    outcome: 'upstream',
    set: (world) => world.own.put(pod('unknown', { finalizers: [reporterFinalizer] })),
    calls: ['release unknown-pod', 'pod unknown-pod'],
    also: (world) => {
      expect(world.own.store.size).toBe(0);
      expect(world.reads).toContain('unknown');
    },
  },
  {
    id: 'S13 young',
    given: 'a pod with the finalizer that was just created, and a cache that does not show its run yet',
    outcome: 'differs: the finalizer stays until the pod is as old as an orphan and a live read has not found the run',
    set: (world) => {
      world.onlyLive.set('ci/hidden', run('hidden'));
      world.own.put(pod('hidden', { ageMs: 0, finalizers: [reporterFinalizer] }));
    },
    afterMs: hourMs,
    calls: [],
  },
  {
    id: 'S14',
    given: 'old complete runs that no schedule started: failed, succeeded, aborted',
    outcome: 'upstream',
    set: (world) => {
      for (const state of ['failure', 'success', 'aborted'] as const) world.put(world.jobs, run(state, { completedAgoMs: oldMs, state }));
    },
    calls: ['run failure', 'run success', 'run aborted'],
  },
  {
    id: 'S14 long',
    given: 'a run that started before the limit and has just completed',
    outcome: 'differs: the age counts from the completion, so that a long run is not deleted the moment it ends',
    set: (world) => world.put(world.jobs, run('long', { startedAgoMs: 1000 * hourMs, completedAgoMs: second })),
    calls: [],
  },
  {
    id: 'S16',
    given: 'three old complete runs of a schedule that exists',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.periodics, nightly());
      for (const [name, age] of [
        ['older', 60],
        ['newer', 50],
        ['oldest', 70],
      ] as const) {
        world.put(world.jobs, run(name, { startedAgoMs: age * hourMs, completedAgoMs: oldMs, periodic: 'p1' }));
      }
    },
    calls: ['run older', 'run oldest'],
  },
  {
    id: 'S16 running',
    given: 'an old complete run of a schedule, and a newer one that has not completed',
    outcome: 'differs: the newest run that has finished is kept, so that there is always a last result',
    set: (world) => {
      world.put(world.periodics, nightly());
      world.put(world.jobs, run('old', { completedAgoMs: oldMs, periodic: 'p1' }));
      world.put(world.jobs, run('open', { startedAgoMs: hourMs, periodic: 'p1' }));
    },
    calls: [],
  },
  {
    id: 'S17',
    given: 'an old complete run of a schedule that does not exist any more',
    outcome: 'upstream',
    set: (world) => world.put(world.jobs, run('last', { completedAgoMs: oldMs, periodic: 'p1' })),
    calls: ['run last'],
  },
  {
    id: 'S20',
    given: 'old pods on a cluster that is excluded, and on another one',
    outcome: 'upstream',
    set: (world) => {
      world.policy = { ...worldPolicy, cleanup: { ...worldPolicy.cleanup, excludeClusters: ['west'] } };
      for (const [index, place] of [world.own, ...world.others].entries()) {
        world.put(world.jobs, run(`r-${index}`, { completedAgoMs: hourMs }));
        place.put(pod(`r-${index}`));
        place.put(pod(`orphan-${index}`));
      }
    },
    afterMs: 1000 * hourMs,
    calls: ['pod r-0-pod', 'pod orphan-0-pod', 'run r-0', 'run r-1'],
  },
  {
    id: 'S21',
    given: 'a deletion of a pod that is answered with NotFound, and another pod',
    outcome: 'upstream',
    set: (world) => {
      world.failDelete = notFound();
      world.own.put(pod('a'));
      world.own.put(pod('b'));
    },
    calls: ['pod b-pod'],
    also: async (world) =>
      expect(await world.metrics.value('controller_runtime_reconcile_errors_total', { controller: 'cleanup-pods' })).toBe(0),
  },
  {
    id: 'S23',
    given: 'a run that is deleted by hand while its pod runs',
    outcome: 'upstream',
    set: (world) => {
      const open = world.put(world.jobs, run('dropped'));
      world.own.put(pod('dropped', { phase: 'Running' }));
      world.remove(world.jobs, open);
    },
    calls: ['pod dropped-pod'],
  },
  {
    id: 'S25',
    given: 'a run that started 50 hours ago and completed 49 hours ago, longer than runs live',
    outcome: 'upstream',
    set: (world) => {
      world.put(world.jobs, run('done', { startedAgoMs: 50 * hourMs, completedAgoMs: 49 * hourMs }));
      world.own.put(pod('done', { ageMs: 50 * hourMs }));
    },
    calls: ['pod done-pod', 'run done'],
  },
  {
    id: 'S27',
    given: 'job files in ConfigMap mounts',
    outcome: 'differs: jobs are objects, so there is no size of a mount to tell',
    set: () => undefined,
    calls: [],
    also: async (world) => expect(await world.metrics.registry.metrics()).not.toContain('job_configmap_size'),
  },
];

const same = rows.filter(({ outcome }) => outcome === 'upstream').length;

describe(`rows of upstream's sinker: ${same} as upstream, ${rows.length - same} better on purpose`, () => {
  it.each(rows)('$id: $given ($outcome)', async ({ set, afterMs, calls, also }) => {
    const world = new CleanupWorld(['west']);
    try {
      set(world);
      expect((await world.pass(afterMs)).toSorted()).toEqual(calls.toSorted());
      await also?.(world);
    } finally {
      world.stop();
    }
  });

  it('that differ are in the documentation, and no others', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/differences-from-prow.md'), 'utf8');
    const named = new Set(page.match(/\bS\d{1,2}\b(?= +\|$)/gm));
    const different = rows.filter(({ outcome }) => outcome !== 'upstream').map(({ id }) => id.split(' ')[0] ?? id);
    expect([...named].toSorted()).toEqual([...new Set(different)].toSorted());
  });

  it('are all there', () => {
    const ids = new Set(rows.map(({ id }) => id.split(' ')[0]));
    expect([...ids]).toEqual(['S2', 'S3', 'S5', 'S7', 'S9', 'S12', 'S13', 'S14', 'S16', 'S17', 'S20', 'S21', 'S23', 'S25', 'S27']);
  });
});
