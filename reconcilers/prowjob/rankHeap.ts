/** A binary heap of ranked entries: the one that starts first is on top. */
import { compareRank, type StartRank } from '../../operator/jobs/startOrder.ts';

export class RankHeap<T extends StartRank> {
  readonly #items: T[] = [];

  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const [top] = this.#items;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) {
      this.#items[0] = last;
      this.#down(0);
    }
    return top;
  }

  #before(a: number, b: number): boolean {
    const left = this.#items[a];
    const right = this.#items[b];
    return left !== undefined && right !== undefined && compareRank(left, right) < 0;
  }

  #swap(a: number, b: number): void {
    const left = this.#items[a];
    const right = this.#items[b];
    if (left === undefined || right === undefined) return;
    this.#items[a] = right;
    this.#items[b] = left;
  }

  #up(index: number): void {
    for (let child = index; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#before(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  #down(index: number): void {
    for (let parent = index; ;) {
      let best = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) if (this.#before(child, best)) best = child;
      if (best === parent) return;
      this.#swap(parent, best);
      parent = best;
    }
  }
}
