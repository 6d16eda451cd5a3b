/**
 * Periodic: a schedule that starts runs. Every slot of it ends in exactly one of started, skipped or missed, and status says which.
 * Nothing is ever written to spec, so a Git tool sees no drift.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import { templateFields } from './prowJob.ts';
import {
  code,
  count,
  duration,
  flag,
  integer,
  list,
  listMap,
  map,
  name,
  object,
  optional,
  quoteOn,
  stringEnum,
  terse,
  text,
  time,
  type Immutable,
} from './schemaParts.ts';

export const concurrencyPolicies = ['Allow', 'Forbid', 'Replace', 'Queue'] as const;
export type ConcurrencyPolicy = (typeof concurrencyPolicies)[number];

export const missedRunPolicies = ['Skip', 'Latest', 'All'] as const;
export type MissedRunPolicy = (typeof missedRunPolicies)[number];

const cronExpression = (description: string) => text(description, { minLength: 1, maxLength: 256 });

const jobTemplate = object(
  {
    metadata: optional(
      object(
        {
          labels: optional(map(text('A value.'), 'Labels of each run.')),
          annotations: optional(map(text('A value.'), 'Annotations of each run.')),
        },
        'Metadata of each run.',
      ),
    ),
    spec: object(
      {
        type: optional(stringEnum(['periodic'], 'Always periodic.')),
        job: optional(name('Name of the job. Absent: the name of the Periodic.', 1024)),
        ...terse(templateFields),
      },
      'What each run does: the spec of a ProwJob, where every field is explained.',
    ),
  },
  'The run that each slot starts.',
);

const exclusion = object(
  {
    from: time('First instant left out.'),
    to: time('First instant no longer left out.'),
    reason: optional(text('Why.', { maxLength: 256 })),
  },
  'A span of time in which no slot starts a run.',
  [{ rule: 'self.from < self.to', message: 'from must be before to' }],
);

export const periodicSpecSchema = object(
  {
    cron: optional(
      cronExpression(
        'When to run: five cron fields, or @hourly … @yearly, or @every 10m. H in a field is a value picked by namespace and name.',
      ),
    ),
    crons: optional(
      list(cronExpression('As cron.'), 'Several cron expressions; a slot that two of them name is one slot.', {
        minItems: 1,
        maxItems: 20,
      }),
    ),
    interval: optional(duration('Run again so long after the start of the previous run.')),
    minimumInterval: optional(duration('Run again so long after the end of the previous run.')),
    timeZone: optional(text('IANA time zone of the cron expressions. Absent: Etc/UTC.', { minLength: 1, maxLength: 64 })),
    dst: optional(
      object(
        {
          gap: optional(
            stringEnum(['Shift', 'Skip'], 'A slot in the hour that does not exist: moved behind the gap, or left out. Absent: Shift.'),
          ),
          overlap: optional(stringEnum(['First', 'Second', 'Both'], 'A slot in the hour that exists twice. Absent: First.')),
        },
        'What happens when the clocks change.',
      ),
    ),
    jitter: optional(duration('Each slot starts up to so much later, by an amount that depends only on the object and the slot.')),
    concurrencyPolicy: optional(
      stringEnum(
        concurrencyPolicies,
        'What to do with a slot while an earlier run is active: start it too, skip it, replace the earlier run, or wait. Absent: Forbid.',
      ),
    ),
    maxConcurrency: optional(integer('How many runs may be active at once, with Allow and Queue.', { minimum: 1 })),
    maxQueued: optional(
      integer('With Queue: so many slots may wait; one that finds the queue full is missed. Absent: 100.', { minimum: 1, maximum: 1000 }),
    ),
    startingDeadline: optional(duration('A slot that could not start within so much is missed.')),
    missedRuns: optional(
      object(
        {
          policy: optional(
            stringEnum(missedRunPolicies, 'Start none of the missed slots, the latest, or all within limit. Absent: Latest.'),
          ),
          limit: optional(integer('With All: at most so many.', { minimum: 1, maximum: 1000 })),
          maxAge: optional(duration('Older slots are not made up for.')),
          spacing: optional(duration('Time between runs that are made up for.')),
        },
        'What to do with slots that fell into a time when the operator was down.',
      ),
    ),
    exclusions: optional(list(exclusion, 'Times in which no slot starts a run.', { maxItems: 100 })),
    suspend: optional(flag('true: slots are skipped. Active runs go on.')),
    suspendUntil: optional(time('Slots before this instant are skipped.')),
    stopAfter: optional(
      object(
        {
          consecutiveFailures: integer('So many failed runs in a row stop the schedule, until a run succeeds or spec is edited.', {
            minimum: 1,
          }),
        },
        'When to stop by itself.',
      ),
    ),
    retry: optional(
      object(
        {
          attempts: integer('How many further runs a slot may have.', { minimum: 1, maximum: 100 }),
          delay: optional(duration('Time between the end of a run and its repetition.')),
          on: optional(
            list(
              stringEnum(['success', 'failure', 'error', 'aborted'], 'A state.'),
              `States that are repeated. Absent: failure and error. ${quoteOn}`,
              {
                maxItems: 4,
                'x-kubernetes-list-type': 'set',
              },
            ),
          ),
        },
        'Repetition of runs that ended badly.',
      ),
    ),
    history: optional(
      object(
        {
          successful: optional(count('How many successful runs to keep.')),
          failed: optional(count('How many others to keep.')),
          ttl: optional(duration('How long to keep finished runs.')),
          keepLatest: optional(flag('Keep the latest run whatever its age. Absent: true.')),
        },
        'Which finished runs to keep.',
      ),
    ),
    jobTemplate,
  },
  'When to run what.',
  [
    {
      rule: '[has(self.cron), has(self.crons), has(self.interval), has(self.minimumInterval)].filter(given, given).size() == 1',
      message: 'exactly one of cron, crons, interval and minimumInterval must be set',
    },
    {
      rule: "!has(self.maxConcurrency) || (has(self.concurrencyPolicy) && self.concurrencyPolicy in ['Allow', 'Queue'])",
      message: 'maxConcurrency needs concurrencyPolicy Allow or Queue',
      fieldPath: '.maxConcurrency',
    },
    {
      rule: "!has(self.maxQueued) || (has(self.concurrencyPolicy) && self.concurrencyPolicy == 'Queue')",
      message: 'maxQueued needs concurrencyPolicy Queue',
      fieldPath: '.maxQueued',
    },
  ],
);

const activeRun = object(
  {
    name: name('Name of the ProwJob.'),
    uid: optional(text('Its UID.')),
    slot: optional(time('The slot it was started for. Absent: started by hand.')),
  },
  'A run that has not ended.',
);

const idleSlot = object(
  { slot: time('The slot.'), reason: code([] as readonly string[], 'Why it started no run.') },
  'A slot that started no run.',
);

const idleSlots = (description: string) =>
  object(
    {
      count: optional(integer('How many, in all.', { minimum: 0, format: 'int64' })),
      last: optional(list(idleSlot, 'The latest of them.', { maxItems: 10 })),
    },
    description,
  );

/** Why a slot has not started yet although its time has come. */
export const slotWaitReasons = ['Queued', 'Replacing', 'CatchUp', 'Retry'] as const;
export type SlotWaitReason = (typeof slotWaitReasons)[number];

const waitingSlot = object(
  {
    slot: time('The slot.'),
    attempt: optional(integer('2 for the first repetition of a run that ended badly. Absent: 1.', { minimum: 2 })),
    reason: code(slotWaitReasons, 'What it waits for: a place (Queued, Replacing), or its turn (CatchUp, Retry).'),
    notBefore: optional(time('It does not start before this instant.')),
  },
  'A slot that is accepted and has not started.',
);

export const periodicStatusSchema = object(
  {
    ...statusHead,
    schedule: optional(
      object(
        { text: text('The schedule, written in one way.'), since: time('Slots after this instant count.') },
        'The schedule in force. A change of spec starts a new one, so that no slot of the past comes due by an edit.',
      ),
    ),
    lastScheduleTime: optional(time('The latest slot that was dealt with: started, skipped or missed.')),
    lastStartedSlot: optional(time('The latest slot that started a run.')),
    lastRunTime: optional(time('When the latest run was started. A repetition does not count.')),
    lastCompletionTime: optional(time('When the latest run ended.')),
    lastSuccessfulTime: optional(time('When the latest successful run ended.')),
    nextScheduleTimes: optional(list(time('A slot.'), 'The next slots.', { maxItems: 5 })),
    active: optional(listMap(activeRun, ['name'], 'Runs that have not ended.')),
    waiting: optional(
      list(waitingSlot, 'Slots that are accepted and have not started, in the order in which they will.', { maxItems: 3000 }),
    ),
    skipped: optional(idleSlots('Slots that started no run because spec or an earlier run said so.')),
    missed: optional(idleSlots('Slots that should have started a run and did not.')),
    consecutiveFailures: optional(count('How many of the latest runs ended badly in a row.')),
    lastRunNowToken: optional(text('The latest token of the annotation prow.k8s.io/run-now that started a run.')),
  },
  'What became of the slots.',
  [],
  { default: unseen },
);

export const periodicSchema = customObject<TSchema, TSchema>(
  periodicSpecSchema,
  periodicStatusSchema,
  'Periodic starts runs of one job on a schedule.',
);

export type PeriodicSpec = Immutable<Static<typeof periodicSpecSchema>>;
export type PeriodicStatus = Immutable<Static<typeof periodicStatusSchema>>;
export type PeriodicJobTemplate = PeriodicSpec['jobTemplate'];
export type PeriodicExclusion = Immutable<Static<typeof exclusion>>;
export type PeriodicActiveRun = Immutable<Static<typeof activeRun>>;
export type PeriodicIdleSlot = Immutable<Static<typeof idleSlot>>;
export type PeriodicWaitingSlot = Immutable<Static<typeof waitingSlot>>;
export type Periodic = CustomObject<PeriodicSpec, PeriodicStatus>;
