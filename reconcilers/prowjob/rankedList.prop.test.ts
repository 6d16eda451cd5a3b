/** A list of a thousand pieces of luck is as sorted as an array that is sorted after each step. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareRank, type StartRank } from '../../operator/jobs/startOrder.ts';
import { RankedList } from './rankedList.ts';

const rank = (n: number): StartRank => ({ priority: n % 3, createdMs: (n * 7) % 11, uid: `u${n}` });

it('agrees with a sorted array: first, size and every place', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { maxLength: 120 }), (steps) => {
      const list = new RankedList<StartRank>();
      let model: StartRank[] = [];
      for (const [adds, n] of steps) {
        const item = rank(n);
        const isThere = model.some(({ uid }) => uid === item.uid);
        if (adds && !isThere) {
          list.add(item);
          model = [...model, item].sort(compareRank);
        } else if (!adds) {
          list.delete(item);
          model = model.filter(({ uid }) => uid !== item.uid);
        }
        expect(list.first?.uid).toBe(model[0]?.uid);
        expect(list.size).toBe(model.length);
        expect(list.before(item)).toBe(model.filter((other) => compareRank(other, item) < 0).length);
      }
    }),
  );
});

it('stays sorted over many pieces, whether it grows and shrinks at the front, at the end or everywhere', () => {
  const count = 5000;
  const orders: readonly ((n: number) => number)[] = [(n) => n, (n) => count - 1 - n, (n) => (n * 1237) % count];
  for (const order of orders) {
    const items = Array.from({ length: count }, (_, n): StartRank => ({ priority: 0, createdMs: n, uid: `u${n}` }));
    const list = new RankedList<StartRank>();
    for (let n = 0; n < count; n += 1) list.add(items[order(n)]!);
    expect(items.map((item) => list.before(item))).toEqual(items.map((_, n) => n));
    for (let n = 0; n < count; n += 2) list.delete(items[n]!);
    expect(list.size).toBe(count / 2);
    expect(list.before(items[count - 1]!)).toBe(count / 2 - 1);
    for (let n = 1; n < count; n += 2) {
      expect(list.first?.uid).toBe(`u${n}`);
      list.delete(list.first!);
    }
    expect(list.first).toBeUndefined();
  }
});
