/**
 * What befalls the operators of a soak, one thing after the other, by chance from its seed: bad networks and answers, an API server that is
 * away or crashes, and processes that are killed, replaced or frozen. In the calm half nobody dies and the lease is left alone, so that
 * one process lives long enough to be measured.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Program } from '../demo/processes.ts';
import { isLease, type Rule } from './faults.ts';
import { faultMix } from './randomFaults.ts';
import type { Dice } from './seeded.ts';
import type { SoakStage } from './soakStage.ts';

export interface SoakFault {
  readonly name: string;
  /** How often, against the others. 0: not at all. */
  readonly weight: { readonly deadly: number; readonly calm: number };
  /** Resolves when it is over. Returns what it was, for people. */
  readonly act: (stage: SoakStage, dice: Dice, isCalm: boolean) => Promise<string>;
}

export const soakFaults: readonly SoakFault[] = [
  { name: 'bad answers and streams', weight: { deadly: 6, calm: 8 }, act: badNetwork },
  { name: 'every connection is cut', weight: { deadly: 1, calm: 2 }, act: cutAll },
  { name: 'connections are refused', weight: { deadly: 1, calm: 1 }, act: refuseAll },
  { name: 'the API server is killed', weight: { deadly: 1, calm: 0.5 }, act: crashApiServer },
  { name: 'an operator is frozen', weight: { deadly: 2, calm: 1 }, act: freeze },
  { name: 'the leader is killed', weight: { deadly: 2, calm: 0 }, act: (stage, _dice) => end(stage, 'kill', 'leader') },
  { name: 'a follower is killed', weight: { deadly: 0.5, calm: 0 }, act: (stage, _dice) => end(stage, 'kill', 'follower') },
  { name: 'the leader is replaced in order', weight: { deadly: 1, calm: 0 }, act: (stage, _dice) => end(stage, 'stop', 'leader') },
];

export const nextFault = (dice: Dice, isCalm: boolean): SoakFault =>
  dice.weighted(soakFaults.map((fault) => [fault.weight[isCalm ? 'calm' : 'deadly'], fault] as const));

const sparingLease = (rule: Rule): Rule => ({ ...rule, matches: (seen) => !isLease(seen) && (rule.matches?.(seen) ?? true) });

async function badNetwork({ proxy }: SoakStage, dice: Dice, isCalm: boolean): Promise<string> {
  const { names, rules } = faultMix(dice, ['server']);
  const ms = dice.between(2, 9) * 1000;
  proxy.inject(...(isCalm ? rules.map(sparingLease) : rules));
  await wait(ms);
  proxy.heal();
  return `${names.join(' + ')} for ${ms / 1000} s`;
}

function cutAll({ proxy }: SoakStage): Promise<string> {
  proxy.cut();
  return Promise.resolve('every connection was cut');
}

async function refuseAll({ proxy }: SoakStage, dice: Dice, isCalm: boolean): Promise<string> {
  const ms = dice.between(1, isCalm ? 3 : 14) * 1000;
  await proxy.refuse();
  await wait(ms);
  await proxy.listen();
  return `connections were refused for ${ms / 1000} s`;
}

async function crashApiServer(stage: SoakStage, dice: Dice): Promise<string> {
  const ms = dice.between(0, 2) * 1000;
  await stage.crashApiServer(ms);
  return `the API server was killed, and was started again after ${ms / 1000} s`;
}

async function freeze(stage: SoakStage, dice: Dice, isCalm: boolean): Promise<string> {
  const ms = dice.between(1, isCalm ? 3 : 20) * 1000;
  const program = (await stage.leader()) ?? dice.pick(stage.operators);
  await stage.freeze(program, ms);
  return `${program.name} was frozen for ${ms / 1000} s`;
}

async function end(stage: SoakStage, how: 'kill' | 'stop', whom: 'leader' | 'follower'): Promise<string> {
  const leader = await stage.leader();
  const program = whom === 'leader' ? leader : stage.operators.find((each) => each !== leader);
  if (program === undefined) return `there was no ${whom} to end`;
  await stage.replace(program, how);
  return `${nameOf(program, whom)} was ${how === 'kill' ? 'killed' : 'asked to end'}, and replaced`;
}

const nameOf = ({ name }: Program, whom: string): string => `${name}, the ${whom},`;
