/** Each kind of fault alone, from one seed: what it does to the operator passes when it is over. FAULT_KIND=vanish plays those so named. */
import { describe, expect, it } from 'vitest';
import { faultRun } from './faultRun.ts';
import { faultKinds, ruleOf } from './randomFaults.ts';
import { Dice } from './seeded.ts';

const wanted = faultKinds.filter(({ name }) => name.includes(process.env.FAULT_KIND ?? ''));

describe('the operator under one kind of fault', () => {
  it.each(wanted)('$name ($from)', { timeout: 120_000 }, async (kind) => {
    const phases = [[ruleOf(kind, new Dice(1))]];
    const { wrong, runs, hits, log } = await faultRun({ seed: 1, phases, comparesAnew: kind.from === 'broken' });
    expect(wrong, `FAULT_KIND='${kind.name}' vitest run e2e/faults/faultKinds.test.ts replays it\n${log}`).toEqual([]);
    expect(runs).toBeGreaterThan(5);
    expect(hits, 'the fault befell something').toBeGreaterThan(0);
  });
});
