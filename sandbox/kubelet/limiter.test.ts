import { expect, test } from 'vitest';
import { Limiter } from './limiter.ts';

test('never more than the limit at once, in order, and a failure gives its place back', async () => {
  const limiter = new Limiter(2);
  let now = 0;
  let most = 0;
  const order: number[] = [];
  const work = (index: number) => async (): Promise<void> => {
    most = Math.max(most, ++now);
    order.push(index);
    await Promise.resolve();
    now--;
    if (index === 1) throw new Error('one fails');
  };
  const results = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => limiter.run(work(index))));
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(results.filter((result) => result.status === 'rejected')).toHaveLength(1);
});

test('the event loop turns between one holder and the next', async () => {
  const limiter = new Limiter(1);
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(Array.from({ length: 10 }, () => limiter.run(() => Promise.resolve())));
  counting = false;
  expect(turns).toBeGreaterThanOrEqual(9);
});
