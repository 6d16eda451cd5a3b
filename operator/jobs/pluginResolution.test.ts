import { describe, expect, it } from 'vitest';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import { orgsOf, resolvePlugins } from './pluginResolution.ts';
import { pluginNames } from './pluginNames.ts';

const config = (name: string, spec: Partial<PluginConfig['spec']>): PluginConfig => ({
  metadata: { name, namespace: 'team' },
  spec: { repos: ['acme'], ...spec },
});

/** What acts where, as "repo: a b". */
const resolved: readonly {
  readonly name: string;
  readonly of: Partial<PluginConfig['spec']>;
  readonly beside?: readonly Partial<PluginConfig['spec']>[];
  readonly want: readonly string[];
}[] = [
  { name: 'one object', of: { plugins: ['trigger', 'approve'] }, want: ['acme: approve trigger'] },
  { name: 'nothing enabled', of: {}, want: ['acme: '] },
  { name: 'two objects add up', of: { plugins: ['lgtm'] }, beside: [{ plugins: ['approve', 'lgtm'] }], want: ['acme: approve lgtm'] },
  {
    name: 'a repository gets what its organisation and "*" have',
    of: { repos: ['acme/widget'], plugins: ['size'] },
    beside: [{ plugins: ['lgtm'] }, { repos: ['*'], plugins: ['help'] }],
    want: ['acme/widget: help lgtm size'],
  },
  {
    name: 'an organisation does not get what one repository has',
    of: { plugins: ['lgtm'] },
    beside: [{ repos: ['acme/widget'], plugins: ['size'] }],
    want: ['acme: lgtm'],
  },
  {
    name: 'an excluded repository',
    of: { repos: ['acme/widget'] },
    beside: [{ plugins: ['lgtm'], excludedRepos: ['acme/widget'] }],
    want: ['acme/widget: '],
  },
  {
    name: 'an excluded organisation',
    of: { repos: ['acme/widget', 'other/x'] },
    beside: [{ repos: ['*'], plugins: ['lgtm'], excludedRepos: ['acme'] }],
    want: ['acme/widget: ', 'other/x: lgtm'],
  },
  {
    name: 'case does not count',
    of: { repos: ['ACME/Widget'] },
    beside: [{ repos: ['acme'], plugins: ['lgtm'] }],
    want: ['ACME/Widget: lgtm'],
  },
  { name: 'an entry that is named twice is shown once', of: { repos: ['acme', 'Acme'], plugins: ['lgtm'] }, want: ['acme: lgtm'] },
  { name: 'unknown plugins do not act', of: { plugins: ['lgtm', 'nonsense'] }, want: ['acme: lgtm'] },
  { name: 'unreadable entries are left out', of: { repos: ['a/b/c', 'acme'], plugins: ['lgtm'] }, want: ['acme: lgtm'] },
];

describe('resolved', () => {
  it.each(resolved)('$name', ({ of, beside = [], want }) => {
    const others = beside.map((spec, index) => config(`other-${index}`, spec));
    const result = resolvePlugins(config('mine', of), others).resolved;
    expect(result.map(({ repo, plugins = [] }) => `${repo}: ${plugins.join(' ')}`)).toEqual(want);
  });
});

const problems: readonly {
  readonly name: string;
  readonly of: Partial<PluginConfig['spec']>;
  readonly beside?: Partial<PluginConfig['spec']>;
  readonly want: readonly (readonly [path: string, reason: string, message: RegExp])[];
}[] = [
  { name: 'none', of: { plugins: ['lgtm'], config: { lgtm: {} } }, want: [] },
  {
    name: 'a slip in a name',
    of: { plugins: ['lgtm', 'aprove'] },
    want: [['spec.plugins[1]', 'UnknownPlugin', /"aprove"; did you mean "approve"\?/]],
  },
  {
    name: 'a name like none',
    of: { plugins: ['kubernetes-something'] },
    want: [['spec.plugins[0]', 'UnknownPlugin', /name a plugin of Prow, or list your own/]],
  },
  { name: 'a plugin twice', of: { plugins: ['lgtm', 'lgtm'] }, want: [['spec.plugins[1]', 'Duplicate', /named twice/]] },
  {
    name: 'settings for no plugin',
    of: { config: { 'lgmt-x': {}, __proto__x: {} } },
    want: [
      ['spec.config.__proto__x', 'UnknownPlugin', /no plugin/],
      ['spec.config["lgmt-x"]', 'UnknownPlugin', /no plugin/],
    ],
  },
  {
    name: 'bad repositories',
    of: { repos: ['', 'a/b/c', 'a b', '/x', 'x/', 'acme/..', '-x', 'https://github.com/acme'] },
    want: [0, 1, 2, 3, 4, 5, 6, 7].map((index) => [`spec.repos[${index}]`, 'InvalidRepo', /write "\*", an organisation, or/] as const),
  },
  { name: 'a repository twice', of: { repos: ['acme/x', 'Acme/X'] }, want: [['spec.repos[1]', 'Duplicate', /named twice/]] },
  {
    name: 'excluding everything',
    of: { repos: ['*'], excludedRepos: ['*'] },
    want: [['spec.excludedRepos[0]', 'InvalidRepo', /excludes everything/]],
  },
  {
    name: 'excluding what is not included',
    of: { excludedRepos: ['other/x', 'acme/y'] },
    want: [['spec.excludedRepos[0]', 'ExclusionWithoutEffect', /not covered by spec.repos/]],
  },
  {
    name: 'an external plugin under a built-in name, at no URL',
    of: {
      externalPlugins: [
        { name: 'lgtm', endpoint: 'ftp://x' },
        { name: 'mine', endpoint: 'http://mine/hook' },
      ],
    },
    want: [
      ['spec.externalPlugins[0].name', 'NameTaken', /built-in/],
      ['spec.externalPlugins[0].endpoint', 'InvalidEndpoint', /no http or https URL/],
    ],
  },
  {
    name: 'settings that differ',
    of: { config: { lgtm: { a: 1 } } },
    beside: { config: { lgtm: { a: 2 } } },
    want: [['spec.config.lgtm', 'Conflict', /PluginConfig other sets up the plugin "lgtm" for acme in another way/]],
  },
  {
    name: 'settings that are equal, in another order',
    of: { config: { lgtm: { a: 1, b: [1] } } },
    beside: { config: { lgtm: { b: [1], a: 1 } } },
    want: [],
  },
  {
    name: 'settings of an organisation and of one of its repositories',
    of: { config: { lgtm: { a: 1 } } },
    beside: { repos: ['acme/widget'], config: { lgtm: { a: 2 } } },
    want: [['spec.config.lgtm', 'Conflict', /for acme\/widget/]],
  },
  {
    name: 'settings for different repositories',
    of: { repos: ['acme/x'], config: { lgtm: { a: 1 } } },
    beside: { repos: ['acme/y'], config: { lgtm: { a: 2 } } },
    want: [],
  },
  {
    name: 'settings that an exclusion keeps apart',
    of: { excludedRepos: ['acme/widget'], config: { lgtm: { a: 1 } } },
    beside: { repos: ['acme/widget'], config: { lgtm: { a: 2 } } },
    want: [],
  },
  {
    name: 'settings of everything',
    of: { repos: ['*'], config: { lgtm: { a: 1 } } },
    beside: { repos: ['*'], config: { lgtm: { a: 2 } } },
    want: [['spec.config.lgtm', 'Conflict', /for all repositories/]],
  },
  {
    name: 'external plugins that differ',
    of: { externalPlugins: [{ name: 'x', endpoint: 'http://a' }] },
    beside: { externalPlugins: [{ name: 'x', endpoint: 'http://b' }] },
    want: [['spec.externalPlugins[0]', 'Conflict', /external plugin "x"/]],
  },
];

describe('problems', () => {
  it.each(problems)('$name', ({ of, beside, want }) => {
    const others = beside === undefined ? [] : [config('other', beside)];
    const found = resolvePlugins(config('mine', of), others).problems;
    expect(found.map(({ path, reason }) => [path, reason])).toEqual(want.map(([path, reason]) => [path, reason]));
    for (const [index, [, , message]] of want.entries()) expect(found[index]?.message).toMatch(message);
  });

  it('are the same whatever the order of the others', () => {
    const mine = config('mine', { config: { lgtm: { a: 1 } } });
    const others = ['b', 'a', 'c'].map((name) => config(name, { config: { lgtm: { a: name } } }));
    expect(resolvePlugins(mine, others)).toEqual(resolvePlugins(mine, [...others].reverse()));
  });

  it('do not compare an object with itself', () => {
    const mine = config('mine', { config: { lgtm: { a: 1 } } });
    expect(resolvePlugins(mine, [config('mine', { config: { lgtm: { a: 2 } } })]).problems).toEqual([]);
  });
});

it('knows the plugins of upstream, each under a name that is its own nearest', () => {
  expect(pluginNames.size).toBe(53);
  expect([...pluginNames]).toEqual([...pluginNames].sort());
});

it('names the organisations of an object', () => {
  expect(orgsOf(config('mine', { repos: ['Acme/x', 'acme', 'other/y', '*', 'a/b/c'] }))).toEqual(['acme', 'other', '*']);
});
