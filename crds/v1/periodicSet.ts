/**
 * PeriodicSet: a matrix of named values and one template, from which it makes one Periodic for each combination. The Periodics belong to
 * the set: what leaves the matrix is deleted, and what somebody changes by hand is changed back.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import type { PeriodicSpec } from './periodic.ts';
import { code, count, list, listMap, map, name, object, openObject, optional, text, type Immutable } from './schemaParts.ts';

/** How many Periodics one set may make. */
export const maxCombinations = 1000;

const combination = (description: string) => map(text('A value.', { maxLength: 256 }), description, { maxProperties: 20 });

const placeholders = 'Text may hold ${name} for a value of the matrix; $${ stands for a plain ${.';

export const periodicSetSpecSchema = object(
  {
    matrix: optional(
      map(
        list(text('A value.', { maxLength: 256 }), 'The values of one name.', { minItems: 1, maxItems: 200 }),
        'Names and their values. Every combination of them makes one Periodic.',
        { maxProperties: 10 },
      ),
    ),
    include: optional(
      list(
        combination('Values by name.'),
        'Further values: they are added to each combination of the matrix that they do not contradict, or else make a combination of their own.',
        { maxItems: 200 },
      ),
    ),
    exclude: optional(
      list(combination('Values by name.'), 'Combinations of the matrix that agree with all values of one of these are left out.', {
        maxItems: 200,
      }),
    ),
    template: object(
      {
        metadata: object(
          {
            name: name(`Name of each Periodic. ${placeholders}`),
            labels: optional(map(text('A value.'), 'Labels of each Periodic.')),
            annotations: optional(map(text('A value.'), 'Annotations of each Periodic.')),
          },
          'Metadata of each Periodic.',
        ),
        spec: openObject<PeriodicSpec>(
          `The spec of a Periodic. ${placeholders} A text that is one placeholder and nothing else may stand where a number or a truth value is wanted.`,
        ),
      },
      'The Periodic that each combination makes.',
    ),
  },
  'Which Periodics to make.',
  [
    {
      rule: '(has(self.matrix) && size(self.matrix) > 0) || (has(self.include) && size(self.include) > 0)',
      message: 'matrix or include must name at least one value',
    },
  ],
);

const childProblem = object(
  {
    name: text('Name of the Periodic, or the combination where it has none.'),
    reason: code([] as readonly string[], 'What is wrong.'),
    message: text('The same for a person.'),
  },
  'A Periodic that is not as the set wants it.',
);

export const periodicSetStatusSchema = object(
  {
    ...statusHead,
    desired: optional(count('How many Periodics the matrix asks for.')),
    current: optional(count('How many of them exist and are as the template says.')),
    ready: optional(count('How many of them have the condition Ready.')),
    suspended: optional(count('How many of them are suspended.')),
    problems: optional(listMap(childProblem, ['name'], 'What is wrong, at most 20 of them.', { maxItems: 20 })),
  },
  'What became of the matrix.',
  [],
  { default: unseen },
);

export const periodicSetSchema = customObject<TSchema, TSchema>(
  periodicSetSpecSchema,
  periodicSetStatusSchema,
  'PeriodicSet makes many nearly equal Periodics from one template.',
);

export type PeriodicSetSpec = Immutable<Static<typeof periodicSetSpecSchema>>;
export type PeriodicSetStatus = Immutable<Static<typeof periodicSetStatusSchema>>;
export type PeriodicSet = CustomObject<PeriodicSetSpec, PeriodicSetStatus>;
