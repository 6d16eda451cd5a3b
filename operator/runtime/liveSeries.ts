/**
 * The series of a gauge that are counted anew before each scrape. What is not shown this time goes away, so the number of series
 * follows the objects that exist. Several may share one gauge: each takes away only what it has shown itself.
 */
import type { Gauge } from 'prom-client';

type Labels<L extends string> = Readonly<Record<L, string>>;

export class LiveSeries<L extends string> {
  readonly #gauge: Gauge<L>;
  #shown: readonly Series<L>[] = [];

  constructor(gauge: Gauge<L>) {
    this.#gauge = gauge;
  }

  /** Replaces everything shown before. */
  show(tally: Tally<L>): void {
    for (const { labels } of this.#shown) if (!tally.has(labels)) this.#gauge.remove(labels);
    for (const { labels, value } of tally.series) this.#gauge.set(labels, value);
    this.#shown = tally.series;
  }
}

export interface Series<L extends string> {
  readonly labels: Labels<L>;
  readonly value: number;
}

/** One level for each label, by its value. A tree because it is walked once for each object of a cache: a text as key costs six times as much. */
interface Branch<L extends string> {
  readonly next: Map<string, Branch<L>>;
  series?: { readonly labels: Labels<L>; value: number };
}

/** Values by labels, built up before they are shown. The labels of one tally are given in the same order each time. */
export class Tally<L extends string> {
  readonly #root: Branch<L> = { next: new Map() };
  readonly #series: Series<L>[] = [];

  /** Label sets that are shown as 0 when nothing is counted under them. */
  constructor(zero: readonly Labels<L>[] = []) {
    for (const labels of zero) this.add(labels, 0);
  }

  get series(): readonly Series<L>[] {
    return this.#series;
  }

  has(labels: Labels<L>): boolean {
    let branch: Branch<L> | undefined = this.#root;
    for (const label in labels) branch = branch?.next.get(labels[label]);
    return branch?.series !== undefined;
  }

  add(labels: Labels<L>, value = 1): void {
    this.#at(labels).value += value;
  }

  /** Keeps the greatest value. */
  raise(labels: Labels<L>, value: number): void {
    const series = this.#at(labels);
    series.value = Math.max(series.value, value);
  }

  #at(labels: Labels<L>): { value: number } {
    let branch = this.#root;
    for (const label in labels) {
      const value = labels[label];
      let next = branch.next.get(value);
      if (next === undefined) branch.next.set(value, (next = { next: new Map() }));
      branch = next;
    }
    if (branch.series === undefined) {
      branch.series = { labels, value: 0 };
      this.#series.push(branch.series);
    }
    return branch.series;
  }
}
