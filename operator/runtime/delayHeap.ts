/** A binary heap of things that fall due, which can also take one out of the middle. Ties keep the order of insertion. */
export interface Due {
  dueMs: number;
  /** Set by the heap: its place, and its turn among equals. Best there from the beginning: an item that gets or loses a field is larger. */
  at: number | undefined;
  turn: number;
}

export class DelayHeap<T extends Due> {
  readonly #items: T[] = [];
  #turn = 0;

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    item.turn = this.#turn++;
    this.#items.push(item);
    item.at = this.#items.length - 1;
    this.#up(item.at);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Does nothing when the item is not in the heap. */
  remove(item: T): void {
    const at = item.at;
    if (at === undefined || this.#items[at] !== item) return;
    item.at = undefined;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#put(last, at);
    this.#up(at);
    this.#down(last.at ?? at);
  }

  clear(): void {
    for (const item of this.#items) item.at = undefined;
    this.#items.length = 0;
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < this.#items.length && this.#before(left, least)) least = left;
      if (right < this.#items.length && this.#before(right, least)) least = right;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #before(a: number, b: number): boolean {
    const left = this.#items[a];
    const right = this.#items[b];
    if (left === undefined || right === undefined) return false;
    return left.dueMs === right.dueMs ? left.turn < right.turn : left.dueMs < right.dueMs;
  }

  #swap(a: number, b: number): void {
    const left = this.#items[a];
    const right = this.#items[b];
    if (left === undefined || right === undefined) return;
    this.#put(left, b);
    this.#put(right, a);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.at = at;
  }
}
