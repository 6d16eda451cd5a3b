import { describe, expect, it } from 'vitest';
import { SharedValues } from './sharedValues.ts';

describe('SharedValues', () => {
  it('returns the first of equal objects', () => {
    const shared = new SharedValues();
    const first = { job: 'nightly' };
    expect(shared.of(first)).toBe(first);
    expect(shared.of({ job: 'nightly' })).toBe(first);
    expect(shared.of({ job: 'hourly' })).not.toBe(first);
  });

  it('does not mix up an object and its text', () => {
    const shared = new SharedValues();
    const object = { a: 1 };
    expect(shared.of(object)).toBe(object);
    expect(shared.of(JSON.stringify(object))).toBe('{"a":1}');
  });

  it('leaves numbers and nothing alone', () => {
    const shared = new SharedValues();
    for (const value of [1, undefined, null, false]) expect(shared.of<unknown>(value)).toBe(value);
  });

  it('remembers no more than its limit', () => {
    const shared = new SharedValues(2);
    const [first, again] = [{ at: 1 }, { at: 1 }];
    shared.of(first);
    for (let at = 2; at < 4; at += 1) shared.of({ at });
    expect(shared.of(again)).toBe(again);
  });
});
