/** When a job runs, and when it is repeated, as a Periodic says it. */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import { convertCron } from './cronOfProw.ts';
import { knownAs, unknownField } from './fit.ts';
import { givenField, type Given } from './given.ts';
import { booleanOf, entriesOf, isNull, listOf, mapOf, numberOf, scalar, textOf, withRemarks, type Entry, type Tree } from './tree.ts';

/** How often Prow looks whether something is due, where nobody changed it. */
const tickMs = 60_000;

/** cron, interval or minimumInterval, whichever the job has; none when it is refused. */
export function scheduleOf(given: Given): Readonly<Record<string, Tree>> {
  const names = ['cron', 'interval', 'minimum_interval'].filter((name) => givenField(given, name) !== undefined);
  const [name, second] = names;
  const entry = name === undefined ? undefined : givenField(given, name);
  if (name === undefined || entry === undefined || second !== undefined) {
    const found = names.length === 0 ? 'none is set' : `set are ${names.join(', ')}`;
    const reason = `exactly one of cron, interval and minimum_interval must be set, and ${found}; Prow refuses it as well`;
    given.job.refuse(given.place, '', reason);
    return {};
  }
  if (name === 'cron') return cronOf(entry, given);
  const interval = durationOf(entry, name, given);
  if (interval === undefined) return {};
  return name === 'interval' ? { interval } : { minimumInterval: interval };
}

function cronOf({ value }: Entry, { job }: Given): Readonly<Record<string, Tree>> {
  const text = textOf(value) ?? '';
  const converted = convertCron(text);
  if (!converted.ok) {
    job.refuse(value.place, 'cron', converted.reason);
    return {};
  }
  if (converted.lost !== undefined) job.leaveOut(value.place, 'cron', converted.lost);
  const [, every] = /^@every\s+(\S+)$/.exec(converted.cron.trim()) ?? [];
  if (every !== undefined && parseDuration(every) < tickMs) job.note(value.place, 'cron', ticks(every));
  return { cron: scalar(converted.cron, value.place, value.remarks) };
}

const ticks = (text: string): string =>
  `is ${text}, and is kept to here; Prow looks once a minute and starts the job no more often than that`;

/** Undefined when it cannot be carried out: the job is refused then. */
function durationOf({ value }: Entry, field: string, { job }: Given): Tree | undefined {
  const text = textOf(value) ?? '';
  try {
    const ms = parseDuration(text);
    if (ms < 1000)
      job.refuse(value.place, field, `must be at least 1s, found ${text}; to Prow that means as often as it looks, which is 1m`);
    else if (ms < tickMs) job.note(value.place, field, ticks(text));
    return scalar(text, value.place, value.remarks);
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    job.refuse(value.place, field, `${error.message}; Prow refuses it as well`);
    return undefined;
  }
}

/** Prow repeats a job ten times at most, whatever it asks for. */
const maxRetries = 10;
const retryFields = ['attempts', 'interval', 'run_all'] as const;

export function retryOf(given: Given): Tree | undefined {
  const entry = givenField(given, 'retry');
  if (entry === undefined) return undefined;
  const { place, value } = entry;
  const { job } = given;
  const fields = retryFieldsOf(entry, given);
  const attempts = fields.get('attempts');
  const count = numberOf(attempts?.value) ?? 0;
  if (count < 1) {
    job.leaveOut(place, 'retry', 'attempts is not at least 1: Prow repeats nothing either', value);
    return undefined;
  }
  if (count > maxRetries) job.note(place, 'retry.attempts', `${count} becomes ${maxRetries}: Prow never repeats a job more often`);
  remarkOnRetry(entry, given);
  const runAll = fields.get('run_all');
  const states = booleanOf(runAll?.value) === true ? ['success', 'failure', 'error', 'aborted'] : ['failure', 'error', 'aborted'];
  const retry = mapOf(
    {
      attempts: scalar(Math.min(count, maxRetries), attempts?.place ?? place, attempts?.value.remarks),
      delay: delayOf(fields.get('interval')),
      on: withRemarks(
        listOf(
          states.map((state) => scalar(state, place)),
          place,
        ),
        runAll?.value.remarks,
      ),
    },
    place,
  );
  return withRemarks(retry, value.remarks);
}

function retryFieldsOf({ value }: Entry, { job }: Given): ReadonlyMap<string, Entry> {
  const fields = new Map<string, Entry>();
  for (const [written, field] of entriesOf(value)) {
    const name = knownAs(written, retryFields);
    if (name === undefined) job.leaveOut(field.place, `retry.${written}`, unknownField(written, retryFields), field.value);
    else if (!isNull(field.value)) fields.set(name, field);
  }
  return fields;
}

function delayOf(entry: Entry | undefined): Tree | undefined {
  const text = textOf(entry?.value) ?? '';
  return entry === undefined || text === '' ? undefined : scalar(text, entry.place, entry.value.remarks);
}

function remarkOnRetry({ place }: Entry, given: Given): void {
  const isCron = givenField(given, 'cron') !== undefined;
  const fault = isCron
    ? 'Prow looks at it only when the next slot has come'
    : 'Prow, by a fault, takes retry.interval for the interval of the job itself';
  given.job.note(place, 'retry', `is carried out as it is written; ${fault}`);
  given.job.note(place, 'retry.interval', 'becomes delay, which counts from the end of the run; Prow counts from its start');
}
