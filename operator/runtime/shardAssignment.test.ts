import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards, shardOf, type ShardMember } from './shardAssignment.ts';

describe('shardOf', () => {
  // Written down, not computed: two versions of this program that disagree would work on one object.
  it.each([
    { namespace: 'default', of4: 0, of16: 12 },
    { namespace: 'prow', of4: 2, of16: 2 },
    { namespace: 'team-1', of4: 1, of16: 9 },
    { namespace: 'team-2', of4: 2, of16: 2 },
  ])('$namespace stays where it is', ({ namespace, of4, of16 }) => {
    expect([shardOf(namespace, 4), shardOf(namespace, 16)]).toEqual([of4, of16]);
  });

  it('spreads namespaces that differ in their last digits', () => {
    const sizes = [0, 0, 0, 0];
    for (let index = 0; index < 4_000; index++) sizes[shardOf(`team-${index}`, 4)]! += 1;
    for (const size of sizes) expect(size).toBeGreaterThan(900);
  });
});

interface Row {
  readonly name: string;
  readonly count: number;
  readonly members: readonly ShardMember[];
  /** How many each member should have, by its id. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Shards that change hands although somebody has them. */
  readonly moves: number;
}

const member = (id: string, ...shards: number[]): ShardMember => ({ id, shards });
const rows: readonly Row[] = [
  { name: 'one process takes all', count: 4, members: [member('a')], sizes: { a: 4 }, moves: 0 },
  { name: 'two that start together', count: 4, members: [member('a'), member('b')], sizes: { a: 2, b: 2 }, moves: 0 },
  { name: 'a second one joins', count: 4, members: [member('a', 0, 1, 2, 3), member('b')], sizes: { a: 2, b: 2 }, moves: 2 },
  {
    name: 'a third joins two',
    count: 4,
    members: [member('a', 0, 1), member('b', 2, 3), member('c')],
    sizes: { a: 2, b: 1, c: 1 },
    moves: 1,
  },
  { name: 'one of three is gone', count: 4, members: [member('a', 0, 1), member('c', 2)], sizes: { a: 2, c: 2 }, moves: 0 },
  {
    name: 'uneven and settled',
    count: 4,
    members: [member('a', 3), member('b', 0), member('c', 1, 2)],
    sizes: { a: 1, b: 1, c: 2 },
    moves: 0,
  },
  {
    name: 'more processes than shards',
    count: 2,
    members: [member('a', 0), member('b'), member('c', 1)],
    sizes: { a: 1, b: 0, c: 1 },
    moves: 0,
  },
  { name: 'a shard that does not exist', count: 2, members: [member('a', 7), member('b')], sizes: { a: 1, b: 1 }, moves: 0 },
];

describe('assignShards', () => {
  it.each(rows)('$name', ({ count, members, sizes, moves }) => {
    const assigned = assignShards(count, members);
    const owners = [...assigned.values()];
    expect(Object.fromEntries(members.map(({ id }) => [id, owners.filter((owner) => owner === id).length]))).toEqual(sizes);
    const moved = members.flatMap(({ id, shards }) => shards.filter((shard) => shard < count && assigned.get(shard) !== id));
    expect(moved).toHaveLength(moves);
  });

  it('gives every shard to one member, evenly, asks nobody for more than it has too much, and stays as it is once carried out', () => {
    const world = fc
      .record({
        count: fc.integer({ min: 1, max: 24 }),
        size: fc.integer({ min: 1, max: 8 }),
        owners: fc.array(fc.nat(11), { minLength: 24, maxLength: 24 }),
      })
      // An owner beyond the members has gone: its shards are free.
      .map(({ count, size, owners }) => ({
        count,
        members: Array.from({ length: size }, (_, index) => ({
          id: `p${index}`,
          shards: owners.slice(0, count).flatMap((owner, shard) => (owner === index ? [shard] : [])),
        })),
      }));
    fc.assert(
      fc.property(world, ({ count, members }) => {
        const assigned = assignShards(count, members);
        const after = members.map(({ id }) => ({ id, shards: [...assigned].filter(([, owner]) => owner === id).map(([shard]) => shard) }));
        const sizes = after.map(({ shards }) => shards.length);
        expect(assigned.size).toBe(count);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        for (const [index, { id, shards }] of members.entries()) {
          const lost = shards.filter((shard) => assigned.get(shard) !== id).length;
          expect(lost).toBe(Math.max(0, shards.length - (sizes[index] ?? 0)));
        }
        expect(assignShards(count, after)).toEqual(assigned);
        expect(assignShards(count, after.toReversed())).toEqual(assigned);
      }),
    );
  });
});
