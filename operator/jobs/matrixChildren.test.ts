/** From a set to its Periodics: what is made, what is refused and how it is said. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PeriodicSet, PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { describeProblem, expandSet, mayMake, type ExpansionReason } from './matrixChildren.ts';

type Template = PeriodicSetSpec['template'];

const job = { spec: { pod_spec: { containers: [{ image: 'busybox', args: ['${region}'] }] } } };
const template = (over: { readonly metadata?: object; readonly spec?: object } = {}): Template => ({
  metadata: { name: 'e2e-${region}', ...over.metadata },
  spec: { cron: '@hourly', jobTemplate: job, ...over.spec },
});

const setOf = (spec: Partial<PeriodicSetSpec> = {}): PeriodicSet => ({
  metadata: { name: 'e2e', namespace: 'ci', uid: 'u' },
  spec: { matrix: { region: ['eu', 'us'] }, template: template(), ...spec },
});

describe('what is made', () => {
  it('is a whole Periodic for each combination', () => {
    const { desired, children, problems, warnings } = expandSet(
      setOf({
        template: template({ metadata: { labels: { r: '${region}' } }, spec: { maxConcurrency: '${n}', concurrencyPolicy: 'Allow' } }),
        include: [{ n: '3' }],
      }),
    );
    expect({ desired, problems, warnings }).toEqual({ desired: 2, problems: [], warnings: [] });
    expect(children.map(({ periodic }) => periodic)).toEqual(
      ['eu', 'us'].map((region) => ({
        apiVersion: 'prow.k8s.io/v1',
        kind: 'Periodic',
        metadata: { name: `e2e-${region}`, namespace: 'ci', labels: { r: region } },
        spec: {
          cron: '@hourly',
          maxConcurrency: 3,
          concurrencyPolicy: 'Allow',
          jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox', args: [region] }] } } },
        },
      })),
    );
  });

  it('is there for a thousand combinations within the time that a test has', () => {
    const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));
    const matrix = { region: numbers(100), n: numbers(10) };
    const { children } = expandSet(setOf({ matrix, template: template({ metadata: { name: 'e2e-${region}-${n}' } }) }));
    expect(new Set(children.map(({ periodic }) => periodic.metadata.name)).size).toBe(1000);
  });
});

interface Refusal {
  readonly name: string;
  readonly spec: Partial<PeriodicSetSpec>;
  /** Names of the Periodics that are made all the same. */
  readonly made?: readonly string[];
  readonly problems: readonly { readonly reason: ExpansionReason; readonly path: string; readonly text: RegExp }[];
}

const refusals: readonly Refusal[] = [
  {
    name: 'no combination',
    spec: { exclude: [{ region: 'eu' }, { region: 'us' }] },
    problems: [{ reason: 'InvalidMatrix', path: 'spec.exclude', text: /leaves no combination/ }],
  },
  {
    name: 'an unknown placeholder: nothing is made',
    spec: { template: template({ spec: { cron: '${corn} * * * *' } }) },
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.spec.cron', text: /^\$\{corn\} is no name .* there are region/ }],
  },
  {
    name: 'a name that only some combinations have a value for',
    spec: { include: [{ region: 'eu', zone: 'a' }], template: template({ spec: { timeZone: '${zone}' } }) },
    made: [],
    problems: [
      { reason: 'InvalidTemplate', path: 'spec.template.spec.timeZone', text: /no value for \$\{zone\} \(region=us\)$/ },
      { reason: 'InvalidTemplate', path: 'spec.template.spec.timeZone', text: /"a".*\(region=eu, zone=a\)$/ },
    ],
  },
  {
    name: 'two combinations of one name',
    spec: { matrix: { region: ['eu', 'us'], n: ['1', '2'] }, exclude: [{ region: 'us', n: '2' }] },
    made: ['e2e-us'],
    problems: [
      {
        reason: 'NameClash',
        path: 'spec.template.metadata.name',
        text: /^2 combinations come to the name "e2e-eu", so none of them is made \(n=1, region=eu; n=2, region=eu\)$/,
      },
    ],
  },
  {
    name: 'a name that is none',
    spec: { matrix: { region: ['eu', 'US'] } },
    made: ['e2e-eu'],
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.metadata.name', text: /"e2e-US" is not a valid name.*\(region=US\)$/ }],
  },
  {
    name: 'a label value that is none',
    spec: {
      matrix: { region: ['eu', 'u s'] },
      template: template({ metadata: { name: 'e2e', labels: { r: '${region}' } } }),
      exclude: [{ region: 'eu' }],
    },
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.metadata.labels', text: /value of r is not valid/ }],
  },
  {
    name: 'a field that a Periodic does not have',
    spec: { template: template({ spec: { corn: '@daily' } }) },
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.spec.corn', text: /^unknown field \(region=eu; region=us\)$/ }],
  },
  {
    name: 'what the schema of a Periodic refuses',
    spec: { template: template({ spec: { interval: '${region}' } }) },
    problems: [
      { reason: 'InvalidTemplate', path: 'spec.template.spec.interval', text: /"eu".*\(region=eu\)$/ },
      { reason: 'InvalidTemplate', path: 'spec.template.spec', text: /exactly one of cron, crons, interval/ },
      { reason: 'InvalidTemplate', path: 'spec.template.spec.interval', text: /"us".*\(region=us\)$/ },
    ],
  },
  {
    name: 'what the reconciler of Periodics would refuse',
    spec: { template: template({ spec: { cron: '0 0 30 2 *' } }) },
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.spec.cron', text: /\(region=eu; region=us\)$/ }],
  },
  {
    name: 'more combinations than are named',
    spec: { matrix: { region: ['a', 'b', 'c', 'd', 'e'] }, template: template({ spec: { cron: '61 * * * *' } }) },
    problems: [{ reason: 'InvalidTemplate', path: 'spec.template.spec.cron', text: /\(region=a; region=b; region=c and 2 more\)$/ }],
  },
];

describe('what is refused', () => {
  it.each(refusals)('$name', ({ spec, made = [], problems }) => {
    const expansion = expandSet(setOf(spec));
    expect(expansion.children.map(({ periodic }) => periodic.metadata.name)).toEqual(made);
    expect(expansion.problems.map(({ reason, path }) => ({ reason, path }))).toEqual(
      problems.map(({ reason, path }) => ({ reason, path })),
    );
    expansion.problems.forEach((problem, index) => expect(describeProblem(problem)).toMatch(problems[index]?.text ?? /^$/));
  });

  it('a set that would fill the memory', () => {
    const numbers = Array.from({ length: 200 }, (_, index) => `${'x'.repeat(200)}${index}`);
    const large = template({
      metadata: { name: 'e2e-${n}' },
      spec: { jobTemplate: { spec: { pod_spec: { containers: [{ args: ['${region}'.repeat(1000)] }] } } } },
    });
    const { problems } = expandSet(setOf({ matrix: { region: numbers }, include: [{ n: '1' }], template: large }));
    expect(problems).toMatchObject([{ reason: 'InvalidTemplate', path: 'spec.template', message: /more than 20000000 characters/ }]);
  });
});

describe('warnings', () => {
  it.each<[string, Partial<PeriodicSetSpec>, string, RegExp]>([
    ['a name of the matrix that nothing uses', { matrix: { region: ['eu'], zone: ['a'] } }, 'spec.matrix.zone', /no \$\{zone\}/],
    ['a name of an include that nothing uses', { include: [{ zone: 'a' }] }, 'spec.include', /no \$\{zone\}/],
    ['an exclude that does nothing', { exclude: [{ region: 'EU' }] }, 'spec.exclude[0]', /has region=EU$/],
    [
      'names that are too long for the names of runs',
      { template: template({ metadata: { name: `${'e'.repeat(48)}\${region}` } }) },
      'spec.template.metadata.name',
      /^2 names are longer than 48/,
    ],
  ])('%s', (_name, spec, path, message) => {
    const { warnings, children } = expandSet(setOf(spec));
    expect(warnings).toEqual([{ path, message: expect.stringMatching(message) }]);
    expect(children.length).toBeGreaterThan(0);
  });
});

describe('mayMake', () => {
  it.each([
    ['e2e-${region}', 'e2e-eu', true],
    ['e2e-${region}', 'e2f-eu', false],
    ['${a}-x-${b}-end', 'anything-end', true],
    ['${a}-x-${b}-end', 'anything', false],
    ['fixed', 'fixed', true],
    ['fixed', 'fixed-2', false],
  ])('%s %s: %s', (name, periodic, want) => {
    expect(mayMake(setOf({ template: template({ metadata: { name } }) }), periodic)).toBe(want);
  });
});

const word = fc.stringMatching(/^[a-z]{1,3}$/);
const matrix = fc.dictionary(word, fc.uniqueArray(word, { minLength: 1, maxLength: 4 }), { minKeys: 1, maxKeys: 4 });
const combos = fc.array(fc.dictionary(word, word, { minKeys: 1, maxKeys: 3 }), { maxLength: 4 });

const reversed = <T>(object: Readonly<Record<string, T>>): Record<string, T> => Object.fromEntries(Object.entries(object).reverse());

describe('for any matrix', () => {
  const sets = fc.record({ matrix, include: combos, exclude: combos, used: fc.nat(4) }).map(({ used, ...spec }) => {
    const names = Object.keys(spec.matrix).slice(0, used);
    return setOf({
      ...spec,
      template: template({
        metadata: { name: ['x', ...names.map((name) => `\${${name}}`)].join('-') },
        spec: { jobTemplate: { spec: { pod_spec: { containers: [{ image: 'a' }] } } } },
      }),
    });
  });

  it('the result depends on nothing but the spec, whatever the order of its fields', () => {
    fc.assert(
      fc.property(sets, (set) => {
        const { matrix: values = {}, include = [], exclude = [] } = set.spec;
        const shuffled = {
          ...set,
          spec: { ...set.spec, matrix: reversed(values), include: include.map(reversed), exclude: exclude.map(reversed) },
        };
        expect(expandSet(shuffled)).toEqual(expandSet(set));
      }),
    );
  });

  it('names are unique, and every combination is made or named in a problem', () => {
    fc.assert(
      fc.property(sets, (set) => {
        const { desired, children, problems } = expandSet(set);
        const names = children.map(({ periodic }) => periodic.metadata.name);
        expect(new Set(names).size).toBe(names.length);
        const refused = new Set(problems.flatMap(({ combinations }) => combinations));
        expect(children.length + refused.size).toBe(desired);
        for (const { combination } of children) expect(refused.has(combination)).toBe(false);
      }),
    );
  });
});
