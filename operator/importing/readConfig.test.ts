/** Files as Prow reads them; the values of anchors, merges and repeated keys come from sigs.k8s.io/yaml v1.4.0. */
import { describe, expect, it } from 'vitest';
import { readConfig, type ReadConfig } from './readConfig.ts';
import { child, entriesOf, itemsOf, toJson, type Remarks, type Tree } from './tree.ts';

const read = (text: string): ReadConfig => readConfig({ file: 'jobs.yaml', text });
const jsonOf = ({ root }: ReadConfig): unknown => (root === undefined ? undefined : toJson(root));

interface Row {
  readonly name: string;
  readonly text: string;
  readonly json: unknown;
  /** line:column kind path of each remark. */
  readonly remarks?: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'nothing', text: '', json: undefined },
  { name: 'comments only', text: '# nothing here\n', json: undefined },
  { name: 'quoted words stay text', text: 'a: "yes"\nb: \'5\'\nc: !!str 5\nd: |\n  7\n', json: { a: 'yes', b: '5', c: '5', d: '7\n' } },
  { name: 'a bare word as a key', text: 'on: 1\n5: 2\n', json: { true: 1, 5: 2 } },
  { name: 'null is nothing', text: 'a: ~\nb:\nc: 1\n', json: { c: 1 } },
  { name: 'aliases', text: 'a: &x [1, {b: 2}]\nc: *x\n', json: { a: [1, { b: 2 }], c: [1, { b: 2 }] } },
  { name: 'a merge', text: 'a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n', json: { a: { k: 1, l: 2 }, b: { k: 3, l: 2 } } },
  {
    name: 'a merge below a key wins over it',
    text: 'a: &x {k: base, z: 1}\nb:\n  k: own\n  <<: *x\n',
    json: { a: { k: 'base', z: 1 }, b: { k: 'base', z: 1 } },
    remarks: ['3:3 note b.k'],
  },
  {
    name: 'the first of several merged maps wins',
    text: 'a: &x {k: a, z: 1}\nb: &y {k: b, w: 2}\nc:\n  <<: [*x, *y]\n',
    json: { a: { k: 'a', z: 1 }, b: { k: 'b', w: 2 }, c: { k: 'a', z: 1, w: 2 } },
  },
  { name: 'a quoted << is a key', text: '"<<": {a: 1}\n', json: { '<<': { a: 1 } } },
  { name: 'the last of equal keys', text: 'a: 1\nb: 2\na: 3\n', json: { a: 3, b: 2 }, remarks: ['1:1 leftOut a'] },
  { name: 'the first document only', text: 'a: 1\n---\na: 2\n', json: { a: 1 }, remarks: ['3:1 leftOut '] },
  { name: 'a byte order mark and lines of Windows', text: '\uFEFFa: b # c\r\nd: |\r\n  e\r\n  f\r\n', json: { a: 'b', d: 'e\nf\n' } },
  {
    name: 'a key from Object.prototype',
    text: '__proto__: {a: 1}\nconstructor: 2\n',
    json: JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
  },
];

it.each(rows)('$name', ({ text, json, remarks = [] }) => {
  const config = read(text);
  expect(config.problems).toEqual([]);
  expect(jsonOf(config)).toEqual(json);
  expect(config.remarks.map(({ kind, place, path }) => `${place.line}:${place.column} ${kind} ${path}`)).toEqual(remarks);
});

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x, x]',
  ...['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((key, index) => `${key}: &${key} [${`*${'abcdefg'[index]!}, `.repeat(10)}]`),
];

const unreadable: readonly { readonly name: string; readonly text: string; readonly at: string; readonly message: RegExp }[] = [
  { name: 'no YAML', text: 'a: [\n', at: '2:1', message: /./ },
  { name: 'a tab', text: 'a:\n\t- x\n', at: '2:1', message: /Tabs/ },
  { name: 'a list', text: '- a\n', at: '1:1', message: /does not begin with keys/ },
  { name: 'an anchor that is not there', text: 'a: *b\n', at: '1:4', message: /anchor b is not defined/ },
  { name: 'an anchor in itself', text: 'a: &b\n  c: *b\n', at: '2:3', message: /contains itself/ },
  { name: 'a merge of text', text: 'a:\n  <<: text\n', at: '2:7', message: /needs a map/ },
  { name: 'a map as a key', text: '{a: 1}: 2\n', at: '1:1', message: /key must be/ },
  { name: 'aliases that multiply', text: `${bomb.join('\n')}\n`, at: '7:7', message: /more than 2000000 values/ },
];

it.each(unreadable)('cannot read $name', ({ text, at, message }) => {
  const { problems, root } = read(text);
  expect(root).toBeUndefined();
  expect(problems.map(({ line, column }) => `${line}:${column}`)).toEqual([at]);
  expect(problems[0]?.message).toMatch(message);
});

describe('comments', () => {
  const sides = ({ before, beside, after }: Remarks): string =>
    [before, beside, after].map((lines) => lines.map((line) => line.trim()).join('|')).join(' / ');

  /** Every part that has remarks, as path = before / beside / after. */
  function remarksOf(tree: Tree, path = ''): readonly string[] {
    const own = tree.remarks === undefined ? [] : [`${path} = ${sides(tree.remarks)}`];
    const inner =
      tree.kind === 'list'
        ? tree.items.flatMap((item, index) => remarksOf(item, `${path}[${index}]`))
        : entriesOf(tree).flatMap(([key, { value }]) => remarksOf(value, path === '' ? key : `${path}.${key}`));
    return [...own, ...inner];
  }

  interface CommentRow {
    readonly name: string;
    readonly text: string;
    readonly remarks: readonly string[];
  }

  const commentRows: readonly CommentRow[] = [
    { name: 'above and beside a key', text: '# one\n# two\na: 1 # three\n', remarks: ['a = one|two / three / '] },
    {
      name: 'above an item, dashes not indented',
      text: 'a:\n# one\n- b: 1\n# two\n- b: 2\n',
      remarks: ['a[0] = one /  / ', 'a[1] = two /  / '],
    },
    {
      name: 'above an item, dashes indented',
      text: 'a:\n  # one\n  - b: 1\n  # two\n  - b: 2\n',
      remarks: ['a[0] = one /  / ', 'a[1] = two /  / '],
    },
    { name: 'deep block before the next item', text: 'a:\n- b:\n    c:\n    - 1\n# two\n- b: 2\n', remarks: ['a[1] = two /  / '] },
    { name: 'indented deeper than what follows', text: 'a:\n- b: 1\n  # end of b\n- c: 1\n', remarks: ['a[0].b =  /  / end of b'] },
    { name: 'beside a dash', text: 'a:\n- # one\n  b: 1\n', remarks: ['a[0] =  / one / '] },
    { name: 'beside a key with a block', text: 'a: # one\n  b: 1\n', remarks: ['a =  / one / '] },
    { name: 'beside a block of text, and not in it', text: 'a: | # one\n  # text\nb: 1\n', remarks: ['a =  / one / '] },
    { name: 'in a flow list', text: 'a: [b, # one\n  # two\n  c]\n', remarks: ['a[0] =  / one / ', 'a[1] = two /  / '] },
    { name: 'not in quotes', text: 'a: "x # y"\nb: x#y\n', remarks: [] },
    { name: 'at the end of the file', text: 'a:\n  b: 1\n# end\n', remarks: ['a =  /  / end'] },
    {
      name: 'of an alias, beside those of the anchor',
      text: 'a: &x\n  # inner\n  b: 1\n# outer\nc: *x\n',
      remarks: ['a.b = inner /  / ', 'c = outer /  / ', 'c.b = inner /  / '],
    },
  ];

  it.each(commentRows)('$name', ({ text, remarks }) => {
    expect(remarksOf(read(text).root!)).toEqual(remarks);
  });
});

it('knows the place of every key and item', () => {
  const { root } = read('a: &x\n  - b: 1\n  - c\nd: *x\n');
  const [first, second] = itemsOf(child(root, 'a'));
  expect([first?.place, second?.place]).toEqual([
    { file: 'jobs.yaml', line: 2, column: 5 },
    { file: 'jobs.yaml', line: 3, column: 5 },
  ]);
  expect(root?.entries.get('d')?.place.line).toBe(4);
  expect(child(root, 'd')?.place.line).toBe(4);
});
