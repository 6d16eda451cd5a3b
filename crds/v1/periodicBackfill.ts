/**
 * PeriodicBackfill: runs the slots of a Periodic in a range of time, each once, in order, so many at a time. It remembers how far it is, so
 * an operator that dies goes on where it was.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import { count, flag, integer, list, listMap, name, object, optional, stringEnum, text, time, type Immutable } from './schemaParts.ts';

const immutable = (field: string) => ({
  rule: `self.${field} == oldSelf.${field}`,
  message: 'cannot change after the creation; create another PeriodicBackfill instead',
  reason: 'FieldValueForbidden' as const,
  fieldPath: `.${field}`,
});

export const backfillFailurePolicies = ['Continue', 'Stop'] as const;

export const periodicBackfillSpecSchema = object(
  {
    periodic: name('Name of the Periodic, in the namespace of this object. Its schedule gives the slots, its template the runs.'),
    from: time('The first instant whose slot counts.'),
    to: time('The first instant whose slot no longer counts.'),
    parallelism: optional(integer('How many runs may be active at once. Absent: 1.', { minimum: 1, maximum: 1000 })),
    onFailure: optional(stringEnum(backfillFailurePolicies, 'What a run that ended badly means for the slots after it. Absent: Continue.')),
    includeExcluded: optional(flag('true: slots that the Periodic excludes count as well.')),
    suspend: optional(flag('true: no further run starts. Active runs go on.')),
  },
  'Which slots to run.',
  [{ rule: 'self.from < self.to', message: 'from must be before to' }, immutable('periodic'), immutable('from'), immutable('to')],
);

const activeRun = object(
  { name: name('Name of the ProwJob.'), uid: optional(text('Its UID.')), slot: time('The slot it was started for.') },
  'A run that has not ended.',
);

export const periodicBackfillStatusSchema = object(
  {
    ...statusHead,
    schedule: optional(
      object(
        { text: text('The schedule, written in one way.'), since: time('What @every counts from, backwards as well.') },
        'The schedule whose slots are run, as it was when the first of them was dealt with. When the Periodic gets another one, no further run starts.',
      ),
    ),
    cursor: optional(time('The latest slot that was started or left out.')),
    started: optional(count('How many runs were started.')),
    succeeded: optional(count('How many of them succeeded.')),
    failed: optional(count('How many of them ended otherwise.')),
    excluded: optional(count('How many slots were left out because the Periodic excludes them.')),
    remaining: optional(count('How many slots are still to be started; counted up to 10000.')),
    active: optional(listMap(activeRun, ['name'], 'Runs that have not ended.')),
    failedSlots: optional(list(time('A slot.'), 'The latest slots whose run ended badly.', { maxItems: 20 })),
    completionTime: optional(time('When the last run ended.')),
  },
  'How far it is.',
  [],
  { default: unseen },
);

export const periodicBackfillSchema = customObject<TSchema, TSchema>(
  periodicBackfillSpecSchema,
  periodicBackfillStatusSchema,
  'PeriodicBackfill runs the slots of a Periodic in a range of time.',
);

export type PeriodicBackfillSpec = Immutable<Static<typeof periodicBackfillSpecSchema>>;
export type PeriodicBackfillStatus = Immutable<Static<typeof periodicBackfillStatusSchema>>;
export type PeriodicBackfillActiveRun = Immutable<Static<typeof activeRun>>;
export type PeriodicBackfill = CustomObject<PeriodicBackfillSpec, PeriodicBackfillStatus>;
