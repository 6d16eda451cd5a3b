/**
 * Each kind of fault alone, from one seed: what it does to the operator passes when it is over. FAULT_KIND=vanish plays those so named. On a
 * sandbox, or on the API server that E2E_KUBECONFIG names: its own nodes must not take pods meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { faultRun } from './faultRun.ts';
import { sandboxGround } from './ground.ts';
import { faultKinds, ruleOf } from './randomFaults.ts';
import { realGround } from './realGround.ts';
import { Dice } from './seeded.ts';

const server = process.env.E2E_KUBECONFIG ?? '';
const isReal = server !== '';
/** Real time is shared. */
const play = isReal ? it.concurrent : it;

const wanted = faultKinds.filter(({ name }) => name.includes(process.env.FAULT_KIND ?? ''));

describe('the operator under one kind of fault', () => {
  play.each(wanted)('$name ($from)', { timeout: 240_000 }, async (kind) => {
    const ground = isReal ? () => realGround(server, `kind-${faultKinds.indexOf(kind)}`) : sandboxGround;
    const rules = [ruleOf(kind, new Dice(1))];
    // The operator seldom reads. Which reads are hit follows from their paths, which hold the namespace there.
    const phases = isReal && kind.target === 'read' ? [rules, rules] : [rules];
    const { wrong, runs, hits, log } = await faultRun({ seed: 1, ground, phases, comparesAnew: kind.from === 'broken' });
    expect(wrong, `FAULT_KIND='${kind.name}' vitest run e2e/faults/faultKinds.test.ts replays it\n${log}`).toEqual([]);
    expect(runs).toBeGreaterThan(5);
    expect(hits, 'the fault befell something').toBeGreaterThan(0);
  });
});
