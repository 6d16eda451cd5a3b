/**
 * Our cron language against the library behind Prow's periodics. The vectors come from the Go program beside this file. Where we
 * differ on purpose a row says so, and each row must be needed.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nextTimes, ScheduleCache, type ParsedSchedule } from '../../operator/jobs/schedule.ts';

/** What the library said of one expression. No answers: it refuses it. */
interface Vector {
  readonly cron: string;
  readonly answers: readonly Answer[];
}

interface Answer {
  readonly zone: string;
  readonly fromMs: number;
  /** The next fire times, at most ten, and none beyond a change of the zone's offset. Empty: its search found nothing. */
  readonly fires: readonly number[];
  /** It parses and then fails where Prow registers the job. */
  readonly failsLater: boolean;
}

function readAnswer(text: string): Answer {
  const [zone = '', from = '', ...words] = text.split(' ');
  const fromMs = Number(from) * 1000;
  const failsLater = words[0] === 'error';
  const steps = failsLater || words[0] === 'never' ? [] : words.flatMap(unfold);
  let atMs = fromMs;
  return { zone, fromMs, failsLater, fires: steps.map((step) => (atMs += step * 1000)) };
}

function unfold(word: string): readonly number[] {
  const [step, count = '1'] = word.split('*');
  return Array.from({ length: Number(count) }, () => Number(step));
}

const vectors: readonly Vector[] = readFileSync(new URL('vectors.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as readonly string[])
  .map(([cron = '', ...answers]) => ({ cron, answers: answers.map(readAnswer) }));

const schedules = new ScheduleCache();
const parse = (cron: string, timeZone = 'Etc/UTC'): ParsedSchedule => schedules.parse({ cron, timeZone }, 'ns/name');

/** What the library takes and we refuse, on purpose. The first row that fits counts. */
const refusedHere: readonly {
  readonly name: string;
  readonly reason: string;
  readonly fits: (vector: Vector) => boolean;
  readonly message: RegExp;
}[] = [
  {
    name: 'a time zone in the expression',
    reason: 'Prow puts TZ=UTC in front, so such a job fails at registration and takes those behind it with it',
    fits: ({ answers }) => answers.every((answer) => answer.failsLater),
    message: /column 1: a time zone does not belong into the expression; leave out ".*" and set spec.timeZone to /,
  },
  {
    name: 'a sixth field for seconds',
    reason: 'Prow looks once a minute; seconds never worked',
    fits: ({ cron }) => cron.trim().split(/\s+/).length === 6,
    message: /found 6 fields instead of 5/,
  },
  {
    name: 'an empty item in a list',
    reason: 'it is dropped in silence there, and a field of nothing else never fires',
    fits: ({ cron }) => /(?:^|[\s,]),|,(?:\s|$)/.test(cron),
    message: /a value of the .* is missing/,
  },
  {
    name: 'a range that begins with an asterisk',
    reason: 'its end is ignored there, whatever it is',
    fits: ({ cron }) => /[*?]-/.test(cron),
    message: /expected a number .*, found "[*?]"/,
  },
  {
    name: 'a plus sign before a number',
    reason: 'nobody means it',
    fits: ({ cron }) => /\+[0-9]/.test(cron) && !cron.startsWith('@'),
    message: /expected a number .*, found "\+/,
  },
  {
    name: '@every with nothing or less',
    reason: 'it becomes one second there',
    fits: ({ cron }) => /^@every (-|0s?$)/.test(cron),
    message: /the duration of @every must be positive/,
  },
  {
    name: 'an expression that never fires',
    reason: 'it is accepted there, and nothing is ever heard of it',
    fits: ({ answers }) => answers.every(({ fires }) => fires.length === 0),
    message: /column \d+: never fires/,
  },
];

const accepted = vectors.filter(({ answers }) => answers.length > 0);
const refused = vectors.filter(({ answers }) => answers.length === 0);
const rowOf = (vector: Vector): (typeof refusedHere)[number] | undefined => refusedHere.find(({ fits }) => fits(vector));
const agreed = accepted.filter((vector) => rowOf(vector) === undefined);
const answers = agreed.flatMap(({ cron, answers: all }) => all.map((answer) => ({ cron, ...answer })));
const firing = answers.filter(({ fires }) => fires.length > 0);
const givenUp = answers.filter(({ fires }) => fires.length === 0);

/** H is no part of robfig's language. */
const hashed = refused.filter(({ cron }) => /(?:^|[\s,])H/.test(cron) && parse(cron).ok);
const refusedByBoth = refused.filter((vector) => !hashed.includes(vector));

function ourFires({ cron, zone, fromMs }: Answer & { readonly cron: string }, count: number): readonly number[] {
  const parsed = parse(cron, zone);
  if (!parsed.ok) return [];
  // The library's @every counts from the instant it is asked for.
  return parsed.schedule.kind === 'slots' ? nextTimes(parsed.schedule, { sinceMs: fromMs, startsAtOnce: false }, fromMs, count) : [];
}

const utc = (ms: number): string => new Date(ms).toISOString();

describe('agreement with robfig/cron 3.0.1', () => {
  const zones = new Set(firing.map(({ zone }) => zone));

  it('has enough to compare', () => {
    expect(firing.length).toBeGreaterThan(4000);
    expect(refusedByBoth.length).toBeGreaterThan(900);
    expect(zones.size).toBeGreaterThan(10);
  });

  it(`fires at the same instants: ${firing.length} pairs of expression and instant, ${agreed.length} expressions, ${zones.size} zones`, () => {
    const differing = firing.flatMap((answer) => {
      const ours = ourFires(answer, answer.fires.length);
      if (ours.join() === answer.fires.join()) return [];
      return [{ cron: answer.cron, zone: answer.zone, from: utc(answer.fromMs), ours: ours.map(utc), robfig: answer.fires.map(utc) }];
    });
    expect(differing).toEqual([]);
  });

  it(`refuses what it refuses: ${refusedByBoth.length} expressions, each with its column`, () => {
    const differing = refusedByBoth.filter(({ cron }) => {
      const parsed = parse(cron);
      return parsed.ok || !parsed.problems.every(({ message }) => /: column [0-9]+: ./s.test(message));
    });
    expect(differing.map(({ cron }) => cron)).toEqual([]);
  });

  it.each(refusedHere.map((row) => ({ ...row, found: accepted.filter((vector) => rowOf(vector) === row) })))(
    'differs on purpose: $name ($reason; $found.length expressions)',
    ({ found, message }) => {
      expect(found).not.toEqual([]);
      for (const { cron } of found) {
        const parsed = parse(cron);
        expect(parsed, cron).toMatchObject({
          ok: false,
          problems: [{ path: 'spec.cron', message: expect.stringMatching(message) as string }],
        });
      }
    },
  );

  it(`differs on purpose: H is taken here (${hashed.length} expressions)`, () => {
    expect(hashed.length).toBeGreaterThan(2);
  });

  it(`differs on purpose: it gives up after five years, we look on (${givenUp.length} pairs)`, () => {
    expect(givenUp).not.toEqual([]);
    for (const answer of givenUp) {
      const [slot = 0] = ourFires(answer, 1);
      expect(new Date(slot).getUTCFullYear(), answer.cron).toBeGreaterThan(new Date(answer.fromMs).getUTCFullYear() + 5);
    }
  });
});
