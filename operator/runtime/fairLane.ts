/**
 * First in, first out inside a tenant; round robin between tenants. With n tenants waiting, each is served at least once in
 * n picks, however much the others have queued. All operations are O(1) amortised.
 */

/** A place in the lane. Turning `live` off takes it out; whoever does so tells the lane through `cancel`. */
export interface Slot<V> {
  readonly tenant: string;
  readonly value: V;
  live: boolean;
}

interface Tenant<V> {
  readonly name: string;
  readonly slots: Fifo<Slot<V>>;
  live: number;
}

export class FairLane<V> {
  readonly #tenants = new Map<string, Tenant<V>>();
  readonly #ring = new Fifo<Tenant<V>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(tenantName: string, value: V): Slot<V> {
    let tenant = this.#tenants.get(tenantName);
    if (tenant === undefined) {
      tenant = { name: tenantName, slots: new Fifo(), live: 0 };
      this.#tenants.set(tenantName, tenant);
      this.#ring.push(tenant);
    }
    const slot: Slot<V> = { tenant: tenantName, value, live: true };
    tenant.slots.push(slot);
    tenant.live++;
    this.#size++;
    return slot;
  }

  /** Takes a slot out of the middle; it is skipped when its turn comes. */
  cancel(slot: Slot<V>): void {
    if (!slot.live) return;
    slot.live = false;
    this.#size--;
    const tenant = this.#tenants.get(slot.tenant);
    if (tenant !== undefined) tenant.live--;
  }

  shift(): V | undefined {
    for (let tenant = this.#ring.shift(); tenant !== undefined; tenant = this.#ring.shift()) {
      const slot = takeLive(tenant);
      if (tenant.live > 0) this.#ring.push(tenant);
      else this.#tenants.delete(tenant.name);
      if (slot === undefined) continue;
      this.#size--;
      return slot.value;
    }
    return undefined;
  }
}

function takeLive<V>(tenant: Tenant<V>): Slot<V> | undefined {
  for (let slot = tenant.slots.shift(); slot !== undefined; slot = tenant.slots.shift()) {
    if (!slot.live) continue;
    slot.live = false;
    tenant.live--;
    return slot;
  }
  return undefined;
}

/** An array with a moving head: Array.shift is linear, and deleting from the front of a Map is no better. */
class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
