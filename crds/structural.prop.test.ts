import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from './definitions.ts';
import { canonicalJson, isArray, isJsonObject, jsonEqual, type JsonObject } from './json.ts';
import { StructuralSchema } from './structural.ts';

const definitions = customResourceDefinitions().map((crd): readonly [string, JsonObject] => [
  crd.spec.names.kind,
  crd.spec.versions[0]?.schema.openAPIV3Schema ?? {},
]);

/** Values that follow a schema more or less: right fields, wrong fields, wrong types and nulls. */
function valueOf(schema: JsonObject, depth: number): fc.Arbitrary<unknown> {
  const noise = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(null));
  if (depth === 0) return noise;
  return fc.oneof({ weight: 5, arbitrary: fittingValue(schema, depth) }, { weight: 1, arbitrary: noise });
}

function fittingValue(schema: JsonObject, depth: number): fc.Arbitrary<unknown> {
  if (isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  if (schema.type === 'array') return fc.array(valueOf(schema.items as JsonObject, depth - 1), { maxLength: 3 });
  if (isJsonObject(schema.additionalProperties))
    return fc.dictionary(fc.string({ maxLength: 4 }), valueOf(schema.additionalProperties, depth - 1), { maxKeys: 2 });
  if (!isJsonObject(schema.properties))
    return schema.type === 'string'
      ? fc.string({ maxLength: 5 })
      : schema.type === 'integer'
        ? fc.integer()
        : fc.jsonValue({ maxDepth: 1 });
  const fields = Object.entries(schema.properties).map(([name, field]) => [name, valueOf(field as JsonObject, depth - 1)] as const);
  const stray = fc.dictionary(fc.constantFrom('__proto__', 'constructor', 'stray', 'on'), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 });
  return fc
    .tuple(fc.record(Object.fromEntries(fields), { requiredKeys: [] }), stray)
    .map(([own, more]) => Object.fromEntries([...Object.entries(own), ...Object.entries(more)]));
}

describe.each(definitions)('%s', (_kind, definition) => {
  const schema = new StructuralSchema(definition);
  const objects = valueOf(definition, 6);
  const runs = { numRuns: 150 };

  it('prunes once and for all, and only what it names', () => {
    fc.assert(
      fc.property(objects, (value) => {
        const once = schema.prune(value);
        const twice = schema.prune(once.object);
        expect(twice.pruned).toEqual([]);
        expect(twice.object).toBe(once.object);
        if (once.pruned.length === 0) expect(once.object).toBe(value);
      }),
      runs,
    );
  });

  it('defaults once and for all', () => {
    fc.assert(
      fc.property(objects, (value) => {
        const once = schema.applyDefaults(value);
        expect(schema.applyDefaults(once)).toBe(once);
      }),
      runs,
    );
  });

  it('adds nothing by defaulting that it would prune', () => {
    fc.assert(
      fc.property(objects, (value) => {
        expect(schema.prune(schema.applyDefaults(schema.prune(value).object)).pruned).toEqual([]);
      }),
      runs,
    );
  });

  it('judges any value without failing, and accepts no change of a valid object as valid', () => {
    fc.assert(
      fc.property(objects, (value) => {
        const errors = schema.validate(value);
        for (const error of errors) expect(error.message).not.toBe('');
        if (errors.length === 0) expect(schema.validate(value, value)).toEqual([]);
      }),
      runs,
    );
  });
});

describe('canonicalJson', () => {
  it('is equal for equal values and for no others', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(canonicalJson(a) === canonicalJson(b)).toBe(jsonEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))));
        expect(jsonEqual(a, structuredClone(a))).toBe(true);
      }),
    );
  });
});
