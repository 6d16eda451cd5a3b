/**
 * The series of a gauge that are counted anew before each scrape. What is not shown this time goes away, so the number of series
 * follows the objects that exist. Several may share one gauge: each takes away only what it has shown itself.
 */
import type { Gauge } from 'prom-client';

export class LiveSeries<L extends string> {
  readonly #gauge: Gauge<L>;
  #shown = new Map<string, Readonly<Record<L, string>>>();

  constructor(gauge: Gauge<L>) {
    this.#gauge = gauge;
  }

  /** Replaces everything shown before. */
  show(tally: Tally<L>): void {
    const now = new Map<string, Readonly<Record<L, string>>>();
    for (const [key, { labels, value }] of tally.series) {
      this.#gauge.set(labels, value);
      now.set(key, labels);
    }
    for (const [key, labels] of this.#shown) if (!now.has(key)) this.#gauge.remove(labels);
    this.#shown = now;
  }
}

interface Series<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  value: number;
}

/** Values by labels, built up before they are shown. */
export class Tally<L extends string> {
  readonly series = new Map<string, Series<L>>();

  /** Label sets that are shown as 0 when nothing is counted under them. */
  constructor(zero: readonly Readonly<Record<L, string>>[] = []) {
    for (const labels of zero) this.add(labels, 0);
  }

  add(labels: Readonly<Record<L, string>>, value = 1): void {
    this.#at(labels).value += value;
  }

  /** Keeps the greatest value. */
  raise(labels: Readonly<Record<L, string>>, value: number): void {
    const series = this.#at(labels);
    series.value = Math.max(series.value, value);
  }

  #at(labels: Readonly<Record<L, string>>): Series<L> {
    const key = JSON.stringify(Object.values(labels));
    let series = this.series.get(key);
    if (series === undefined) this.series.set(key, (series = { labels, value: 0 }));
    return series;
  }
}
