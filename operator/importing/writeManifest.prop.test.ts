/** Whatever a value is, readers of YAML 1.1 and 1.2 read it back as it was; a comment never becomes part of a value. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { treeOf, type Place, type Remarks, type Tree } from './tree.ts';
import { writeManifest } from './writeManifest.ts';

const place: Place = { file: 'f', line: 1, column: 1 };

const words = fc.constantFrom(
  ...[
    'yes',
    'no',
    'on',
    'off',
    'y',
    'n',
    'null',
    '~',
    '',
    '<<',
    '=',
    '0777',
    '0o17',
    '0x1f',
    '1_000',
    '1e3',
    '.5',
    '1:30',
    '2020-01-01',
    '.inf',
  ],
  ...[
    'a: b',
    '- a',
    '# a',
    'a #b',
    ' a',
    'a ',
    '\ta',
    'a\n',
    '\n',
    'a\n\n',
    '\n\ta\n',
    '@a',
    '%a',
    '!a',
    '&a',
    '*a',
    '|',
    '>',
    '{',
    '[',
    "'",
    '"',
    '---',
    '...',
  ],
);
const texts = fc.oneof(
  words,
  fc.string(),
  fc.array(fc.oneof(words, fc.string()), { maxLength: 4 }).map((lines) => lines.join('\n')),
);
const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    texts,
    fc.boolean(),
    fc.integer(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(texts, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

const lines = fc.array(
  fc.string().map((line) => ` ${line.replace(/[\r\n\u0085\u2028\u2029]/g, '')}`.trimEnd()),
  { maxLength: 2 },
);
const remarks = fc.record({ before: lines, beside: lines, after: lines });

function explained(tree: Tree, next: () => Tree['remarks']): Tree {
  const own = next();
  const head = own === undefined ? {} : { remarks: own };
  if (tree.kind === 'list') return { ...tree, ...head, items: tree.items.map((item) => explained(item, next)) };
  if (tree.kind === 'scalar') return { ...tree, ...head };
  const entries = [...tree.entries].map(([key, entry]) => [key, { ...entry, value: explained(entry.value, next) }] as const);
  return { ...tree, ...head, entries: new Map(entries) };
}

const parse = (text: string, version: '1.1' | '1.2'): unknown => {
  const documents = parseAllDocuments(text, { version, merge: false });
  expect(documents).toHaveLength(1);
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  return documents[0]?.toJS();
};

it('reads back what was written', () => {
  fc.assert(
    fc.property(
      fc.dictionary(texts, values, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      fc.infiniteStream(remarks),
      lines,
      (value, stream, heading) => {
        const tree = explained(treeOf(value, undefined, place), () => stream.next().value as Remarks);
        const text = writeManifest(tree, heading);
        expect(parse(text, '1.2')).toEqual(value);
        expect(parse(text, '1.1')).toEqual(value);
      },
    ),
    { numRuns: 500 },
  );
});
