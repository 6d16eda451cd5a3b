/**
 * A cron expression of Prow as a Periodic's. The language is the same but for three things: Prow knows seconds, though it looks only once a
 * minute; it does not know H; and it takes a time zone only to stumble over it later.
 */
import { parseSchedule } from '../jobs/schedule.ts';

export type ConvertedCron =
  | { readonly ok: true; readonly cron: string; /** What is lost with the field of seconds. */ readonly lost?: string }
  | { readonly ok: false; readonly reason: string };

const cronFieldCount = 5;
const refused = (reason: string): ConvertedCron => ({ ok: false, reason });

export function convertCron(expression: string): ConvertedCron {
  const words = expression.trim().split(/\s+/);
  const [first = ''] = words;
  if (/^(CRON_)?TZ=/.test(first)) {
    return refused(
      'Prow schedules in UTC only and never starts a job with a time zone; take it out, and set spec.timeZone in the manifest if you mean it',
    );
  }
  if (words.some((word) => word.split(',').some((part) => /^[hH](\(|\/|$)/.test(part)))) {
    return refused('H is no word of cron in Prow, which refuses it; here it means a value picked by the name, so write down what you mean');
  }
  const hasSeconds = words.length === cronFieldCount + 1 && !first.startsWith('@');
  const cron = hasSeconds ? words.slice(1).join(' ') : expression;
  const problems = [...problemsOf(cron), ...(hasSeconds ? problemsOf(`${first} * * * *`) : [])];
  if (problems.length > 0) return refused(problems.join('; '));
  if (!hasSeconds || /^0+$/.test(first)) return { ok: true, cron };
  const lost = `the seconds (${first}) are left out: slots are whole minutes, and Prow itself looks once a minute`;
  return { ok: true, cron, lost };
}

function problemsOf(cron: string): readonly string[] {
  const parsed = parseSchedule({ cron });
  return parsed.ok ? [] : parsed.problems.map(({ message }) => message);
}
