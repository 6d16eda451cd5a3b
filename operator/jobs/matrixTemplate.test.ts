/** What becomes of the text of a template. */
import { describe, expect, it } from 'vitest';
import { compileTemplate } from './matrixTemplate.ts';

const values = new Map([
  ['n', '30'],
  ['yes', 'true'],
  ['word', 'abc'],
  ['half', '0.5'],
]);
const names = new Set([...values.keys(), 'elsewhere']);
const fill = (template: object): unknown => {
  const compiled = compileTemplate(template as Record<string, unknown>, names);
  expect(compiled.faults).toEqual([]);
  const result = compiled.fill(values);
  return result.ok ? result.value : result.fault;
};
const inPod = (podSpec: object): object => ({ spec: { jobTemplate: { spec: { pod_spec: podSpec } } } });

describe('text', () => {
  it.each([
    ['plain', 'plain'],
    ['${word}', 'abc'],
    ['a-${word}-${n}.', 'a-abc-30.'],
    ['${word}${word}', 'abcabc'],
    ['$${word}', '${word}'],
    ['$$${word}', '$${word}'],
    ['a$$ $1 $ {x} $', 'a$$ $1 $ {x} $'],
    ['$(date) $HOME {{ x }}', '$(date) $HOME {{ x }}'],
    ['$${a} ${word} $${b:-c}', '${a} abc ${b:-c}'],
    ['', ''],
  ])('%j becomes %j', (text, want) => {
    expect(fill({ metadata: { annotations: { a: text } } })).toEqual({ metadata: { annotations: { a: want } } });
  });

  it('a value is not looked into again', () => {
    const compiled = compileTemplate({ a: '${x}' }, new Set(['x']));
    expect(compiled.fill(new Map([['x', '${x}$${y}']]))).toMatchObject({ value: { a: '${x}$${y}' } });
  });
});

describe('types', () => {
  it.each<[string, object, object]>([
    ['a number where the schema wants one', { spec: { maxConcurrency: '${n}' } }, { spec: { maxConcurrency: 30 } }],
    ['a truth value where the schema wants one', { spec: { suspend: '${yes}' } }, { spec: { suspend: true } }],
    ['text where it wants text', { spec: { cron: '${n}' } }, { spec: { cron: '30' } }],
    ['text when there is more than the placeholder', { spec: { maxConcurrency: '${n}0' } }, { spec: { maxConcurrency: '300' } }],
    ['text when it is not what is wanted', { spec: { suspend: '${word}' } }, { spec: { suspend: 'abc' } }],
    ['no fraction for an integer', { spec: { maxConcurrency: '${half}' } }, { spec: { maxConcurrency: '0.5' } }],
    ['text in labels', { metadata: { labels: { a: '${n}' } } }, { metadata: { labels: { a: '30' } } }],
    [
      'numbers of a pod',
      inPod({ terminationGracePeriodSeconds: '${n}', containers: [{ ports: [{ containerPort: '${n}' }], tty: '${yes}' }] }),
      inPod({ terminationGracePeriodSeconds: 30, containers: [{ ports: [{ containerPort: 30 }], tty: true }] }),
    ],
    [
      'text of a pod',
      inPod({ nodeSelector: { priority: '${n}' }, containers: [{ args: ['${n}'], env: [{ name: 'A', value: '${n}' }] }] }),
      inPod({ nodeSelector: { priority: '30' }, containers: [{ args: ['30'], env: [{ name: 'A', value: '30' }] }] }),
    ],
  ])('%s', (_name, template, want) => {
    expect(fill(template)).toEqual(want);
  });
});

describe('structure', () => {
  it('keeps numbers, lists and order, leaves out nulls, and touches no keys', () => {
    const template = { a: [1, null, { b: null, c: false }], '${word}': '${word}', d: { e: null } };
    expect(JSON.stringify(fill(template))).toBe('{"a":[1,null,{"c":false}],"${word}":"abc","d":{}}');
  });

  it('shares what holds no placeholder', () => {
    const compiled = compileTemplate({ constant: { a: ['x'] }, b: '${word}' }, names);
    const [one, two] = [compiled.fill(values), compiled.fill(values)];
    expect(one.ok && two.ok && (one.value as { constant: object }).constant === (two.value as { constant: object }).constant).toBe(true);
  });

  it('a key like __proto__ is only a key', () => {
    const value = fill(JSON.parse('{"__proto__": {"a": "${word}"}}') as object);
    expect(JSON.stringify(value)).toBe('{"__proto__":{"a":"abc"}}');
    expect(({} as { a?: string }).a).toBeUndefined();
  });
});

describe('faults', () => {
  const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });
  it.each<[string, object, string, RegExp]>([
    ['an unknown name', { spec: { cron: '${wrod}' } }, 'spec.template.spec.cron', /^\$\{wrod\} is no name .* did you mean \$\{word\}\?/],
    [
      'all names where none is near',
      { spec: { a: ['x', '${HOME}'] } },
      'spec.template.spec.a[1]',
      /there are elsewhere, half, n, word, yes\. Write \$\$\{HOME\}/,
    ],
    ['a shell expansion', { spec: { a: 'x ${HOME:-y}' } }, 'spec.template.spec.a', /"\$\{HOME:-y\}" is no placeholder: write \$\$\{/],
    ['an open placeholder', { spec: { a: '${word' } }, 'spec.template.spec.a', /"\$\{word" is no placeholder/],
    ['an empty placeholder', { spec: { a: '${}' } }, 'spec.template.spec.a', /no placeholder/],
    ['depth', { spec: deep(80) }, `spec.template.spec${'.a'.repeat(63)}`, /deeper than 64/],
  ])('%s', (_name, template, path, message) => {
    const { faults } = compileTemplate(template as Record<string, unknown>, names);
    expect(faults).toEqual([{ path, message: expect.stringMatching(message) }]);
  });

  it('a name that this combination has no value for', () => {
    expect(fill({ spec: { cron: '${elsewhere}' } })).toEqual({
      path: 'spec.template.spec.cron',
      message: 'this combination has no value for ${elsewhere}',
    });
  });

  it('a text that grows without end', () => {
    const compiled = compileTemplate({ a: '${x}'.repeat(10_000) }, new Set(['x']));
    expect(compiled.fill(new Map([['x', 'y'.repeat(256)]]))).toMatchObject({ ok: false, fault: { path: 'spec.template.a' } });
  });

  it('many texts that grow together', () => {
    const compiled = compileTemplate({ a: Array.from({ length: 5_000 }, () => '${x}') }, new Set(['x']));
    expect(compiled.fill(new Map([['x', 'y'.repeat(256)]]))).toMatchObject({ ok: false, fault: { message: /more than 1000000/ } });
  });
});
