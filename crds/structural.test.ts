import { describe, expect, it } from 'vitest';
import { formatFieldError, SchemaError, StructuralSchema } from './structural.ts';

const object = (properties: object, extra: object = {}) => ({ type: 'object', properties, ...extra });
const lines = (schema: object, value: unknown, old?: unknown): readonly string[] =>
  new StructuralSchema(schema).validate(value, old).map(formatFieldError);
const string = { type: 'string' };
const open = { 'x-kubernetes-preserve-unknown-fields': true };

describe('messages of validation', () => {
  const cases: readonly { readonly name: string; readonly field: object; readonly value: unknown; readonly says: readonly string[] }[] = [
    { name: 'string', field: string, value: 'a', says: [] },
    {
      name: 'integer for string',
      field: string,
      value: 5,
      says: ['f: Invalid value: "integer": f in body must be of type string: "integer"'],
    },
    {
      name: 'fraction for integer',
      field: { type: 'integer' },
      value: 1.5,
      says: [
        'f: Invalid value: "number": f in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in f',
      ],
    },
    { name: 'integer for number', field: { type: 'number' }, value: 1, says: [] },
    {
      name: 'object for array',
      field: { type: 'array', items: string },
      value: {},
      says: ['f: Invalid value: "object": f in body must be of type array: "object"'],
    },
    { name: 'null', field: string, value: null, says: ['f: Invalid value: "null": f in body must be of type string: "null"'] },
    {
      name: 'null that may be, but not by the enum',
      field: { type: 'string', nullable: true, enum: ['a'] },
      value: null,
      says: ['f: Unsupported value: null: supported values: "a"'],
    },
    { name: 'null that may be', field: { type: 'string', nullable: true, minLength: 1 }, value: null, says: [] },
    { name: 'int-or-string, int', field: { 'x-kubernetes-int-or-string': true }, value: 1, says: [] },
    {
      name: 'int-or-string, bool',
      field: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
      value: true,
      says: [
        'f: Invalid value: "boolean": f in body must be of type integer,string: "boolean"',
        '<nil>: Invalid value: "": "f" must validate at least one schema (anyOf)',
        'f: Invalid value: "boolean": f in body must be of type integer: "boolean"',
      ],
    },
    {
      name: 'enum',
      field: { type: 'string', enum: ['a', 'b'] },
      value: 'c',
      says: ['f: Unsupported value: "c": supported values: "a", "b"'],
    },
    {
      name: 'enum of numbers',
      field: { type: 'integer', enum: [1, 2] },
      value: 3,
      says: ['f: Unsupported value: 3: supported values: "1", "2"'],
    },
    {
      name: 'pattern',
      field: { type: 'string', pattern: '^a+$' },
      value: 'b',
      says: [`f: Invalid value: "b": f in body should match '^a+$'`],
    },
    { name: 'pattern with a flag of Go', field: { type: 'string', pattern: '(?i)^a\\-b\\z' }, value: 'A-B', says: [] },
    {
      name: 'minLength counts characters',
      field: { type: 'string', minLength: 2 },
      value: '😀',
      says: ['f: Invalid value: "😀": f in body should be at least 2 chars long'],
    },
    { name: 'maxLength', field: { type: 'string', maxLength: 2 }, value: 'abc', says: ['f: Too long: may not be more than 2 bytes'] },
    { name: 'maxLength counts characters', field: { type: 'string', maxLength: 2 }, value: '😀😀', says: [] },
    {
      name: 'minimum',
      field: { type: 'integer', minimum: 1 },
      value: 0,
      says: ['f: Invalid value: 0: f in body should be greater than or equal to 1'],
    },
    {
      name: 'exclusive minimum',
      field: { type: 'integer', minimum: 1, exclusiveMinimum: true },
      value: 1,
      says: ['f: Invalid value: 1: f in body should be greater than 1'],
    },
    {
      name: 'maximum',
      field: { type: 'number', maximum: 1 },
      value: 1.5,
      says: ['f: Invalid value: 1.5: f in body should be less than or equal to 1'],
    },
    {
      name: 'multipleOf',
      field: { type: 'number', multipleOf: 0.1 },
      value: 0.25,
      says: ['f: Invalid value: 0.25: f in body should be a multiple of 0.1'],
    },
    { name: 'multipleOf with fractions', field: { type: 'number', multipleOf: 0.1 }, value: 0.3, says: [] },
    {
      name: 'maxItems',
      field: { type: 'array', items: string, maxItems: 1 },
      value: ['a', 'b'],
      says: ['f: Too many: 2: must have at most 1 item'],
    },
    {
      name: 'minItems',
      field: { type: 'array', items: string, minItems: 1 },
      value: [],
      says: ['f: Invalid value: 0: f in body should have at least 1 items'],
    },
    {
      name: 'maxProperties',
      field: { type: 'object', additionalProperties: string, maxProperties: 1 },
      value: { a: '', b: '' },
      says: ['f: Too many: 2: must have at most 1 item'],
    },
    {
      name: 'item',
      field: { type: 'array', items: string },
      value: ['a', 1],
      says: ['f[1]: Invalid value: "integer": f[1] in body must be of type string: "integer"'],
    },
    {
      name: 'map value',
      field: { type: 'object', additionalProperties: string },
      value: { k: 1 },
      says: ['f.k: Invalid value: "integer": f.k in body must be of type string: "integer"'],
    },
    {
      name: 'date-time',
      field: { type: 'string', format: 'date-time' },
      value: '2026-13-01T00:00:00Z',
      says: ['f: Invalid value: "2026-13-01T00:00:00Z": f in body must be of type date-time: "2026-13-01T00:00:00Z"'],
    },
    { name: 'unknown format', field: { type: 'string', format: 'whatever' }, value: 'x', says: [] },
    {
      name: 'int32',
      field: { type: 'integer', format: 'int32' },
      value: 2 ** 31,
      says: ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in f'],
    },
    {
      name: 'set',
      field: { type: 'array', items: string, 'x-kubernetes-list-type': 'set' },
      value: ['a', 'a'],
      says: ['f[1]: Duplicate value: "a"'],
    },
    {
      name: 'embedded resource',
      field: { type: 'object', ...open, 'x-kubernetes-embedded-resource': true },
      value: { kind: 'Pod' },
      says: ['f.apiVersion: Required value: must not be empty'],
    },
    {
      name: 'oneOf, none',
      field: object({ a: string, b: string }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
      value: {},
      says: ['<nil>: Invalid value: "": "f" must validate one and only one schema (oneOf). Found none valid', 'f.a: Required value'],
    },
    {
      name: 'oneOf, two',
      field: object({ a: string, b: string }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
      value: { a: '', b: '' },
      says: ['<nil>: Invalid value: "": "f" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    },
    {
      name: 'anyOf',
      field: { type: 'string', anyOf: [{ pattern: '^a' }, { maxLength: 1 }] },
      value: 'bb',
      says: [
        '<nil>: Invalid value: "": "f" must validate at least one schema (anyOf)',
        `f: Invalid value: "bb": f in body should match '^a'`,
      ],
    },
    {
      name: 'allOf',
      field: { type: 'string', allOf: [{ pattern: '^a' }] },
      value: 'b',
      says: [
        `f: Invalid value: "b": f in body should match '^a'`,
        '<nil>: Invalid value: "": "f" must validate all the schemas (allOf). None validated',
      ],
    },
    {
      name: 'not',
      field: { type: 'string', not: { enum: ['x'] } },
      value: 'x',
      says: ['<nil>: Invalid value: "": "f" must not validate the schema (not)'],
    },
  ];
  it.each(cases)('$name', ({ field, value, says }) => expect(lines(object({ f: field }), { f: value })).toEqual(says));

  it('holds against an update only what changed', () => {
    const schema = object({ a: { type: 'string', maxLength: 1 }, b: string });
    expect(lines(schema, { a: 'long', b: 'new' }, { a: 'long', b: 'old' })).toEqual([]);
    expect(lines(schema, { a: 'longer', b: 'old' }, { a: 'long', b: 'old' })).toEqual(['a: Too long: may not be more than 1 byte']);
  });

  it('does not take inherited names for fields', () => {
    expect(lines(object({}, { required: ['toString', 'constructor'] }), {})).toEqual([
      'toString: Required value',
      'constructor: Required value',
    ]);
  });
});

describe('pruning', () => {
  const schema = new StructuralSchema(
    object({
      spec: object({
        known: string,
        open: { ...object({ inner: object({ a: string }) }), ...open },
        list: { type: 'array', items: object({ a: string }) },
        map: { type: 'object', additionalProperties: object({ a: string }) },
        resource: { ...object({ spec: object({ a: string }) }), 'x-kubernetes-embedded-resource': true },
      }),
    }),
  );
  const cases: readonly { readonly name: string; readonly spec: object; readonly pruned: readonly string[]; readonly left: object }[] = [
    { name: 'known fields stay', spec: { known: 'a' }, pruned: [], left: { known: 'a' } },
    { name: 'unknown fields go', spec: { known: 'a', other: { x: 1 } }, pruned: ['spec.other'], left: { known: 'a' } },
    { name: 'open objects keep theirs', spec: { open: { x: { y: 1 } } }, pruned: [], left: { open: { x: { y: 1 } } } },
    {
      name: 'named parts of open objects are pruned',
      spec: { open: { inner: { a: '', b: '' } } },
      pruned: ['spec.open.inner.b'],
      left: { open: { inner: { a: '' } } },
    },
    { name: 'items', spec: { list: [{ a: '' }, { b: '' }] }, pruned: ['spec.list[1].b'], left: { list: [{ a: '' }, {}] } },
    { name: 'map values', spec: { map: { k: { b: '' } } }, pruned: ['spec.map.k.b'], left: { map: { k: {} } } },
    {
      name: 'embedded resources keep their head',
      spec: { resource: { kind: 'A', metadata: { x: 1 }, spec: { b: 1 }, status: {} } },
      pruned: ['spec.resource.spec.b', 'spec.resource.status'],
      left: { resource: { kind: 'A', metadata: { x: 1 }, spec: {} } },
    },
    { name: 'kind below the root is a field as any', spec: { kind: 'A' }, pruned: ['spec.kind'], left: {} },
    {
      name: 'names of the prototype are no fields',
      spec: JSON.parse('{"__proto__":{"x":1},"constructor":1}') as object,
      pruned: ['spec.__proto__', 'spec.constructor'],
      left: {},
    },
    {
      name: 'such names stay where fields are free',
      spec: { open: JSON.parse('{"__proto__":{"x":1}}') as object },
      pruned: [],
      left: { open: JSON.parse('{"__proto__":{"x":1}}') as object },
    },
  ];
  it.each(cases)('$name', ({ spec, pruned, left }) => {
    const root = { apiVersion: 'a/v1', kind: 'B', metadata: { name: 'x', any: 1 } };
    const before = JSON.stringify(spec);
    const result = schema.prune({ ...root, spec });
    expect(result.pruned).toEqual(pruned);
    expect(JSON.stringify(result.object)).toBe(JSON.stringify({ ...root, spec: left }));
    expect(JSON.stringify(spec)).toBe(before);
  });

  it('gives back the same object when there is nothing to prune', () => {
    const value = Object.freeze({ spec: Object.freeze({ known: 'a' }) });
    expect(schema.prune(value).object).toBe(value);
  });
});

describe('defaulting', () => {
  const schema = new StructuralSchema(
    object({
      spec: object(
        {
          mode: { type: 'string', default: 'x' },
          plain: string,
          may: { type: 'string', nullable: true, default: 'y' },
          list: { type: 'array', items: object({ n: { type: 'integer', default: 1 } }) },
        },
        { default: {} },
      ),
      map: { type: 'object', additionalProperties: { type: 'string', default: 'z' } },
    }),
  );
  const cases: readonly { readonly name: string; readonly value: object; readonly becomes: object }[] = [
    { name: 'missing objects, then their fields', value: {}, becomes: { spec: { mode: 'x', may: 'y' } } },
    { name: 'given values stay', value: { spec: { mode: 'a', may: 'b' } }, becomes: { spec: { mode: 'a', may: 'b' } } },
    { name: 'null becomes the default', value: { spec: { mode: null, may: 'b' } }, becomes: { spec: { mode: 'x', may: 'b' } } },
    { name: 'null that may be stays', value: { spec: { mode: 'a', may: null } }, becomes: { spec: { mode: 'a', may: null } } },
    {
      name: 'null without default goes',
      value: { spec: { mode: 'a', may: 'b', plain: null } },
      becomes: { spec: { mode: 'a', may: 'b' } },
    },
    {
      name: 'items',
      value: { spec: { mode: 'a', may: 'b', list: [{}, { n: 2 }] } },
      becomes: { spec: { mode: 'a', may: 'b', list: [{ n: 1 }, { n: 2 }] } },
    },
    {
      name: 'null in a map',
      value: { spec: { mode: 'a', may: 'b' }, map: { k: null } },
      becomes: { spec: { mode: 'a', may: 'b' }, map: { k: 'z' } },
    },
  ];
  it.each(cases)('$name', ({ value, becomes }) => expect(schema.applyDefaults(value)).toEqual(becomes));
});

describe('CEL rules', () => {
  const withRule = (rule: object, properties: object, more: object = {}) =>
    object({ s: object(properties, { 'x-kubernetes-validations': [rule], ...more }) });
  const integer = { type: 'integer' };

  const cases: readonly {
    readonly name: string;
    readonly schema: object;
    readonly value: object;
    readonly old?: object;
    readonly says: readonly string[];
  }[] = [
    { name: 'holds', schema: withRule({ rule: 'self.a <= self.b' }, { a: integer, b: integer }), value: { s: { a: 1, b: 1 } }, says: [] },
    {
      name: 'fails with its own text',
      schema: withRule({ rule: 'self.a <=\n  self.b' }, { a: integer, b: integer }),
      value: { s: { a: 2, b: 1 } },
      says: ['s: Invalid value: failed rule: self.a <=\n  self.b'],
    },
    {
      name: 'fails with a message',
      schema: withRule({ rule: 'self.a > 1', message: 'too small' }, { a: integer }),
      value: { s: { a: 1 } },
      says: ['s: Invalid value: too small'],
    },
    {
      name: 'fails with a computed message',
      schema: withRule({ rule: 'self.a > 1', message: 'no', messageExpression: '"got " + string(self.a)' }, { a: integer }),
      value: { s: { a: 1 } },
      says: ['s: Invalid value: got 1'],
    },
    {
      name: 'a message that cannot be computed does not count',
      schema: withRule({ rule: 'self.a > 1', message: 'no', messageExpression: 'self.b' }, { a: integer, b: string }),
      value: { s: { a: 1 } },
      says: ['s: Invalid value: no'],
    },
    {
      name: 'reason and fieldPath',
      schema: withRule({ rule: 'has(self.b)', message: 'needed', reason: 'FieldValueRequired', fieldPath: '.b' }, { b: string }),
      value: { s: {} },
      says: ['s.b: Required value: needed'],
    },
    {
      name: 'integers compute as int',
      schema: withRule({ rule: 'self.a + 1 == 3 && self.a / 2 == 1' }, { a: integer }),
      value: { s: { a: 2 } },
      says: [],
    },
    {
      name: 'numbers compute as double',
      schema: withRule({ rule: 'self.a * 2.0 == 5.0' }, { a: { type: 'number' } }),
      value: { s: { a: 2.5 } },
      says: [],
    },
    {
      name: 'durations compare by length',
      schema: withRule({ rule: "self.d > duration('59m')" }, { d: { type: 'string', format: 'duration' } }),
      value: { s: { d: '1h' } },
      says: [],
    },
    {
      name: 'a rule that breaks refuses',
      schema: withRule({ rule: 'self.b == "x"' }, { b: string }),
      value: { s: {} },
      says: ['s: Invalid value: "object": no such key: b evaluating rule: self.b == "x"'],
    },
    {
      name: 'a transition rule needs an old value',
      schema: withRule({ rule: 'self == oldSelf' }, { a: integer }),
      value: { s: { a: 1 } },
      old: {},
      says: [],
    },
    {
      name: 'a transition rule',
      schema: withRule({ rule: 'self == oldSelf', message: 'fixed' }, { a: integer }),
      value: { s: { a: 1 } },
      old: { s: { a: 2 } },
      says: ['s: Invalid value: fixed'],
    },
    {
      name: 'optionalOldSelf at creation',
      schema: withRule({ rule: '!oldSelf.hasValue() && self.a == 1', optionalOldSelf: true, message: 'm' }, { a: integer }),
      value: { s: { a: 2 } },
      says: ['s: Invalid value: m'],
    },
    {
      name: 'optionalOldSelf at update',
      schema: withRule({ rule: 'oldSelf.hasValue() && oldSelf.value().a < self.a', optionalOldSelf: true }, { a: integer }),
      value: { s: { a: 2 } },
      old: { s: { a: 1 } },
      says: [],
    },
    {
      name: 'what was wrong before is let pass',
      schema: withRule({ rule: 'self.a > 1' }, { a: integer }),
      value: { s: { a: 1 } },
      old: { s: { a: 1 } },
      says: [],
    },
    {
      name: 'a rule of a scalar',
      schema: object({ n: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self % 2 == 0', message: 'odd' }] } }),
      value: { n: 3 },
      says: ['n: Invalid value: 3: odd'],
    },
    {
      name: 'a rule of map values',
      schema: object({
        m: {
          type: 'object',
          additionalProperties: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 0', message: 'positive' }] },
        },
      }),
      value: { m: { k: 0 } },
      says: ['m[k]: Invalid value: 0: positive'],
    },
    {
      name: 'macros',
      schema: withRule(
        { rule: 'self.l.all(x, x.n > 0) && self.l.exists_one(x, x.n == 2) && self.l.map(x, x.n).filter(n, n > 1).size() == 1' },
        { l: { type: 'array', items: object({ n: integer }) } },
      ),
      value: { s: { l: [{ n: 1 }, { n: 2 }] } },
      says: [],
    },
    {
      name: 'names that CEL reserves',
      schema: withRule({ rule: "self.__namespace__ == 'a' && self.x__dash__y == 1" }, { namespace: string, 'x-y': integer }),
      value: { s: { namespace: 'a', 'x-y': 1 } },
      says: [],
    },
    {
      name: 'names of the prototype are not there',
      schema: withRule(
        { rule: "!('constructor' in self.m) && !('__proto__' in self.m)" },
        { m: { type: 'object', additionalProperties: string } },
      ),
      value: { s: { m: {} } },
      says: [],
    },
    {
      name: 'null has no rules',
      schema: object({ s: object({}, { nullable: true, 'x-kubernetes-validations': [{ rule: 'false' }] }) }),
      value: { s: null },
      says: [],
    },
  ];
  it.each(cases)('$name', ({ schema, value, old, says }) => expect(lines(schema, value, old)).toEqual(says));

  it('finds the item that corresponds in a list map, and in no other list', () => {
    const items = object(
      { k: string, v: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'shrinks' }] } },
      { required: ['k'] },
    );
    const keyed = object({ l: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items } });
    const old = {
      l: [
        { k: 'a', v: 1 },
        { k: 'b', v: 5 },
      ],
    };
    const value = {
      l: [
        { k: 'b', v: 4 },
        { k: 'a', v: 2 },
        { k: 'c', v: 0 },
      ],
    };
    expect(lines(keyed, value, old)).toEqual(['l[0].v: Invalid value: 4: shrinks']);
    expect(lines(object({ l: { type: 'array', items } }), value, old)).toEqual([]);
  });
});

describe('a schema that a cluster would refuse', () => {
  const cases: readonly { readonly name: string; readonly schema: unknown; readonly says: RegExp }[] = [
    { name: 'not an object', schema: 'x', says: /must be a schema object/ },
    { name: 'root is not an object', schema: { type: 'string' }, says: /must be object at the root/ },
    { name: 'a field without type', schema: object({ a: {} }), says: /^properties\[a\]\.type: Required value/ },
    { name: '$ref', schema: object({ a: { type: 'object', $ref: '#' } }), says: /\$ref: Forbidden/ },
    {
      name: 'a type inside anyOf',
      schema: object({ a: { type: 'string', anyOf: [{ type: 'string' }] } }),
      says: /anyOf\[0\]\.type: Forbidden/,
    },
    { name: 'a list without items', schema: object({ a: { type: 'array' } }), says: /items: Required value/ },
    {
      name: 'a list map without keys',
      schema: object({ a: { type: 'array', items: object({}), 'x-kubernetes-list-type': 'map' } }),
      says: /list-map-keys: Required value/,
    },
    {
      name: 'a key that may be missing',
      schema: object({
        a: { type: 'array', items: object({ k: string }), 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] },
      }),
      says: /must have a default or be a required/,
    },
    {
      name: 'a rule with a mistake',
      schema: object({}, { 'x-kubernetes-validations': [{ rule: 'self.' }] }),
      says: /x-kubernetes-validations\[0\]\.rule: Invalid value: "self\.": compilation failed/,
    },
    {
      name: 'a rule about no field',
      schema: object({ a: string }, { 'x-kubernetes-validations': [{ rule: 'has(self.b)' }] }),
      says: /undefined field 'b'/,
    },
    {
      name: 'a rule that is no question',
      schema: object({ a: string }, { 'x-kubernetes-validations': [{ rule: '"yes"' }] }),
      says: /must evaluate to a bool/,
    },
    {
      name: 'a function that is unknown',
      schema: object({ a: string }, { 'x-kubernetes-validations': [{ rule: 'quantity(self.a).isInteger()' }] }),
      says: /no matching overload for 'quantity/,
    },
    {
      name: 'a reserved word',
      schema: object({ namespace: string }, { 'x-kubernetes-validations': [{ rule: 'has(self.namespace)' }] }),
      says: /undefined field 'namespace'/,
    },
    { name: 'a pattern that is none', schema: object({ a: { type: 'string', pattern: '(' } }), says: /valid regular expression/ },
    { name: 'a default that does not fit', schema: object({ a: { type: 'string', default: 1 } }), says: /must be of type string/ },
  ];
  it.each(cases)('$name', ({ schema, says }) => {
    expect(() => new StructuralSchema(schema)).toThrow(SchemaError);
    expect(() => new StructuralSchema(schema)).toThrow(says);
  });

  it('names every problem at once', () => {
    let problems: readonly unknown[] = [];
    try {
      new StructuralSchema(object({ a: {}, b: { type: 'array' } }));
    } catch (error) {
      problems = (error as SchemaError).problems;
    }
    expect(problems).toHaveLength(2);
  });
});
