import { beforeEach, describe, expect, it } from 'vitest';
import { inMemory, settle } from '../testing/inMemory.ts';
import type { InMemory } from '../testing/inMemory.ts';
import type { StoredObject } from '../storage/storage.ts';
import { GarbageCollector } from './garbageCollector.ts';

let world: InMemory;
const problems: string[] = [];

beforeEach(() => {
  world = inMemory();
  problems.length = 0;
  new GarbageCollector(world.storage, world.service, world.registry, (line) => problems.push(line)).start();
});

const make = (name: string, owners: readonly { owner: StoredObject; blocks?: boolean }[] = [], finalizers: string[] = []) =>
  world.service.create(world.info('configmaps'), 'default', {
    metadata: {
      name,
      finalizers,
      ownerReferences: owners.map(({ owner, blocks }) => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: owner.metadata.name,
        uid: owner.metadata.uid,
        ...(blocks === true ? { blockOwnerDeletion: true } : {}),
      })),
    },
  });

const remove = (name: string, propagationPolicy?: string) =>
  world.service.delete(world.info('configmaps'), { namespace: 'default', name }, { propagationPolicy });
const find = (name: string) => world.service.find(world.info('configmaps'), { namespace: 'default', name });

describe('garbage collection', () => {
  it('deletes dependents, and theirs, after the owner', async () => {
    const owner = make('owner');
    const middle = make('middle', [{ owner }]);
    make('leaf', [{ owner: middle }]);
    remove('owner');
    await settle();
    expect([find('middle'), find('leaf')]).toEqual([undefined, undefined]);
    expect(problems).toEqual([]);
  });

  it('keeps what has another living owner, and drops the reference to the dead one', async () => {
    const [first, second] = [make('first'), make('second')];
    make('shared', [{ owner: first }, { owner: second }]);
    remove('first');
    await settle();
    expect(find('shared')?.metadata.ownerReferences?.map(({ name }) => name)).toEqual(['second']);
  });

  it('does not take a new object of the same name for the owner', async () => {
    const owner = make('owner');
    remove('owner');
    make('owner');
    make('late', [{ owner }]);
    await settle();
    expect(find('late')).toBeUndefined();
  });

  it('foreground: the owner stays until the blocking dependents are gone', async () => {
    const owner = make('owner');
    make('blocking', [{ owner, blocks: true }], ['test/hold']);
    remove('owner', 'Foreground');
    await settle();
    expect(find('owner')?.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(find('blocking')?.metadata.deletionTimestamp).toBeDefined();
    world.service.modify(world.info('configmaps'), { namespace: 'default', name: 'blocking' }, (object) => ({
      ...object,
      metadata: { ...object.metadata, finalizers: [] },
    }));
    await settle();
    expect([find('owner'), find('blocking')]).toEqual([undefined, undefined]);
  });

  it('orphan: dependents stay, without the reference', async () => {
    const owner = make('owner');
    make('dependent', [{ owner }]);
    remove('owner', 'Orphan');
    await settle();
    expect(find('owner')).toBeUndefined();
    expect(find('dependent')?.metadata.ownerReferences).toBeUndefined();
  });

  it('leaves owners of kinds that are not served alone', async () => {
    world.service.create(world.info('configmaps'), 'default', {
      metadata: { name: 'foreign', ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: 'u' }] },
    });
    await settle();
    expect(find('foreign')).toBeDefined();
  });
});
