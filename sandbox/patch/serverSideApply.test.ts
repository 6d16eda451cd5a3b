import { describe, expect, it } from 'vitest';
import type { ApiFailure } from '../api/failure.ts';
import { inMemory } from '../testing/inMemory.ts';
import { applyConfiguration } from './serverSideApply.ts';
import { trackFields } from './managedFields.ts';

const world = inMemory();
const time = '2026-01-01T00:00:00Z';

type Json = Record<string, unknown>;

const apply = (plural: string, live: unknown, applied: Json, manager = 'me', force = false): Json =>
  applyConfiguration(
    live,
    { metadata: { name: 'x' }, ...applied },
    { info: world.info(plural), name: 'x', manager, force, subresource: undefined, time },
  );

const managers = (object: Json) => ((object.metadata as Json).managedFields as { manager: string }[]).map(({ manager }) => manager);

describe('server-side apply', () => {
  it('owns what it creates, and nothing of the identity', () => {
    const made = apply('configmaps', undefined, { data: { a: '1' } });
    expect((made.metadata as Json).managedFields).toEqual([
      { manager: 'me', operation: 'Apply', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
  });

  it('removes what the manager no longer applies', () => {
    const made = apply('configmaps', undefined, { data: { a: '1', b: '2' } });
    expect(apply('configmaps', made, { data: { a: '1' } }).data).toEqual({ a: '1' });
  });

  it('keeps what another manager owns as well', () => {
    const mine = apply('configmaps', undefined, { data: { a: '1', b: '2' } });
    const both = apply('configmaps', mine, { data: { b: '2' } }, 'other');
    expect(apply('configmaps', both, { data: { a: '1' } }).data).toEqual({ a: '1', b: '2' });
  });

  it('is a conflict where it changes the field of another, and names manager and field', () => {
    const mine = apply('configmaps', undefined, { data: { a: '1' } });
    let failure: ApiFailure | undefined;
    try {
      apply('configmaps', mine, { data: { a: '2' } }, 'other');
    } catch (error) {
      failure = error as ApiFailure;
    }
    expect(failure?.message).toBe('Apply failed with 1 conflict: conflict with "me": .data.a');
    expect(failure?.status.details?.causes).toEqual([{ reason: 'FieldManagerConflict', message: 'conflict with "me"', field: '.data.a' }]);
  });

  it('takes the field over when forced', () => {
    const mine = apply('configmaps', undefined, { data: { a: '1', b: '1' } });
    const forced = apply('configmaps', mine, { data: { a: '2' } }, 'other', true);
    expect(forced.data).toEqual({ a: '2', b: '1' });
    expect((forced.metadata as Json).managedFields).toMatchObject([
      { manager: 'me', fieldsV1: { 'f:data': { 'f:b': {} } } },
      { manager: 'other', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
  });

  it('shares a field that both set to the same value', () => {
    const mine = apply('configmaps', undefined, { data: { a: '1' } });
    expect(managers(apply('configmaps', mine, { data: { a: '1' } }, 'other'))).toEqual(['me', 'other']);
  });

  it('merges containers by name and leaves those of others alone', () => {
    const pod = (...containers: Json[]) => ({ spec: { containers } });
    const mine = apply('pods', undefined, pod({ name: 'a', image: '1' }));
    const both = apply('pods', mine, pod({ name: 'b', image: '2' }), 'other');
    expect(both.spec).toEqual({
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '2' },
      ],
    });
    expect(apply('pods', both, pod(), 'other').spec).toEqual({ containers: [{ name: 'a', image: '1' }] });
  });

  it('counts an ordinary write as an owner', () => {
    const live: Json = { metadata: { name: 'x' }, data: { a: '1' } };
    trackFields(world.info('configmaps'), undefined, live, { manager: 'kubectl-edit' }, time);
    expect(() => apply('configmaps', live, { data: { a: '2' } })).toThrow('conflict with "kubectl-edit" using v1: .data.a');
  });

  it('changes nothing the second time', () => {
    const made = apply('configmaps', undefined, { data: { a: '1' } });
    expect(apply('configmaps', made, { data: { a: '1' } })).toEqual(made);
  });
});
