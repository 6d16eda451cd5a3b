/** Who may start, as a table of small scenes. What must hold for every scene is in admission.prop.test.ts. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { Admission, type Limits } from './admission.ts';
import { aRun, pendingRun, podOf, type RunParts } from './testing/builders.ts';

const noLimits: Limits = { maxConcurrency: 0, queueCapacities: new Map() };

function scene(limits: Partial<Limits> = {}) {
  const woken: string[] = [];
  let now: Limits = { ...noLimits, ...limits };
  const admission = new Admission({ limits: () => now, wake: (key) => woken.push(key.name) });
  admission.open();
  return {
    admission,
    woken,
    add: (...runs: ProwJob[]) => runs.forEach((object) => admission.onJob({ type: 'added', object })),
    ends: (run: ProwJob) =>
      admission.onJob({ type: 'updated', object: { ...run, status: { state: 'success', completionTime: '2026-01-01T00:00:00Z' } } }),
    may: (run: ProwJob) => {
      const verdict = admission.request(run);
      return verdict.admitted ? 'starts' : verdict.reason;
    },
    change: (next: Partial<Limits>) => {
      now = { ...now, ...next };
      admission.refresh();
    },
  };
}

const narrow = (name: string, max: number, parts: RunParts = {}): ProwJob =>
  aRun({ name, ...parts, spec: { job: 'j', max_concurrency: max, ...parts.spec } });
const busy = (count: number, spec: RunParts['spec'] = { job: 'j' }): ProwJob[] =>
  Array.from({ length: count }, (_, n) => pendingRun({ name: `busy-${n}`, spec }));

describe('the limit of a job', () => {
  it('P2 P13 one slot, one holder: the other waits', () => {
    const s = scene();
    s.add(...busy(1));
    expect(s.may(narrow('a', 1))).toBe('MaxConcurrency');
  });
  it('P4 other jobs do not count', () => {
    const s = scene();
    s.add(...busy(3, { job: 'other' }));
    expect(s.may(narrow('a', 1))).toBe('starts');
  });
  it('jobs of one name in different namespaces are different jobs', () => {
    const s = scene();
    s.add(pendingRun({ name: 'x', namespace: 'elsewhere', spec: { job: 'j' } }));
    expect(s.may(narrow('a', 1))).toBe('starts');
  });
  it('P14 two slots, two runs', () => {
    const s = scene();
    expect([s.may(narrow('a', 2)), s.may(narrow('b', 2)), s.may(narrow('c', 2))]).toEqual(['starts', 'starts', 'MaxConcurrency']);
  });
  it('P15 C2 five of five are taken', () => {
    const s = scene();
    s.add(...busy(5));
    expect(s.may(narrow('a', 5))).toBe('MaxConcurrency');
  });
  it('C4 an older one waits too, and is woken first', () => {
    const s = scene();
    const [holder] = busy(1) as [ProwJob];
    const [younger, older] = [narrow('younger', 1), narrow('older', 1, { createdAgoMs: 60_000 })];
    s.add(holder, younger, older);
    s.ends(holder);
    expect(s.woken).toEqual(['older']);
    expect([s.may(younger), s.may(older)]).toEqual(['MaxConcurrency', 'starts']);
  });
  it('C5 a newer one does not hold an older one back', () => {
    const s = scene();
    const [newer, older] = [narrow('newer', 1), narrow('older', 1, { createdAgoMs: 60_000 })];
    s.add(older, newer);
    expect(s.may(older)).toBe('starts');
  });
  it('C6 complete ones do not count', () => {
    const s = scene();
    s.add(aRun({ name: 'old', spec: { job: 'j' }, status: { state: 'success', completionTime: '2026-01-01T00:00:00Z' } }), ...busy(1));
    expect(s.may(narrow('a', 2))).toBe('starts');
  });
  it('C11 of two created in the same second exactly one starts', () => {
    const s = scene();
    const runs = [narrow('a', 1), narrow('b', 1)];
    s.add(...runs);
    expect(runs.map(s.may).sort()).toEqual(['MaxConcurrency', 'starts']);
  });
  it('priority goes before age', () => {
    const s = scene();
    const [holder] = busy(1) as [ProwJob];
    s.add(holder, narrow('old', 1, { createdAgoMs: 60_000 }), narrow('urgent', 1, { spec: { priority: 5 } }));
    s.ends(holder);
    expect(s.woken).toEqual(['urgent']);
  });
});

describe('queues and the global limit', () => {
  const queued = (name: string, spec: RunParts['spec'] = {}): ProwJob => aRun({ name, spec: { job: name, job_queue_name: 'q', ...spec } });
  it('C7 capacity 0 never starts one', () => expect(scene({ queueCapacities: new Map([['q', 0]]) }).may(queued('a'))).toBe('QueueFull'));
  it('C8 a negative capacity always does', () => expect(scene({ queueCapacities: new Map([['q', -1]]) }).may(queued('a'))).toBe('starts'));
  it('a queue nobody knows', () => expect(scene().may(queued('a'))).toBe('QueueUnknown'));
  it('becomes known', () => {
    const s = scene();
    s.add(queued('a'));
    s.change({ queueCapacities: new Map([['q', 1]]) });
    expect(s.woken).toEqual(['a']);
  });
  it('the head of a queue that waits for its job does not hold the queue up', () => {
    const s = scene({ queueCapacities: new Map([['q', 2]]) });
    s.add(pendingRun({ name: 'h', spec: { job: 'blocked', job_queue_name: 'q' } }));
    const blocked = aRun({ name: 'x', createdAgoMs: 60_000, spec: { job: 'blocked', job_queue_name: 'q', max_concurrency: 1 } });
    s.add(blocked);
    expect([s.may(blocked), s.may(queued('free'))]).toEqual(['MaxConcurrency', 'starts']);
  });
  it('P6 the global limit, and who is next when a slot is free', () => {
    const s = scene({ maxConcurrency: 1 });
    const [holder] = busy(1) as [ProwJob];
    const [a, b] = [aRun({ name: 'a', spec: { job: 'a' } }), aRun({ name: 'b', createdAgoMs: 60_000, spec: { job: 'b' } })];
    s.add(holder);
    expect([s.may(a), s.may(b)]).toEqual(['GlobalLimit', 'GlobalLimit']);
    s.ends(holder);
    expect(s.woken).toEqual(['b']);
  });
});

describe('slots come back', () => {
  it('when the run is deleted, aborted or cannot start', () => {
    const s = scene();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => narrow(name, 1)) as [ProwJob, ProwJob, ProwJob, ProwJob];
    s.add(a, b, c, d);
    s.woken.length = 0;
    s.admission.onJob({ type: 'deleted', object: a });
    s.admission.onJob({ type: 'updated', object: { ...b, spec: { ...b.spec, abort: {} } } });
    s.admission.standBack(c.metadata.uid!);
    expect(s.woken).toEqual(['b', 'c', 'd']);
    expect(s.admission.holding).toBe(1);
  });
  it('not while the pod of a finished run can still run', () => {
    const s = scene();
    const [holder] = busy(1) as [ProwJob];
    const pod = podOf(holder, { status: { phase: 'Running' }, deletedAgoMs: 0 });
    s.add(holder, narrow('next', 1));
    s.admission.onPod({ type: 'added', object: pod });
    s.ends(holder);
    expect(s.woken).toEqual([]);
    s.admission.onPod({ type: 'deleted', object: pod });
    expect(s.woken).toEqual(['next']);
  });
  it('a pod that is known before its run counts for the right job', () => {
    const s = scene();
    const [holder] = busy(1) as [ProwJob];
    s.admission.onPod({ type: 'added', object: podOf(holder, { status: { phase: 'Running' } }) });
    expect(s.may(narrow('a', 1))).toBe('MaxConcurrency');
    s.add(holder);
    expect(s.admission.holding).toBe(1);
  });
  it('a follower hands out nothing', () => {
    const woken: string[] = [];
    const admission = new Admission({ limits: () => noLimits, wake: (key) => woken.push(key.name) });
    const [late, early] = [narrow('late', 1), narrow('early', 1, { createdAgoMs: 60_000 })];
    admission.onJob({ type: 'added', object: late });
    admission.onJob({ type: 'added', object: early });
    expect(admission.holding).toBe(0);
    admission.open();
    expect(woken).toEqual(['early']);
  });
});

it('2,000 waiting runs of one job with limit 1 cost next to nothing', () => {
  const s = scene();
  const runs = Array.from({ length: 2000 }, (_, n) => narrow(`r${n}`, 1));
  const startMs = performance.now();
  s.add(...runs);
  const byName = new Map(runs.map((run) => [run.metadata.name, run]));
  for (let n = 0; n < runs.length; n += 1) s.ends(byName.get(s.woken[n]!)!);
  expect(new Set(s.woken).size).toBe(2000);
  expect(s.admission.holding).toBe(0);
  // Quadratic work would take minutes; this takes some 20 ms.
  expect(performance.now() - startMs).toBeLessThan(2_000);
});
