import { describe, expect, it } from 'vitest';
import { shapeCheckOf } from './shape.ts';

const spec = { type: 'periodic', job: 'nightly', pod_spec: { containers: [{ image: 'a' }] } };
const proto = JSON.parse('{"__proto__": {"a": 1}}') as object;

describe('shapeCheckOf', () => {
  it.each<{ readonly name: string; readonly object: unknown; readonly says: string | undefined }>([
    { name: 'a good run', object: { spec, status: { state: 'pending', attempts: [{ number: 1 }] } }, says: undefined },
    { name: 'fields that nobody knows', object: { spec: { ...spec, future: 7 }, extra: null }, says: undefined },
    { name: 'a pod of any shape: it is looked at elsewhere', object: { spec: { ...spec, pod_spec: { containers: 7 } } }, says: undefined },
    { name: 'a value that no enumeration has', object: { spec: { ...spec, type: 'future' } }, says: undefined },
    { name: 'a list for the object', object: [], says: 'is a list, not an object' },
    { name: 'no spec', object: {}, says: 'spec is missing' },
    { name: 'no job', object: { spec: { type: 'periodic' } }, says: 'spec.job is missing' },
    { name: 'null', object: { spec: { ...spec, refs: null } }, says: 'spec.refs is null, not an object' },
    {
      name: 'text in a list',
      object: { spec: { ...spec, refs: { org: 'o', repo: 'r', pulls: ['x'] } } },
      says: 'spec.refs.pulls[0] is text, not an object',
    },
    { name: 'no list', object: { spec: { ...spec, extra_refs: { length: 1 } } }, says: 'spec.extra_refs is an object, not a list' },
    { name: 'text for a number', object: { spec: { ...spec, max_concurrency: '1' } }, says: 'spec.max_concurrency is text, not a number' },
    { name: 'rubbish in status', object: { spec, status: { attempts: [null] } }, says: 'status.attempts[0] is null, not an object' },
    {
      name: 'an entry of a list without its key',
      object: { spec, status: { conditions: [{ status: 'True' }] } },
      says: 'status.conditions[0].type is missing',
    },
    { name: 'a prototype for text', object: { spec: { ...spec, job: proto } }, says: 'spec.job is an object, not text' },
  ])('$name', ({ object, says }) => {
    expect(shapeCheckOf('ProwJob')(object)).toBe(says);
  });

  it("names the user's own keys", () => {
    const set = { spec: { matrix: JSON.parse('{"__proto__": 7}') as object, template: { metadata: { name: 'n' }, spec: {} } } };
    expect(shapeCheckOf('PeriodicSet')(set)).toBe('spec.matrix["__proto__"] is a number, not a list');
  });

  it('refuses a kind that is not ours', () => {
    expect(() => shapeCheckOf('Pod')).toThrow('no schema of kind Pod');
  });
});
