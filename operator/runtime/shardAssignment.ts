/**
 * Which namespace belongs to which shard, and which process should lead which shard. Pure: processes that have read the same lease come
 * to the same answer without talking to each other, and an answer that has been carried out does not change by itself.
 */

/** What a process says of itself. */
export interface ShardMember {
  readonly id: string;
  /** The shards whose leases it holds. */
  readonly shards: readonly number[];
}

/** The shard of a namespace, 0 ≤ shard < count. The same in every version of this program: two that disagree would work on one object. */
export const shardOf = (namespace: string, count: number): number => mix(fnv1a(namespace)) % count;

/**
 * Who should lead each shard. Nobody has more than one shard more than another; a member gives away only what it has too much of, and the
 * extra shards stay with those that have most. Without members the answer is empty.
 */
export function assignShards(count: number, members: readonly ShardMember[]): ReadonlyMap<number, string> {
  const assigned = new Map<number, string>();
  const rooms = new Map<string, number>();
  const ranked = members.toSorted((a, b) => b.shards.length - a.shards.length || (a.id < b.id ? -1 : 1));
  for (const [index, { id, shards }] of ranked.entries()) {
    const quota = Math.floor(count / ranked.length) + (index < count % ranked.length ? 1 : 0);
    const kept = shards
      .filter((shard) => shard >= 0 && shard < count && !assigned.has(shard))
      .toSorted(byAffinity(id))
      .slice(0, quota);
    for (const shard of kept) assigned.set(shard, id);
    rooms.set(id, quota - kept.length);
  }
  for (let shard = 0; shard < count; shard++) {
    if (assigned.has(shard)) continue;
    const [taker] = [...rooms]
      .filter(([, room]) => room > 0)
      .toSorted(([a], [b]) => affinity(b, shard) - affinity(a, shard) || (a < b ? -1 : 1));
    if (taker === undefined) continue;
    assigned.set(shard, taker[0]);
    rooms.set(taker[0], taker[1] - 1);
  }
  return assigned;
}

/** The shard that is dearest first: the same order each time, and another for each member. */
const byAffinity =
  (id: string) =>
  (a: number, b: number): number =>
    affinity(id, b) - affinity(id, a) || a - b;

const affinity = (id: string, shard: number): number => mix(fnv1a(`${id}/${shard}`));

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Spreads names that differ in their last characters only; the low bits of FNV alone follow those. */
function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) >>> 0;
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
