import { describe, expect, it } from 'vitest';
import { SkipStep, Steps, StepsEnded } from './steps.ts';

/** Each look at the clock takes a second. */
function steps(): { readonly steps: Steps; readonly said: string[] } {
  const said: string[] = [];
  let seconds = 0;
  return { steps: new Steps({ say: (line) => said.push(line), nowMs: () => 1000 * seconds++ }), said };
}

const fail = (message: string) => (): Promise<never> => Promise.reject(new Error(message));
const done = (note?: string) => (): Promise<string | undefined> => Promise.resolve(note);

describe('steps', () => {
  it('say what they do, how it went and how long it took', async () => {
    const { steps: list, said } = steps();
    await list.need('bring it up', done('cold'));
    expect(said).toEqual(['=== bring it up', '=== passed     1.0 s  bring it up: cold']);
  });

  it('go on after a look that failed, and count it', async () => {
    const { steps: list } = steps();
    expect(await list.look('the stories', fail('two stories failed\nthis one\nand that'))).toBe(false);
    await list.need('uninstall', done());
    expect(list.failed).toBe(true);
    expect(list.summary()).toEqual([
      'failed     1.0 s  the stories: two stories failed',
      'passed     1.0 s  uninstall',
      'in all 2 s',
      '1 passed, 1 failed',
    ]);
  });

  it('end when something failed that others build on', async () => {
    const { steps: list } = steps();
    await expect(list.need('install', fail('no'))).rejects.toThrow(StepsEnded);
    expect(list.summary().at(-1)).toBe('0 passed, 1 failed');
  });

  it('that were stopped begin no other, but undo what was done', async () => {
    const { steps: list } = steps();
    list.stop();
    await expect(list.look('the stories', done())).rejects.toThrow(StepsEnded);
    expect(await list.undo('take it down', done())).toBe(true);
    expect(list.summary().at(-1)).toBe('1 passed, 0 failed');
  });

  it('count what cannot be done here apart', async () => {
    const { steps: list } = steps();
    const skip = (): Promise<never> => Promise.reject(new SkipStep('there is no promtool'));
    expect(await list.look('alerts', skip)).toBe(true);
    expect(list.failed).toBe(false);
    expect(list.summary()).toEqual(['skipped    1.0 s  alerts: there is no promtool', 'in all 1 s', '0 passed, 0 failed, 1 skipped']);
  });
});
