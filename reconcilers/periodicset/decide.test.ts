/** What is to be done for a set, and what its status says of it, as tables. */
import { describe, expect, it } from 'vitest';
import type { Condition } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet, PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { ApiError, TransportError } from '../../operator/kube/errors.ts';
import { decide } from './decide.ts';
import { desiredPeriodic, patchFor, templateKeysAnnotation } from './desired.ts';
import { bySet, periodicSetIndexers } from './owned.ts';
import { readScope, type PeriodicSetScope } from './scope.ts';
import { periodicSetStatus } from './status.ts';
import { carryOut, type Outcome } from './steps/carryOut.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const uid = 'set-uid';

const setOf = (spec: Partial<PeriodicSetSpec> = {}, status?: PeriodicSet['status']): PeriodicSet => ({
  metadata: { name: 'e2e', namespace: 'ci', uid, generation: 3 },
  spec: {
    matrix: { region: ['eu', 'us'] },
    template: {
      metadata: { name: 'e2e-${region}', labels: { region: '${region}' }, annotations: { note: 'x' } },
      spec: { cron: '@hourly', jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox' }] } } } },
    },
    ...spec,
  },
  ...(status === undefined ? {} : { status }),
});

/** A Periodic as a pass of an earlier time has made it. */
function made(name: string, over: { readonly spec?: object; readonly metadata?: object; readonly status?: object } = {}): Periodic {
  const region = name.replace('e2e-', '');
  const { spec } = setOf();
  const template = spec.template as Periodic;
  const plain = { ...template, metadata: { ...template.metadata, name, namespace: 'ci', labels: { region } } };
  const { metadata, ...rest } = desiredPeriodic(setOf(), plain);
  return {
    ...rest,
    spec: { ...rest.spec, ...over.spec },
    metadata: { ...metadata, uid: `uid-${name}`, ...over.metadata },
    ...(over.status && { status: over.status }),
  };
}

const stranger = (name: string, metadata: object = {}): Periodic => ({
  metadata: { name, namespace: 'ci', ...metadata },
  spec: made('e2e-eu').spec,
});
const owner = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind, name, uid: 'other', controller: true }],
});
const leaving = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };

function scopeOf(set: PeriodicSet, there: readonly Periodic[]): PeriodicSetScope {
  const index = periodicSetIndexers[bySet]!;
  const sources = {
    sets: { get: () => set },
    periodics: {
      get: ({ name }: { readonly name: string }) => there.find(({ metadata }) => metadata.name === name),
      byIndex: (_index: string, value: string) => there.filter((periodic) => index(periodic).includes(value)),
    },
  };
  const scope = readScope(sources, { namespace: 'ci', name: 'e2e' }, new WeakMap());
  if (scope === undefined) throw new Error('the set is there');
  return scope;
}

const shell = '${wrong}';
const invalid = (over: Partial<PeriodicSetSpec> = {}): PeriodicSet => {
  const { template } = setOf().spec;
  return setOf({ ...over, template: { ...template, spec: { ...template.spec, cron: shell } } });
};

interface Case {
  readonly name: string;
  readonly set?: PeriodicSet;
  readonly there: readonly Periodic[];
  readonly want: {
    readonly remove?: readonly string[];
    readonly update?: readonly string[];
    readonly create?: readonly string[];
    readonly leaving?: readonly string[];
    readonly current?: number;
    readonly problems?: readonly string[];
  };
}

const cases: readonly Case[] = [
  { name: 'nothing is there', there: [], want: { create: ['e2e-eu', 'e2e-us'] } },
  { name: 'all is there', there: [made('e2e-eu'), made('e2e-us')], want: { current: 2 } },
  { name: 'one is missing', there: [made('e2e-us')], want: { create: ['e2e-eu'], current: 1 } },
  { name: 'one is too many', there: [made('e2e-eu'), made('e2e-us'), made('e2e-ap')], want: { remove: ['e2e-ap'], current: 2 } },
  {
    name: 'one is too many and goes already',
    there: [made('e2e-eu'), made('e2e-us'), made('e2e-ap', leaving)],
    want: { current: 2 },
  },
  { name: 'one that is wanted goes', there: [made('e2e-eu'), made('e2e-us', leaving)], want: { leaving: ['e2e-us'], current: 1 } },
  {
    name: 'one was changed',
    there: [made('e2e-eu', { spec: { cron: '@daily' } }), made('e2e-us')],
    want: { update: ['e2e-eu'], current: 1 },
  },
  {
    name: 'one got a field more',
    there: [made('e2e-eu', { spec: { suspend: true } }), made('e2e-us')],
    want: { update: ['e2e-eu'], current: 1 },
  },
  {
    name: 'a name belongs to nobody',
    there: [stranger('e2e-eu'), made('e2e-us')],
    want: { current: 1, problems: ['e2e-eu NameTaken belongs to no set'] },
  },
  {
    name: 'a name belongs to another set',
    there: [stranger('e2e-eu', owner('PeriodicSet', 'two'))],
    want: { create: ['e2e-us'], problems: ['e2e-eu NameTaken belongs to the PeriodicSet two'] },
  },
  {
    name: 'a name belongs to an earlier set of this name',
    there: [stranger('e2e-eu', owner('PeriodicSet', 'e2e')), made('e2e-us')],
    want: { current: 1, problems: ['e2e-eu NameTaken belongs to the PeriodicSet e2e'] },
  },
  {
    name: 'a taken name keeps nothing from being deleted',
    there: [stranger('e2e-eu'), made('e2e-us'), made('e2e-ap')],
    want: { remove: ['e2e-ap'], current: 1, problems: ['e2e-eu NameTaken belongs to no set'] },
  },
  {
    name: 'an invalid template changes and deletes nothing',
    set: invalid({ matrix: { region: ['eu'] } }),
    there: [made('e2e-us')],
    want: { problems: ['spec.template.spec.cron InvalidTemplate is no name of matrix or include'] },
  },
  {
    name: 'no combination deletes nothing',
    set: setOf({ exclude: [{ region: 'eu' }, { region: 'us' }] }),
    there: [made('e2e-us')],
    want: { problems: ['spec.exclude InvalidMatrix leaves no combination'] },
  },
  {
    name: 'a clash makes the others and deletes nothing',
    set: setOf({ matrix: { region: ['eu', 'us'], n: ['1', '2'] }, exclude: [{ region: 'us', n: '1' }] }),
    there: [made('e2e-eu'), made('e2e-ap')],
    want: { create: ['e2e-us'], problems: ['spec.template.metadata.name NameClash come to the name "e2e-eu"'] },
  },
];

describe('the plan', () => {
  it.each(cases)('$name', ({ set = setOf(), there, want }) => {
    const plan = decide(scopeOf(set, there));
    const names = (items: readonly Periodic[]): readonly string[] => items.map(({ metadata }) => metadata.name);
    expect({
      remove: names(plan.remove),
      update: names(plan.update.map(({ live }) => live)),
      create: names(plan.create),
      leaving: plan.leaving,
      current: plan.current,
    }).toEqual({ remove: [], update: [], create: [], leaving: [], current: 0, ...want, problems: undefined });
    expect(plan.problems).toHaveLength(want.problems?.length ?? 0);
    plan.problems.forEach(({ name, reason, message }, index) => {
      const [wantName, wantReason, ...text] = (want.problems?.[index] ?? '').split(' ');
      expect([name, reason]).toEqual([wantName, wantReason]);
      expect(message).toContain(text.join(' '));
    });
  });
});

describe('the patch', () => {
  const desired = made('e2e-eu');
  const live = (over: Parameters<typeof made>[1]): Periodic => made('e2e-eu', over);
  it.each<[string, Periodic, object | undefined]>([
    ['nothing changed', live({}), undefined],
    [
      'labels and annotations of others',
      live({
        metadata: { labels: { region: 'eu', extra: '1' }, annotations: { ...desired.metadata.annotations, 'prow.k8s.io/run-now': '1' } },
      }),
      undefined,
    ],
    ['a label was changed', live({ metadata: { labels: { region: 'us' } } }), { metadata: { labels: { region: 'eu' } } }],
    ['all labels are gone', live({ metadata: { labels: undefined } }), { metadata: { labels: { region: 'eu' } } }],
    [
      'a label that the template had',
      live({
        metadata: {
          labels: { region: 'eu', old: '1' },
          annotations: { note: 'x', [templateKeysAnnotation]: '{"labels":["old","region"],"annotations":["note"]}' },
        },
      }),
      {
        metadata: {
          labels: { old: null },
          annotations: { [templateKeysAnnotation]: desired.metadata.annotations?.[templateKeysAnnotation] },
        },
      },
    ],
    [
      'what it remembers was overwritten',
      live({ metadata: { annotations: { note: 'x', [templateKeysAnnotation]: '{' } } }),
      { metadata: { annotations: { [templateKeysAnnotation]: desired.metadata.annotations?.[templateKeysAnnotation] } } },
    ],
    [
      'a field within',
      live({ spec: { jobTemplate: { spec: { max_concurrency: 2, pod_spec: desired.spec.jobTemplate.spec.pod_spec } } } }),
      { metadata: {}, spec: { jobTemplate: { spec: { max_concurrency: null } } } },
    ],
    [
      'a list',
      live({ spec: { jobTemplate: { spec: { pod_spec: { containers: [] } } } } }),
      { metadata: {}, spec: { jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox' }] } } } } },
    ],
    [
      'another kind of schedule',
      live({ spec: { cron: undefined, interval: '1h' } }),
      { metadata: {}, spec: { cron: '@hourly', interval: null } },
    ],
  ])('%s', (_name, from, want) => {
    expect(patchFor(JSON.parse(JSON.stringify(from)) as Periodic, desired)).toEqual(want);
  });

  it('takes all of its own back from a template that has no labels and annotations any more', () => {
    const bare = { ...desired, metadata: { ...desired.metadata, labels: {}, annotations: {} } };
    expect(patchFor(desired, bare)).toEqual({
      metadata: { labels: { region: null }, annotations: { note: null, [templateKeysAnnotation]: null } },
    });
  });
});

const done: Outcome = { created: 0, updated: 0, deleted: 0, refusals: [] };
const condition = (type: string, status: 'True' | 'False' = 'True'): Condition => ({
  type,
  status,
  reason: 'X',
  message: '',
  lastTransitionTime: '',
});

describe('the status', () => {
  const statusOf = (set: PeriodicSet, there: readonly Periodic[], outcome: Outcome = done) => {
    const scope = scopeOf(set, there);
    return periodicSetStatus(scope, decide(scope), outcome, nowMs);
  };
  const briefly = ({ conditions = [] }: ReturnType<typeof statusOf>): readonly string[] =>
    conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  const both = [made('e2e-eu'), made('e2e-us')];

  it.each<[string, ReturnType<typeof statusOf>, readonly string[]]>([
    ['applied', statusOf(setOf(), both), ['Ready=True Applied']],
    ['invalid', statusOf(invalid(), both), ['Ready=False InvalidTemplate', 'Stalled=True InvalidTemplate']],
    ['taken', statusOf(setOf(), [stranger('e2e-eu')]), ['Ready=False NameTaken', 'Stalled=True NameTaken']],
    [
      'going',
      statusOf(setOf(), [made('e2e-eu'), made('e2e-us', leaving)]),
      ['Ready=False AwaitingDeletion', 'Reconciling=True AwaitingDeletion'],
    ],
    ['failing', statusOf(setOf(), [], { ...done, error: new Error('no answer') }), ['Ready=False Retrying', 'Reconciling=True Retrying']],
    ['not done', statusOf(setOf(), []), ['Ready=False Applying', 'Reconciling=True Applying']],
    [
      'refused',
      statusOf(setOf(), [], { ...done, refusals: [{ name: 'e2e-eu', reason: 'Refused', message: 'no' }], error: new Error('x') }),
      ['Ready=False Refused', 'Stalled=True Refused'],
    ],
    ['put right', statusOf(setOf({}, statusOf(invalid(), [])), both), ['Ready=True Applied']],
  ])('%s', (_name, status, want) => {
    expect(briefly(status)).toEqual(want);
    expect(status.observedGeneration).toBe(3);
  });

  it('counts', () => {
    const ready = { status: { conditions: [condition('Ready'), condition('Suspended')] } };
    const asleep = { status: { conditions: [condition('Ready', 'False')] }, spec: { suspend: true } };
    expect(statusOf(setOf(), [made('e2e-eu', ready), made('e2e-us', asleep), made('e2e-ap', leaving)])).toMatchObject({
      desired: 2,
      current: 1,
      ready: 1,
      suspended: 2,
    });
  });

  it('says how many Periodics are wanted only when it knows', () => {
    expect(statusOf(setOf({ exclude: [{ region: 'eu' }, { region: 'us' }] }), both).desired).toBeUndefined();
  });

  it('has one entry for each name and twenty at most', () => {
    const refusals = Array.from({ length: 30 }, (_, index) => ({
      name: `p${index % 25}`,
      reason: 'Refused' as const,
      message: `m${index}`,
    }));
    const { problems, conditions } = statusOf(setOf(), both, { ...done, refusals });
    expect(problems?.map(({ name }) => name)).toEqual(Array.from({ length: 20 }, (_, index) => `p${index}`));
    expect(problems?.[0]?.message).toBe('m0; m25');
    expect(conditions?.[0]?.message).toMatch(/^p0: m0; m25 \(and 24 more in status\.problems\)$/);
  });
});

describe('the writes', () => {
  const failure = (code: number, reason: string): ApiError => new ApiError('POST x', { reason, message: 'because' }, code);
  const numbers = Array.from({ length: 40 }, (_, index) => String(index));
  const plan = decide(scopeOf(setOf({ matrix: { region: numbers } }), []));

  interface Failing {
    readonly name: string;
    readonly error: Error;
    readonly want: { readonly created?: number; readonly refusals: number; readonly isTried: boolean };
  }
  it.each<Failing>([
    { name: 'what is invalid is noted', error: failure(422, 'Invalid'), want: { created: 39, refusals: 1, isTried: false } },
    { name: 'what a policy forbids is noted', error: failure(403, 'Forbidden'), want: { created: 39, refusals: 1, isTried: false } },
    { name: 'a conflict concerns one object', error: failure(409, 'Conflict'), want: { created: 39, refusals: 0, isTried: true } },
    { name: 'so does a name that is there', error: failure(409, 'AlreadyExists'), want: { created: 39, refusals: 0, isTried: true } },
    { name: 'too many requests end the pass', error: failure(429, 'TooManyRequests'), want: { refusals: 0, isTried: true } },
    { name: 'a broken server ends the pass', error: failure(500, 'InternalError'), want: { refusals: 0, isTried: true } },
    { name: 'no answer ends the pass', error: new TransportError('timeout', 'x'), want: { refusals: 0, isTried: true } },
  ])('$name', async ({ error, want }) => {
    let calls = 0;
    const writer = {
      create: () => (calls++ === 3 ? Promise.reject(error) : Promise.resolve()),
      patch: () => Promise.reject(new Error('nothing is to be changed')),
      delete: () => Promise.reject(new Error('nothing is to be deleted')),
    };
    const outcome = await carryOut(writer, plan, new AbortController().signal);
    expect({ refusals: outcome.refusals.length, isTried: outcome.error !== undefined }).toEqual({
      refusals: want.refusals,
      isTried: want.isTried,
    });
    if (want.created === undefined) expect(calls).toBeLessThan(20);
    else expect(outcome.created).toBe(want.created);
  });
});
