/** Who may start, as a table of small scenes. What must hold for every scene is in admission.prop.test.ts. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { Admission } from './admission.ts';
import type { ClusterRoom, LimitSettings } from './admissionLimits.ts';
import { aRun, pendingRun, podOf, type RunParts } from './testing/builders.ts';
import { limitsOf, openCluster } from './testing/limits.ts';

function scene(limits: Partial<LimitSettings> = {}) {
  const woken: string[] = [];
  let now = limits;
  const clusters = new Map<string, ClusterRoom>();
  const admission = new Admission({
    limits: limitsOf(
      () => now,
      (alias, namespace) => clusters.get(`${namespace}/${alias}`) ?? openCluster,
    ),
    wake: (key) => woken.push(key.name),
  });
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
    change: (next: Partial<LimitSettings>) => {
      now = { ...now, ...next };
      admission.refresh();
    },
    cluster: (name: string, room: Partial<ClusterRoom>) => {
      clusters.set(name, { ...openCluster, ...room });
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

describe('clusters and namespaces', () => {
  const on = (name: string, cluster: string, namespace = 'ci'): ProwJob => aRun({ name, namespace, spec: { job: name, cluster } });

  it('the limit of a build cluster holds for its tenant only, and its change at once', () => {
    const s = scene();
    s.cluster('ci/east', { limit: 1 });
    expect([s.may(on('a', 'east')), s.may(on('b', 'east')), s.may(on('c', 'west')), s.may(on('d', 'east', 'other'))]).toEqual([
      'starts',
      'ClusterLimit',
      'starts',
      'starts',
    ]);
    s.cluster('ci/east', { limit: 2 });
    expect(s.woken).toEqual(['b']);
  });
  it("the operator's own cluster is one for all", () => {
    const s = scene();
    s.cluster('/default', { limit: 1 });
    expect([s.may(on('a', 'default')), s.may(on('b', '', 'other'))]).toEqual(['starts', 'ClusterLimit']);
  });
  it('a closed cluster holds its own runs only, and lets them go in their order', () => {
    const s = scene({ maxConcurrency: 1 });
    s.cluster('ci/east', { isOpen: false });
    const [old, older] = [1, 2].map((age) => aRun({ name: `east-${age}`, createdAgoMs: age * 60_000, spec: { cluster: 'east' } }));
    const [home] = [on('home', '')] as [ProwJob];
    s.add(old!, older!, home);
    expect(s.woken).toEqual(['home']);
    s.ends(home);
    s.cluster('ci/east', { isOpen: true });
    expect(s.woken).toEqual(['home', 'east-2']);
  });
  it('a namespace has a limit, unless it has one of its own', () => {
    const s = scene({ maxConcurrencyPerNamespace: 1, namespaceLimits: new Map([['big', 2]]) });
    const verdicts = ['ci', 'ci', 'big', 'big', 'big'].map((namespace, n) => s.may(on(`r${n}`, '', namespace)));
    expect(verdicts).toEqual(['starts', 'NamespaceLimit', 'starts', 'starts', 'NamespaceLimit']);
    s.change({ namespaceLimits: new Map([['ci', 0]]) });
    expect(s.woken).toEqual(['r1']);
  });
  it('a job whose runs name different limits holds back only those with the narrow one', () => {
    const s = scene();
    s.add(...busy(1));
    expect([s.may(narrow('a', 1)), s.may(narrow('b', 2)), s.may(narrow('c', 0))]).toEqual(['MaxConcurrency', 'starts', 'starts']);
  });
  it('a pod whose run comes later, and is not what its pod made believe, leaves the slot that it was thought to have', () => {
    const s = scene({ maxConcurrencyPerNamespace: 0 });
    s.cluster('/default', { limit: 1 });
    const stray = on('stray', 'east');
    s.admission.onPod({ type: 'added', object: podOf(stray, { status: { phase: 'Running' } }) });
    s.add(on('home', ''));
    expect(s.woken).toEqual([]);
    s.add({ ...stray, status: { state: 'pending' } });
    expect(s.woken).toEqual(['home']);
  });
  it('two aliases of one cluster show one pod: it is gone when both have lost it', () => {
    const s = scene();
    const [holder] = busy(1) as [ProwJob];
    const pod = podOf(holder, { status: { phase: 'Running' } });
    const [east, twin] = ['east', 'twin'].map((alias) => ({ alias, namespace: 'ci' }));
    s.admission.onPod({ type: 'added', object: pod }, east);
    s.admission.onPod({ type: 'added', object: pod }, twin);
    s.admission.onPod({ type: 'deleted', object: pod }, east);
    expect(s.admission.holding).toBe(1);
    s.admission.onPod({ type: 'deleted', object: pod }, twin);
    expect(s.admission.holding).toBe(0);
  });
});

describe('the place of a run that waits', () => {
  const placeOf = (s: ReturnType<typeof scene>, run: ProwJob): unknown => {
    const { admitted: _no, message: _text, ...rest } = s.admission.request(run) as { admitted: boolean; message: string };
    return rest;
  };
  it('is among those that want the same slot, whatever else holds them', () => {
    const s = scene({ maxConcurrency: 1 });
    const [holder] = busy(1) as [ProwJob];
    const [a, b] = [narrow('a', 1, { createdAgoMs: 2000 }), narrow('b', 1, { createdAgoMs: 1000 })];
    const other = aRun({ name: 'other', createdAgoMs: 1500, spec: { job: 'k' } });
    s.add(holder, a, b, other);
    expect([a, b, other].map((run) => placeOf(s, run))).toEqual([
      { reason: 'MaxConcurrency', position: 1 },
      { reason: 'MaxConcurrency', position: 2 },
      { reason: 'GlobalLimit', position: 2 },
    ]);
  });
  it('is none where nothing moves by itself', () => {
    const s = scene();
    expect(placeOf(s, aRun({ spec: { job_queue_name: 'nobody' } }))).toEqual({ reason: 'QueueUnknown' });
  });
  it('is told at most ten times a second by all together, and every half to whole minute by each', () => {
    const s = scene({ maxConcurrency: 1 });
    s.add(...busy(1));
    const runs = Array.from({ length: 1000 }, (_, n) => aRun({ name: `r${n}` }));
    s.add(...runs);
    const due = (uid: string, nowMs: number): boolean => s.admission.tellPlace(uid, nowMs).isDue;
    const [first] = runs as [ProwJob];
    expect(s.admission.tellPlace(first.metadata.uid!, 0)).toEqual({ isDue: false, againMs: 100_000 });
    expect([due(first.metadata.uid!, 99_999), due(first.metadata.uid!, 100_000), due(first.metadata.uid!, 199_999)]).toEqual([
      false,
      true,
      false,
    ]);
    for (const run of runs.slice(1)) s.ends(run);
    const pauses = runs.slice(0, 1).map(({ metadata }) => s.admission.tellPlace(metadata.uid!, 100_000).againMs);
    expect(pauses[0]).toBeGreaterThanOrEqual(30_000);
    expect(pauses[0]).toBeLessThanOrEqual(60_011);
  });
});

describe('slots come back', () => {
  it('when the run is deleted, aborted or cannot start now; it keeps its place for later', () => {
    const s = scene();
    const east = { spec: { cluster: 'east' } };
    const [a, b, c, d] = [narrow('a', 1), narrow('b', 1), narrow('c', 1, east), narrow('d', 1)] as [ProwJob, ProwJob, ProwJob, ProwJob];
    s.add(a, b, c, d);
    s.woken.length = 0;
    s.admission.onJob({ type: 'deleted', object: a });
    s.admission.onJob({ type: 'updated', object: { ...b, spec: { ...b.spec, abort: {} } } });
    s.cluster('ci/east', { isOpen: false });
    s.admission.giveBack(c.metadata.uid!);
    expect(s.woken).toEqual(['b', 'c', 'd']);
    expect(s.admission.holding).toBe(1);
    s.ends(d);
    s.cluster('ci/east', { isOpen: true });
    expect(s.woken).toEqual(['b', 'c', 'd', 'c']);
  });
  it('when the run is being deleted before it has started', () => {
    const s = scene({ maxConcurrency: 1 });
    const [going, next] = [aRun({ name: 'going', createdAgoMs: 1000 }), aRun({ name: 'next' })];
    s.add(going, next);
    s.admission.onJob({
      type: 'updated',
      object: { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
    });
    expect(s.woken).toEqual(['going', 'next']);
    s.admission.onJob({ type: 'deleted', object: going });
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
  it('a pod whose run nobody knows counts on its cluster, whatever else the cache says of itself', () => {
    const s = scene();
    s.cluster('/default', { limit: 1 });
    const cache = { alias: 'default', namespace: '', store: { size: 3 }, isPrimary: () => true };
    const deleted = aRun({ name: 'deleted', namespace: 'elsewhere' });
    s.admission.onPod({ type: 'added', object: podOf(deleted, { status: { phase: 'Running' } }) }, cache);
    expect(s.may(aRun({ name: 'next' }))).toBe('ClusterLimit');
  });
  it('a follower hands out nothing', () => {
    const woken: string[] = [];
    const admission = new Admission({ limits: limitsOf(), wake: (key) => woken.push(key.name) });
    const [late, early] = [narrow('late', 1), narrow('early', 1, { createdAgoMs: 60_000 })];
    admission.onJob({ type: 'added', object: late });
    admission.onJob({ type: 'added', object: early });
    expect(admission.holding).toBe(0);
    admission.open();
    expect(woken).toEqual(['early']);
  });
});

describe('the cost of one event', () => {
  /** How often limits are looked up when one run ends and the next is granted, with so many that wait. */
  const lookUps = (count: number, spec: (n: number) => RunParts): number => {
    let asked = 0;
    const woken: string[] = [];
    const settings = { maxConcurrency: 3, queueCapacities: new Map([['q', 2]]) };
    const limits = limitsOf(() => {
      asked += 1;
      return settings;
    });
    const admission = new Admission({ limits, wake: (key) => woken.push(key.name) });
    admission.open();
    const runs = Array.from({ length: count }, (_, n) => aRun({ name: `r${n}`, ...spec(n) }));
    for (const object of runs) admission.onJob({ type: 'added', object });
    const byName = new Map(runs.map((run) => [run.metadata.name, run]));
    asked = 0;
    const events = 100;
    for (let n = 0; n < events; n += 1) {
      const object = { ...byName.get(woken[n]!)!, status: { state: 'success' as const, completionTime: '2026-01-01T00:00:00Z' } };
      admission.onJob({ type: 'updated', object });
    }
    expect(woken.length).toBe(events + admission.holding);
    return asked / events;
  };

  const shapes: readonly { readonly name: string; readonly spec: (n: number) => RunParts }[] = [
    { name: 'of one job', spec: () => ({ spec: { job: 'j', max_concurrency: 1 } }) },
    { name: 'of a job each', spec: (n) => ({ spec: { job: `j${n}` } }) },
    { name: 'of a namespace each', spec: (n) => ({ namespace: `n${n}` }) },
    { name: 'in one queue', spec: (n) => ({ spec: { job: `j${n % 7}`, max_concurrency: 1, job_queue_name: 'q' } }) },
  ];
  it.each(shapes)('does not grow with the number of waiting runs: $name', ({ spec }) => {
    const [few, many] = [lookUps(200, spec), lookUps(2000, spec)];
    expect(few).toBeLessThan(20);
    expect(many).toBeLessThan(few + 1);
  });
});
