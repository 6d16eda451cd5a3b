import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../runtime/testing/fakeClock.ts';
import { CallBudget, SharedBudget } from './callBudget.ts';

const make = (limits: { readonly own: number; readonly all: number; readonly clock?: FakeClock; readonly shared?: SharedBudget }) => {
  const clock = limits.clock ?? new FakeClock();
  const shared = limits.shared ?? new SharedBudget(limits.all);
  return { clock, shared, budget: new CallBudget({ clock, limit: limits.own, shared }) };
};

/** Remembers how an entry went. */
function watched(entry: Promise<(() => void) | undefined>): { result: 'waits' | 'in' | 'refused'; leave: () => void } {
  const seen: { result: 'waits' | 'in' | 'refused'; leave: () => void } = { result: 'waits', leave: () => undefined };
  void entry.then((leave) => {
    seen.result = leave === undefined ? 'refused' : 'in';
    seen.leave = leave ?? seen.leave;
  });
  return seen;
}

describe('CallBudget', () => {
  it('lets a waiting call in as soon as a slot is given back', async () => {
    const { budget } = make({ own: 1, all: 10 });
    const first = watched(budget.enter());
    await settle();
    const second = watched(budget.enter());
    await settle();
    expect([first.result, second.result, budget.used]).toEqual(['in', 'waits', 1]);
    first.leave();
    await settle();
    expect([second.result, budget.used]).toEqual(['in', 1]);
  });

  it('keeps the order of those who wait, and lets nobody past them', async () => {
    const { budget } = make({ own: 1, all: 10 });
    const order: number[] = [];
    const first = await budget.enter();
    for (const n of [1, 2, 3]) {
      void budget.enter().then((leave) => {
        order.push(n);
        leave?.();
      });
    }
    first?.();
    await settle();
    expect(order).toEqual([1, 2, 3]);
  });

  it('lets a call wait for a moment only', async () => {
    const { budget, clock } = make({ own: 1, all: 10 });
    await budget.enter();
    const second = watched(budget.enter());
    await clock.advance(249);
    expect(second.result).toBe('waits');
    await clock.advance(1);
    expect(second.result).toBe('refused');
    expect(clock.pendingTimers).toBe(0);
  });

  it('refuses at once while a call has been under way for long', async () => {
    const { budget, clock } = make({ own: 1, all: 10 });
    const slow = await budget.enter();
    await clock.advance(250);
    const second = watched(budget.enter());
    await settle();
    expect(second.result).toBe('refused');
    slow?.();
    expect(await budget.enter()).toBeTypeOf('function');
  });

  it('holds all clusters together to less than all workers', async () => {
    const { budget: east, clock, shared } = make({ own: 2, all: 3 });
    const { budget: west } = make({ own: 2, all: 3, clock, shared });
    const [leave] = [await east.enter(), await east.enter(), await west.enter()];
    const fourth = watched(west.enter());
    await settle();
    expect(fourth.result).toBe('waits');
    leave?.();
    await settle();
    expect(fourth.result).toBe('in');
  });

  it('gives a slot back once, however often it is told to', async () => {
    const { budget, shared } = make({ own: 2, all: 2 });
    const leave = await budget.enter();
    leave?.();
    leave?.();
    expect(await Promise.all([budget.enter(), budget.enter()])).toEqual([expect.any(Function), expect.any(Function)]);
    expect(shared.isFull).toBe(true);
  });
});
