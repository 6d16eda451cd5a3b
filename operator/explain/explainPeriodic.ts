/**
 * Why a Periodic starts no run now, and when it will: suspended, stopped, excluded, waiting, invalid, or simply not due. Pure. It reads the
 * same functions that the operator plans by, and what status says of the slots that passed.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { anchorOf } from '../jobs/periodicAnchor.ts';
import { overdueMs } from '../jobs/periodicHealth.ts';
import { exclusionAt, isSuspended, releasedFrom } from '../jobs/periodicHolds.ts';
import { parseSchedule, scheduleSeed, type Schedule } from '../jobs/schedule.ts';
import { forecast } from '../jobs/slotForecast.ts';
import { stamp, timeMs } from '../jobs/times.ts';
import { holding } from './conditions.ts';
import type { PeriodicEvidence } from './evidence.ts';
import type { Explanation, Finding, Section } from './explanation.ts';
import { missWords, skipWords, waitWords } from './slotWords.ts';
import { counted, moment, relative, sentence, someOf, span } from './words.ts';

export function explainPeriodic(seen: PeriodicEvidence): Explanation {
  const { periodic, nowMs } = seen;
  const { namespace = '', name } = periodic.metadata;
  const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(periodic.metadata) });
  const schedule = parsed.ok ? parsed.schedule : undefined;
  const problems = parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
  const finding = findingOf(seen, schedule, problems);
  return {
    kind: 'Periodic',
    namespace,
    name,
    code: finding.code,
    headline: finding.headline,
    sections: [
      { lines: finding.lines },
      slotsSection(seen, schedule),
      waitingSection(periodic, nowMs),
      idleSection('Slots that were skipped', periodic.status?.skipped, skipWords),
      idleSection('Slots that were missed', periodic.status?.missed, missWords),
      runsSection(seen),
      {
        title: 'Events',
        lines: seen.events.slice(-5).map(({ lastMs, reason, note }) => `${relative(lastMs, nowMs)}: ${reason}: ${sentence(note)}`),
      },
    ],
    actions: [...finding.actions, `Start a run now, whatever the schedule says: prow-operator run -n ${namespace} ${name}`],
    unread: seen.unread,
  };
}

function findingOf(seen: PeriodicEvidence, schedule: Schedule | undefined, problems: readonly string[]): Finding {
  const { periodic, nowMs } = seen;
  const { spec, status, metadata } = periodic;
  if (schedule === undefined) return invalid(problems);
  if (metadata.deletionTimestamp !== undefined) return simple('Deleting', 'It is being deleted; no further run starts.', [], ['Nothing.']);
  if (isSuspended(periodic, nowMs)) return suspended(seen);
  const stopped = holding(status?.conditions, 'Stopped');
  if (stopped !== undefined) return stoppedByFailures(periodic, stopped.message);
  const excluded = exclusionAt(spec, nowMs);
  if (excluded !== undefined) return inExclusion(seen, excluded.to, excluded.reason);
  const stalled = holding(status?.conditions, 'Stalled');
  if (stalled !== undefined)
    return simple(
      stalled.reason,
      'It cannot start its runs as things are.',
      [sentence(stalled.message)],
      ['Correct what the message names in spec.jobTemplate, or remove what is in the way.'],
    );
  const trouble = holding(status?.conditions, 'Reconciling');
  if (trouble !== undefined)
    return simple(
      trouble.reason,
      'A run is due and could not be created yet.',
      [sentence(trouble.message)],
      ['Wait: the operator tries again. If it lasts, put right what the message names.'],
    );
  return dueOrNot(seen, schedule);
}

const simple = (code: string, headline: string, lines: readonly string[], actions: readonly string[]): Finding => ({
  code,
  headline,
  lines,
  actions,
});

const invalid = (problems: readonly string[]): Finding =>
  simple('InvalidSchedule', 'It starts no runs: its schedule cannot be read.', problems.map(sentence), [
    'Correct the field that is named; the next slot then counts from the correction.',
  ]);

function suspended({ periodic, nowMs }: PeriodicEvidence): Finding {
  const { suspend, suspendUntil } = periodic.spec;
  const untilMs = timeMs(suspendUntil);
  const back = kubectlPatch(periodic, '{"spec":{"suspend":false}}');
  return suspend === true
    ? simple('Suspended', 'It is suspended (spec.suspend): its slots are skipped.', [], [`Let it go on: ${back}`])
    : simple(
        'SuspendedUntil',
        `It is suspended until ${moment(untilMs ?? nowMs, nowMs)} (spec.suspendUntil): slots before that are skipped.`,
        [],
        ['Wait, or take spec.suspendUntil back.'],
      );
}

const kubectlPatch = ({ metadata }: Periodic, patch: string): string =>
  `kubectl -n ${metadata.namespace ?? ''} patch periodic ${metadata.name} --type merge -p '${patch}'`;

function stoppedByFailures({ status, spec }: Periodic, message: string): Finding {
  const failures = status?.consecutiveFailures ?? 0;
  return simple(
    'Stopped',
    `It has stopped by itself: ${counted(failures, 'run')} in a row ended badly (spec.stopAfter.consecutiveFailures is ${spec.stopAfter?.consecutiveFailures ?? 0}).`,
    [sentence(message)],
    [
      'Find out why its runs fail (below), correct it, and start a run by hand: when one succeeds, the schedule goes on.',
      'Any edit of spec also lets it go on.',
    ],
  );
}

function inExclusion({ periodic, nowMs }: PeriodicEvidence, to: string, reason: string | undefined): Finding {
  const untilMs = releasedFrom(periodic.spec, nowMs) ?? timeMs(to) ?? nowMs;
  const why = reason === undefined ? '' : ` The reason given: ${sentence(reason)}`;
  return simple(
    'Excluded',
    `No slot starts a run now: this time is excluded (spec.exclusions), until ${moment(untilMs, nowMs)}.${why}`,
    [],
    ['Wait, or take the exclusion out of spec.exclusions.'],
  );
}

/** So late a slot may be before somebody should look. */
const lateMs = 30_000;

function dueOrNot(seen: PeriodicEvidence, schedule: Schedule): Finding {
  const { periodic, nowMs } = seen;
  const lateByMs = overdueMs(periodic, schedule, nowMs);
  if (lateByMs > lateMs) {
    return simple(
      'Overdue',
      `A slot has been due for ${span(lateByMs)}, and the operator has not dealt with it.`,
      [],
      ['See whether the operator works, and whether it watches this namespace: kubectl get lease -A'],
    );
  }
  const waiting = periodic.status?.waiting ?? [];
  const [first] = waiting;
  if (first !== undefined) {
    const more = waiting.length === 1 ? '' : ` ${waiting.length - 1} more wait behind it.`;
    return simple(
      first.reason,
      `The slot ${first.slot} waits: ${waitWords(first.reason, periodic)}.${more}`,
      [],
      waitActions(first.reason, activeRuns(periodic)),
    );
  }
  return notDue(seen, schedule);
}

const activeRuns = ({ status }: Periodic): readonly string[] => (status?.active ?? []).map(({ name }) => name);

function waitActions(reason: string, active: readonly string[]): readonly string[] {
  const [run] = active;
  if (reason === 'Retry' || reason === 'CatchUp') return ['Nothing: it starts by itself.'];
  return [
    'Wait: it starts by itself when a run ends.',
    ...(run === undefined ? [] : [`End the run that is in the way: prow-operator abort ${run}`]),
  ];
}

function notDue({ periodic, nowMs }: PeriodicEvidence, schedule: Schedule): Finding {
  const { status, spec } = periodic;
  const active = activeRuns(periodic);
  const forbids = active.length > 0 && (spec.concurrencyPolicy ?? 'Forbid') === 'Forbid' && schedule.kind === 'slots';
  const lastMs = timeMs(status?.lastRunTime);
  const lines = [
    lastMs === undefined ? 'It has started no run yet.' : `The latest run started ${moment(lastMs, nowMs)}.`,
    ...(active.length === 0 ? [] : [`Active now: ${active.join(', ')}.`]),
    ...(forbids ? ['While a run is active its slots are skipped (concurrencyPolicy Forbid).'] : []),
  ];
  if (schedule.kind === 'interval') return intervalNotDue(periodic, schedule, lines, nowMs);
  const nextMs = timeMs(status?.nextScheduleTimes?.[0]) ?? schedule.next(nowMs, anchorOf(periodic, schedule, nowMs));
  const headline =
    nextMs === undefined ? 'No slot comes within nine years.' : `Nothing is wrong: the next slot is ${moment(nextMs, nowMs)}.`;
  return simple(
    nextMs === undefined ? 'NoSlot' : 'NotDue',
    headline,
    lines,
    nextMs === undefined ? ['Correct the schedule.'] : ['Wait for the slot.'],
  );
}

function intervalNotDue(
  periodic: Periodic,
  schedule: Extract<Schedule, { kind: 'interval' }>,
  lines: readonly string[],
  nowMs: number,
): Finding {
  const { status } = periodic;
  const field = schedule.from === 'start' ? 'spec.interval' : 'spec.minimumInterval';
  const nextMs = timeMs(status?.nextScheduleTimes?.[0]);
  if (activeRuns(periodic).length > 0) {
    return simple('ActiveRun', `The next run starts after the one that is active (${field}).`, lines, [
      'Wait for the end of the active run.',
    ]);
  }
  return simple(
    'NotDue',
    nextMs === undefined
      ? 'The next run is not planned yet.'
      : `Nothing is wrong: the next run is due ${moment(nextMs, nowMs)} (${field}).`,
    lines,
    ['Wait for it.'],
  );
}

const shownSlots = 5;
const horizonMs = 366 * 24 * 3_600_000;

function slotsSection({ periodic, nowMs }: PeriodicEvidence, schedule: Schedule | undefined): Section {
  if (schedule?.kind !== 'slots') return { lines: [] };
  const planned = { periodic, schedule, anchor: anchorOf(periodic, schedule, nowMs) };
  const { slots } = forecast(planned, { fromMs: nowMs, toMs: nowMs + horizonMs }, shownSlots);
  const zone = periodic.spec.timeZone;
  const lines = slots.map(({ slotMs, startMs, offsetMs, notes }) => {
    const local = zone === undefined ? '' : `, ${stamp(slotMs + offsetMs).slice(11, 16)} in ${zone}`;
    const jitter = startMs === undefined || startMs === slotMs ? '' : `, starts ${span(startMs - slotMs)} later (jitter)`;
    return `${moment(slotMs, nowMs)}${local}${jitter}${notes.length === 0 ? '' : `: ${notes.join('; ')}`}`;
  });
  return { title: `Next slots of ${writtenSchedule(periodic)}`, lines };
}

const writtenSchedule = ({ spec }: Periodic): string => (spec.crons ?? [spec.cron ?? '']).map((cron) => `"${cron}"`).join(' and ');

function waitingSection(periodic: Periodic, nowMs: number): Section {
  const lines = (periodic.status?.waiting ?? []).map(({ slot, reason, attempt, notBefore }) => {
    const notBeforeMs = timeMs(notBefore);
    const repetition = attempt === undefined ? '' : `, repetition ${attempt - 1}`;
    return `${slot}${repetition}: ${waitWords(reason, periodic)}${notBeforeMs === undefined ? '' : `, not before ${moment(notBeforeMs, nowMs)}`}`;
  });
  return { title: 'Slots that wait', lines: someOf(lines) };
}

type IdleSlots = NonNullable<Periodic['status']>['skipped'];

function idleSection(title: string, slots: IdleSlots, words: (reason: string) => string): Section {
  const { count = 0, last = [] } = slots ?? {};
  if (count === 0 && last.length === 0) return { lines: [] };
  const lines = last.slice(-shownSlots).map(({ slot, reason }) => `${slot}: ${words(reason)}`);
  return { title: count > lines.length ? `${title}: ${count} in all, the latest` : title, lines };
}

function runsSection({ runs, nowMs }: PeriodicEvidence): Section {
  const newest = runs.toSorted((a, b) => createdOf(b).localeCompare(createdOf(a))).slice(0, shownSlots);
  const lines = newest.map(({ metadata, status }) => {
    const { state = 'triggered', reason, completionTime } = status ?? {};
    const endedMs = timeMs(completionTime);
    return `${metadata.name}: ${state}${reason === undefined ? '' : ` (${reason})`}${endedMs === undefined ? '' : `, ${relative(endedMs, nowMs)}`}`;
  });
  return { title: 'Latest runs', lines };
}

const createdOf = ({ metadata }: ProwJob): string => metadata.creationTimestamp ?? '';
