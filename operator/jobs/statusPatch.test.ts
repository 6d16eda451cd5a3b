import { describe, expect, it } from 'vitest';
import { changedFields } from './statusPatch.ts';

describe('changedFields', () => {
  it.each([
    { name: 'equal', current: { a: 1, b: [{ c: 2 }] }, next: { b: [{ c: 2 }], a: 1 }, want: undefined },
    {
      name: 'keys in another order, deep down',
      current: { a: { x: 1, y: { p: 1, q: 2 } } },
      next: { a: { y: { q: 2, p: 1 }, x: 1 } },
      want: undefined,
    },
    { name: 'undefined is absent', current: { a: 1 }, next: { a: 1, b: undefined }, want: undefined },
    { name: 'no status yet', current: undefined, next: { a: 1 }, want: { a: 1 } },
    { name: 'one field', current: { a: 1, b: 2 }, next: { a: 1, b: 3 }, want: { b: 3 } },
    { name: 'a field that is gone', current: { a: 1, b: 2 }, next: { a: 1 }, want: { b: null } },
    { name: 'order of a list counts', current: { a: [1, 2] }, next: { a: [2, 1] }, want: { a: [2, 1] } },
    { name: 'a list is no object', current: { a: {} }, next: { a: [] }, want: { a: [] } },
    { name: 'null is a value', current: { a: { b: null } }, next: { a: {} }, want: { a: {} } },
    { name: 'nothing at all', current: undefined, next: {}, want: undefined },
  ])('$name', ({ current, next, want }) => {
    expect(changedFields(current, next)).toEqual(want);
  });
});
