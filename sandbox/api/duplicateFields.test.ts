import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateFields } from './duplicateFields.ts';

describe('duplicateFields', () => {
  it.each([
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":1,"b":2,"b":3}}', ['a.b', 'a.b']],
    ['{"a":[{"b":1},{"c":1,"c":1}]}', ['a[1].c']],
    ['{"a":"a","b":"a"}', []],
    ['{"a":["a","a"],"b":{"a":1}}', []],
    ['{"\\u0061":1,"a":2}', ['a']],
    ['{"x":"{\\"a\\":1,\\"a\\":2}"}', []],
  ])('%s', (text, expected) => {
    expect(duplicateFields(text)).toEqual(expected);
  });

  it('finds none in what JSON.stringify writes', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => duplicateFields(JSON.stringify(value)).length === 0));
  });
});
