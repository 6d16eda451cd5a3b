import { expect, it } from 'vitest';
import { SlotComparer, type ProwSchedule } from './compareSlots.ts';

const dayMs = 86_400_000;
const fromMs = Date.UTC(2026, 2, 20);
const span = { fromMs, untilMs: fromMs + 30 * dayMs };

interface Row {
  readonly prow: ProwSchedule;
  /** Fields of spec of the manifest. */
  readonly manifest: string;
  readonly slots?: number;
  readonly difference?: RegExp;
}

const rows: readonly Row[] = [
  { prow: { cron: '30 2 * * *' }, manifest: 'cron: 30 2 * * *', slots: 30 },
  { prow: { cron: '30 2 * * *' }, manifest: 'crons: ["30 2 * * *"]', slots: 30 },
  { prow: { cron: '0 30 2 * * *' }, manifest: 'cron: 30 2 * * *', slots: 30 },
  { prow: { cron: '@daily' }, manifest: 'cron: 0 0 * * *', slots: 30 },
  { prow: { cron: '@every 12h' }, manifest: 'cron: "@every 720m"', slots: 61 },
  {
    prow: { cron: '30 2 * * *' },
    manifest: 'cron: 30 3 * * *',
    slots: 30,
    difference: /^slot 1 is 2026-03-20T02:30:00Z in Prow and 2026-03-20T03:30:00Z/,
  },
  {
    prow: { cron: '30 2 * * *' },
    manifest: 'cron: 30 2 * * *, timeZone: Europe/Zurich',
    slots: 30,
    difference: /slot 1 is .* and 2026-03-20T01:30:00Z/,
  },
  {
    prow: { cron: '30 2 * * *' },
    manifest: 'crons: ["30 2 * * *", "0 0 18 4 *"]',
    slots: 30,
    difference: /^slot 30 is 2026-04-18T02:30:00Z in Prow and 2026-04-18T00:00:00Z/,
  },
  { prow: { cron: '@every 12h' }, manifest: 'cron: "@every 11h"', slots: 61, difference: /^slot 2 / },
  { prow: { cron: '@every 12h' }, manifest: 'interval: 12h', difference: /has an interval/ },
  { prow: { interval: '6h' }, manifest: 'interval: 360m' },
  { prow: { interval: '6h' }, manifest: 'interval: 5h', difference: /21600000 ms from the start/ },
  { prow: { interval: '6h' }, manifest: 'minimumInterval: 6h', difference: /from the start/ },
  { prow: { minimumInterval: '6h' }, manifest: 'minimumInterval: 6h' },
  { prow: { minimumInterval: '6h' }, manifest: 'cron: 0 */6 * * *', difference: /from the end/ },
  { prow: { cron: '@daily' }, manifest: 'cron: nonsense', difference: /spec.cron/ },
];

it.each(rows)('$prow and $manifest', ({ prow, manifest, slots = 0, difference }) => {
  const comparer = new SlotComparer(span);
  const text = `kind: Periodic\nmetadata: {name: a}\nspec: {${manifest}}\n`.replace(/cron: ([^",}]+)/, 'cron: "$1"');
  // Twice: the second answer comes from what was kept.
  for (const found of [comparer.compare(prow, text), comparer.compare(prow, text)]) {
    expect(found.slots).toBe(slots);
    if (difference === undefined) expect(found.difference).toBeUndefined();
    else expect(found.difference).toMatch(difference);
  }
});

it('says so when the manifest cannot be read', () => {
  expect(new SlotComparer(span).compare({ cron: '@daily' }, '[').difference).toBe('the manifest cannot be read');
});
