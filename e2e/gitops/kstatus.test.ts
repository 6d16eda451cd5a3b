/** Flux and `kubectl wait` read every state of every kind as it is meant: a red run is settled, what needs a person has failed. */
import { describe, expect, it } from 'vitest';
import { isConditionMet, kstatus } from './kstatus.ts';
import { everyState } from './states.ts';

const states = await everyState();

it.each(states)('$kind $name is $kstatus', ({ object, kstatus: expected }) => {
  expect(kstatus(object)).toBe(expected);
});

it.each(states)('$kind $name: kubectl wait for Ready returns when Flux is content, and not before', ({ object, kstatus: expected }) => {
  // An object that is being deleted keeps what it said last.
  if (expected !== 'Terminating') expect(isConditionMet(object, 'Ready')).toBe(expected === 'Current');
});

it.each(states)('$kind $name: says about which generation it speaks, and what is true but once', ({ object: { metadata, status } }) => {
  const { observedGeneration, conditions = [] } = status ?? {};
  const types = conditions.map(({ type }) => type);
  expect(new Set(types).size).toBe(types.length);
  expect(conditions.map((condition) => condition.observedGeneration)).toEqual(conditions.map(() => observedGeneration));
  expect(observedGeneration).toBeLessThanOrEqual(metadata.generation ?? 0);
  expect(types.includes('Ready')).toBe(observedGeneration !== -1);
  expect(types.includes('Reconciling') && types.includes('Stalled')).toBe(false);
  const abnormal = conditions.filter(({ type }) => type === 'Reconciling' || type === 'Stalled');
  expect(abnormal.filter(({ status: is }) => is !== 'True')).toEqual([]);
});

describe('the rules', () => {
  const condition = (type: string, status: 'True' | 'False' | 'Unknown') => ({
    type,
    status,
    reason: 'R',
    message: '',
    lastTransitionTime: '',
  });
  const judged = (...conditions: ReturnType<typeof condition>[]) => ({
    metadata: { generation: 2 },
    status: { observedGeneration: 2, conditions },
  });
  it.each([
    { name: 'nothing is known', object: { metadata: {} }, result: 'Current' },
    { name: 'Ready is unknown', object: judged(condition('Ready', 'Unknown')), result: 'InProgress' },
    { name: 'Stalled comes first', object: judged(condition('Stalled', 'True'), condition('Reconciling', 'True')), result: 'Failed' },
    {
      name: 'Reconciling comes first',
      object: judged(condition('Reconciling', 'True'), condition('Stalled', 'True')),
      result: 'InProgress',
    },
    { name: 'Stalled is false', object: judged(condition('Stalled', 'False'), condition('Ready', 'True')), result: 'Current' },
  ])('when $name: $result', ({ object, result }) => {
    expect(kstatus(object)).toBe(result);
  });
});
