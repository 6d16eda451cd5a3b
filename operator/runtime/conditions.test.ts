import { describe, expect, it } from 'vitest';
import type { Condition } from '../kube/objects.ts';
import { findCondition, isConditionTrue, removeCondition, setCondition } from './conditions.ts';

const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Ok',
  message: 'fine',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  observedGeneration: 1,
};
const other: Condition = { type: 'Other', status: 'False', reason: 'No', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
const laterMs = Date.UTC(2026, 5, 1, 12, 30, 15, 999);

describe('setCondition', () => {
  it.each([
    { name: 'nothing', change: {}, same: true, time: ready.lastTransitionTime },
    { name: 'the message', change: { message: 'still fine' }, same: false, time: ready.lastTransitionTime },
    { name: 'the reason', change: { reason: 'Better' }, same: false, time: ready.lastTransitionTime },
    { name: 'the generation', change: { observedGeneration: 2 }, same: false, time: ready.lastTransitionTime },
    { name: 'the status', change: { status: 'False' as const }, same: false, time: '2026-06-01T12:30:15Z' },
  ])('when $name changes', ({ change, same, time }) => {
    const before = [other, ready];
    const { lastTransitionTime: _time, ...input } = { ...ready, ...change };
    const after = setCondition(before, input, laterMs);
    expect(after === before).toBe(same);
    expect(after).toEqual([other, { ...ready, ...change, lastTransitionTime: time }]);
    expect(before).toEqual([other, ready]);
  });

  it('adds a new type at the end, also to nothing', () => {
    const input = { type: 'New', status: 'Unknown' as const, reason: 'R', message: 'm' };
    const added = { ...input, lastTransitionTime: '2026-06-01T12:30:15Z' };
    expect(setCondition([ready], input, laterMs)).toEqual([ready, added]);
    expect(setCondition(undefined, input, laterMs)).toEqual([added]);
  });
});

describe('reading and removing', () => {
  it('finds, tells and removes by type', () => {
    const both = [ready, other];
    expect(findCondition(both, 'Other')).toBe(other);
    expect(findCondition(undefined, 'Other')).toBeUndefined();
    expect([isConditionTrue(both, 'Ready'), isConditionTrue(both, 'Other'), isConditionTrue(both, 'None')]).toEqual([true, false, false]);
    expect(removeCondition(both, 'Ready')).toEqual([other]);
    expect(removeCondition(both, 'None')).toBe(both);
    expect(removeCondition(undefined, 'None')).toEqual([]);
  });
});
