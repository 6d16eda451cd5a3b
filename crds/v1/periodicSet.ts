/**
 * PeriodicSet: a matrix of named values and one template, from which it makes one Periodic for each combination. The Periodics belong to
 * the set: what leaves the matrix is deleted, and what somebody changes by hand is changed back.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import type { PeriodicSpec } from './periodic.ts';
import { code, count, list, listMap, map, object, openObject, optional, text, type Immutable } from './schemaParts.ts';

/** How many Periodics one set may make. */
export const maxCombinations = 1000;

const nameRule = {
  rule: "self.all(name, name.matches('^[A-Za-z][A-Za-z0-9_-]{0,62}$'))",
  message: 'a name begins with a letter, has only letters, digits, _ and - after it, and at most 63 characters',
};

const combination = (description: string) =>
  map(text('A value.', { maxLength: 256 }), description, { minProperties: 1, maxProperties: 20, 'x-kubernetes-validations': [nameRule] });

const placeholders = 'Text may hold ${name} for a value of the matrix; $${ stands for a plain ${.';

const placeholder = '\\$\\{[A-Za-z][A-Za-z0-9_-]*\\}';
const namePattern = `^([a-z0-9.-]|${placeholder})+$`;
const labelPattern = `^([A-Za-z0-9._-]|${placeholder})*$`;
/** Any text in which each ${ begins a placeholder or follows a further $. */
const annotationPattern = `^([^$]|\\$\\$+\\{|\\$+[^\\x24{]|${placeholder})*\\$*$`;

/**
 * That each placeholder of a text is a name of the matrix or of an include. The API server limits what a rule may cost, beforehand by the
 * bounds of the schema and again when it runs. So a rule looks at the first eight placeholders of a text only, and not at texts with a
 * plain ${; the operator looks at all of them. The } in front makes the text before the first placeholder the empty name.
 */
const known = (textExpression: string): string =>
  `('}' + ${textExpression}).split('\${', 9).map(part, part.split('}', 2)[0]).all(name, name == '' || ` +
  '(has(self.matrix) && name in self.matrix) || (has(self.include) && self.include.exists(values, name in values)))';

const unknownPlaceholder = 'holds a placeholder that is no name of matrix or include';

export const periodicSetSpecSchema = object(
  {
    matrix: optional(
      map(
        list(text('A value.', { maxLength: 256 }), 'The values of one name, each once.', {
          minItems: 1,
          maxItems: 200,
          'x-kubernetes-list-type': 'set',
        }),
        `Names and their values. Every combination of them makes one Periodic; at most ${maxCombinations} in all.`,
        { maxProperties: 10, 'x-kubernetes-validations': [nameRule] },
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
            name: text(`Name of each Periodic, such as e2e-\${region}. No two combinations may come to the same name.`, {
              minLength: 1,
              maxLength: 253,
              pattern: namePattern,
            }),
            labels: optional(
              map(text('A value, which may hold placeholders.', { maxLength: 256, pattern: labelPattern }), 'Labels of each Periodic.', {
                maxProperties: 32,
              }),
            ),
            annotations: optional(
              map(
                text('A value, which may hold placeholders.', { maxLength: 4096, pattern: annotationPattern }),
                'Annotations of each Periodic. What others annotate beside them is left alone.',
                { maxProperties: 32 },
              ),
            ),
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
    { rule: known('self.template.metadata.name'), message: unknownPlaceholder, fieldPath: '.template.metadata.name' },
    {
      rule: `!has(self.template.metadata.labels) || self.template.metadata.labels.all(key, ${known('self.template.metadata.labels[key]')})`,
      message: unknownPlaceholder,
      fieldPath: '.template.metadata.labels',
    },
    {
      rule:
        '!has(self.template.metadata.annotations) || self.template.metadata.annotations.all(key, ' +
        `self.template.metadata.annotations[key].contains('$\${') || ${known('self.template.metadata.annotations[key]')})`,
      message: unknownPlaceholder,
      fieldPath: '.template.metadata.annotations',
    },
  ],
);

const childProblem = object(
  {
    name: text('Name of the Periodic, or the field of spec that is to blame.'),
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
