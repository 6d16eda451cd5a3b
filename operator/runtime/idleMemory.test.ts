import { describe, expect, it } from 'vitest';
import { FakeClock } from './testing/fakeClock.ts';
import { giveBackWhenIdle, quietMs, quietShare, thisProcess, worthwhileBytes, type MemoryUser } from './idleMemory.ts';

/** A process with so much that is needed, and so much garbage. */
class FakeProcess implements MemoryUser {
  keptBytes = 100e6;
  garbageBytes = 200e6;
  busy = 0;
  collections = 0;

  residentBytes(): number {
    return this.keptBytes + this.garbageBytes;
  }

  busyShare(): number {
    return this.busy;
  }

  collect(): void {
    this.collections += 1;
    this.garbageBytes = 0;
  }
}

function setUp(): { readonly clock: FakeClock; readonly vm: FakeProcess; readonly stop: AbortController; readonly done: Promise<void> } {
  const [clock, vm, stop] = [new FakeClock(), new FakeProcess(), new AbortController()];
  return { clock, vm, stop, done: giveBackWhenIdle({ clock, vm }, stop.signal) };
}

describe('memory of a process that has nothing to do', () => {
  it('is given back after a quiet spell, once', async () => {
    const { clock, vm } = setUp();
    await clock.advance(quietMs - 1);
    expect(vm.collections).toBe(0);
    await clock.advance(1);
    expect(vm.collections).toBe(1);
    await clock.advance(100 * quietMs);
    expect(vm.collections).toBe(1);
  });

  it('is left alone while there is work', async () => {
    const { clock, vm } = setUp();
    vm.busy = 2 * quietShare;
    await clock.advance(10 * quietMs);
    expect(vm.collections).toBe(0);
    vm.busy = quietShare / 2;
    await clock.advance(quietMs);
    expect(vm.collections).toBe(1);
  });

  it('is given back again when there is enough of it', async () => {
    const { clock, vm } = setUp();
    await clock.advance(quietMs);
    vm.garbageBytes = worthwhileBytes - 1;
    await clock.advance(quietMs);
    expect(vm.collections).toBe(1);
    vm.garbageBytes = worthwhileBytes;
    await clock.advance(quietMs);
    expect(vm.collections).toBe(2);
  });

  it('is not looked at any more after the end', async () => {
    const { clock, vm, stop, done } = setUp();
    stop.abort();
    await done;
    await clock.advance(10 * quietMs);
    expect(vm.collections).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('this process', () => {
  it('collects everything that nothing reaches', async () => {
    const vm = thisProcess();
    const garbage = new WeakRef({ text: 'garbage' });
    // A reference that was just made is kept until the turn of the event loop is over.
    await new Promise((resolve) => setImmediate(resolve));
    vm.collect();
    expect(garbage.deref()).toBeUndefined();
    expect(vm.residentBytes()).toBeGreaterThan(10_000_000);
    expect(vm.busyShare()).toBeGreaterThan(0);
  });
});
