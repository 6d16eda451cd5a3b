/**
 * What a PluginConfig comes to, beside the others of its namespace: which plugins act on each of its repositories, and what is wrong.
 * Plugins of several objects add up. Two that configure one plugin for one repository differently contradict each other, and both say so.
 */
import type { PluginConfig, PluginConfigProblem, ResolvedRepo } from '../../crds/v1/pluginConfig.ts';
import { nearest } from '../../crds/nearest.ts';
import { pluginNames } from './pluginNames.ts';
import { includes, overlap, parseRepoEntry, type RepoEntry, type RepoScope } from './repoScope.ts';
import { sameJson } from './statusPatch.ts';

export interface PluginResolution {
  /** In the order of spec.repos; entries that could not be read are left out. */
  readonly resolved: readonly ResolvedRepo[];
  /** In the order of the fields, then of the other object's name. */
  readonly problems: readonly PluginConfigProblem[];
}

/** `others` are the objects of the same namespace that may share a repository; more of them do no harm. */
export function resolvePlugins(config: PluginConfig, others: readonly PluginConfig[]): PluginResolution {
  const scope = scopeOf(config);
  const neighbours = others
    .filter((other) => other.metadata.name !== config.metadata.name)
    .map((other) => ({ other, scope: scopeOf(other) }))
    .sort((a, b) => (a.other.metadata.name < b.other.metadata.name ? -1 : 1));
  const all = [{ other: config, scope }, ...neighbours];
  const resolved = uniqueEntries(scope.entries).map((entry): ResolvedRepo => {
    const acting = all.filter((one) => includes(one.scope, entry)).flatMap((one) => one.other.spec.plugins ?? []);
    return { repo: entry.text, plugins: [...new Set(acting.filter((name) => pluginNames.has(name)))].sort() };
  });
  const shared = neighbours.flatMap(({ other, scope: theirs }) => {
    const entry = overlap(scope, theirs);
    return entry === undefined ? [] : [{ other, entry }];
  });
  const problems = [
    ...repoProblems(config, scope),
    ...pluginProblems(config),
    ...externalProblems(config),
    ...shared.flatMap(({ other, entry }) => [...externalConflicts(config, other, entry)]),
    ...configProblems(config),
    ...shared.flatMap(({ other, entry }) => [...configConflicts(config, other, entry)]),
  ];
  return { resolved, problems };
}

/** The organisations of an object, "*" among them: what an index needs to find those that may overlap. */
export function orgsOf(config: PluginConfig): readonly string[] {
  return [...new Set(scopeOf(config).entries.map((entry) => entry.org ?? '*'))];
}

function scopeOf({ spec }: PluginConfig): RepoScope {
  const read = (texts: readonly string[] | undefined): readonly RepoEntry[] =>
    (texts ?? []).map(parseRepoEntry).filter((entry) => entry !== undefined);
  return { entries: read(spec.repos), excluded: read(spec.excludedRepos) };
}

const idOf = (entry: RepoEntry): string => entry.text.toLowerCase();

function uniqueEntries(entries: readonly RepoEntry[]): readonly RepoEntry[] {
  return [...new Map([...entries].reverse().map((entry) => [idOf(entry), entry])).values()].reverse();
}

const problem = (path: string, reason: string, message: string): PluginConfigProblem => ({ path, reason, message });

const quote = (text: string): string => JSON.stringify(text);

function* repoProblems({ spec }: PluginConfig, scope: RepoScope): Generator<PluginConfigProblem> {
  yield* entryProblems('spec.repos', spec.repos, '"*", an organisation, or organisation/repository');
  yield* entryProblems('spec.excludedRepos', spec.excludedRepos ?? [], 'an organisation, or organisation/repository');
  for (const [index, text] of (spec.excludedRepos ?? []).entries()) {
    const entry = parseRepoEntry(text);
    const path = `spec.excludedRepos[${index}]`;
    if (entry === undefined) continue;
    if (entry.org === undefined) yield problem(path, 'InvalidRepo', '"*" excludes everything; remove the entry, or the object');
    else if (!includes({ entries: scope.entries, excluded: [] }, entry)) {
      yield problem(
        path,
        'ExclusionWithoutEffect',
        `${quote(text)} is not covered by spec.repos, so nothing is excluded; correct or remove it`,
      );
    }
  }
}

function* entryProblems(path: string, texts: readonly string[], grammar: string): Generator<PluginConfigProblem> {
  const seen = new Set<string>();
  for (const [index, text] of texts.entries()) {
    const entry = parseRepoEntry(text);
    if (entry === undefined) yield problem(`${path}[${index}]`, 'InvalidRepo', `${quote(text)} is no repository; write ${grammar}`);
    else if (seen.has(idOf(entry))) yield problem(`${path}[${index}]`, 'Duplicate', `${quote(text)} is named twice; remove one`);
    else seen.add(idOf(entry));
  }
}

function* pluginProblems({ spec }: PluginConfig): Generator<PluginConfigProblem> {
  const seen = new Set<string>();
  for (const [index, name] of (spec.plugins ?? []).entries()) {
    const path = `spec.plugins[${index}]`;
    if (!pluginNames.has(name)) yield unknownPlugin(path, name);
    else if (seen.has(name)) yield problem(path, 'Duplicate', `${quote(name)} is named twice; remove one`);
    seen.add(name);
  }
}

function unknownPlugin(path: string, name: string): PluginConfigProblem {
  const meant = nearest(name, [...pluginNames]);
  const advice =
    meant === undefined ? 'name a plugin of Prow, or list your own under spec.externalPlugins' : `did you mean ${quote(meant)}?`;
  return problem(path, 'UnknownPlugin', `there is no plugin ${quote(name)}; ${advice}`);
}

function* externalProblems({ spec }: PluginConfig): Generator<PluginConfigProblem> {
  for (const [index, { name, endpoint }] of (spec.externalPlugins ?? []).entries()) {
    const path = `spec.externalPlugins[${index}]`;
    if (pluginNames.has(name))
      yield problem(`${path}.name`, 'NameTaken', `${quote(name)} is a built-in plugin; give the external one another name`);
    if (endpoint !== undefined && !isHttpUrl(endpoint)) {
      yield problem(
        `${path}.endpoint`,
        'InvalidEndpoint',
        `${quote(endpoint)} is no http or https URL; write one such as http://my-plugin/hook`,
      );
    }
  }
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
}

function* externalConflicts(config: PluginConfig, other: PluginConfig, entry: RepoEntry): Generator<PluginConfigProblem> {
  const theirs = new Map((other.spec.externalPlugins ?? []).map((plugin) => [plugin.name, plugin]));
  for (const [index, plugin] of (config.spec.externalPlugins ?? []).entries()) {
    const same = theirs.get(plugin.name);
    if (same !== undefined && !sameJson(same, plugin)) {
      yield conflict(`spec.externalPlugins[${index}]`, `the external plugin ${quote(plugin.name)}`, other, entry);
    }
  }
}

function* configProblems({ spec }: PluginConfig): Generator<PluginConfigProblem> {
  for (const name of Object.keys(spec.config ?? {}).sort()) {
    if (!pluginNames.has(name)) yield unknownPlugin(configPath(name), name);
  }
}

function* configConflicts(config: PluginConfig, other: PluginConfig, entry: RepoEntry): Generator<PluginConfigProblem> {
  const theirs = new Map(Object.entries(other.spec.config ?? {}));
  for (const [name, value] of Object.entries(config.spec.config ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (pluginNames.has(name) && theirs.has(name) && !sameJson(theirs.get(name), value)) {
      yield conflict(configPath(name), `the plugin ${quote(name)}`, other, entry);
    }
  }
}

const configPath = (name: string): string =>
  /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? `spec.config.${name}` : `spec.config[${quote(name)}]`;

function conflict(path: string, what: string, other: PluginConfig, entry: RepoEntry): PluginConfigProblem {
  const where = entry.org === undefined ? 'all repositories' : entry.text;
  return problem(
    path,
    'Conflict',
    `PluginConfig ${other.metadata.name} sets up ${what} for ${where} in another way; neither counts there until both agree or one is removed`,
  );
}
