/**
 * Random work under random faults, from seeds: everything settles when the faults are over, nothing happened twice, nothing was lost. A seed
 * that fails is replayed by the command that it prints. FAULT_SEED=7 plays one, FAULT_SEEDS=1-300 many. On a sandbox, or on the API server
 * that E2E_KUBECONFIG names: its own nodes must not take pods meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { faultRun, type FaultRunResult } from './faultRun.ts';
import { sandboxGround } from './ground.ts';
import { realGround } from './realGround.ts';

const server = process.env.E2E_KUBECONFIG ?? '';
const isReal = server !== '';
/** In real time, so they are played at once. */
const fixed = isReal ? [1, 2, 3] : [1, 2, 3, 4, 5];
const play = isReal ? it.concurrent : it;

function seeds(): readonly number[] {
  const { FAULT_SEED: one, FAULT_SEEDS: range } = process.env;
  if (one !== undefined) return [Number(one)];
  if (range === undefined) return fixed;
  const [first = 1, last = first] = range.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

const account = (seed: number, { faults, wrong, runs, pods, log }: FaultRunResult): string =>
  [
    `seed ${seed}: ${runs} runs, ${pods} pods`,
    ...faults.map((fault, phase) => `phase ${phase + 1}: ${fault}`),
    ...wrong,
    `replay with: ${isReal ? `E2E_KUBECONFIG=${server} ` : ''}FAULT_SEED=${seed} vitest run e2e/faults/randomFaults.test.ts`,
    log,
  ].join('\n');

describe(`random work under random faults of server and network (${isReal ? 'a real API server' : 'the sandbox'})`, () => {
  play.each(seeds())('settles as it should, seed %i', { timeout: 240_000 }, async (seed) => {
    const ground = isReal ? () => realGround(server, `chance-${seed}`) : sandboxGround;
    const result = await faultRun({ seed, ground });
    expect(result.wrong, account(seed, result)).toEqual([]);
    expect(result.runs).toBeGreaterThan(10);
  });
});
