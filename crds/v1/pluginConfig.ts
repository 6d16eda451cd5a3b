/**
 * PluginConfig: which plugins act on which repositories, and how. Several objects may name one repository; their plugins add up.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import { code, list, listMap, map, name, object, openObject, optional, text, type Immutable } from './schemaParts.ts';

const repository = (description: string) => text(description, { minLength: 1, maxLength: 256 });
const plugin = (description: string) => text(description, { minLength: 1, maxLength: 128 });

const externalPlugin = object(
  {
    name: name('Name of the plugin.', 128),
    endpoint: optional(text('Where events are sent. Absent: http://<name>.', { maxLength: 2048 })),
    events: optional(list(text('A GitHub event name.', { maxLength: 128 }), 'Events that are sent. Absent: all.')),
  },
  'A plugin that runs as a server of its own.',
);

export const pluginConfigSpecSchema = object(
  {
    repos: list(repository('"*", an org, or org/repo.'), 'Where the plugins act.', { minItems: 1 }),
    excludedRepos: optional(list(repository('An org or org/repo.'), 'Where they do not, although repos covers it.')),
    plugins: optional(list(plugin('Name of a plugin.'), 'Plugins that act there.')),
    externalPlugins: optional(listMap(externalPlugin, ['name'], 'External plugins that act there.')),
    config: optional(
      map(openObject('Settings of one plugin.'), 'Settings by plugin name, each checked against the schema of that plugin.'),
    ),
  },
  'What the bot does where.',
);

const resolvedRepo = object(
  {
    repo: text('The repository, org or "*".'),
    plugins: optional(list(text('Name of a plugin.'), 'Plugins that act there, of all objects together.')),
  },
  'What acts on one entry of repos.',
);

const problem = object(
  {
    path: text('The field, such as spec.plugins[2].'),
    reason: code([] as readonly string[], 'What is wrong, as one word.'),
    message: text('What is wrong and what to do.'),
  },
  'Something that keeps a part of this object from taking effect.',
);

export const pluginConfigStatusSchema = object(
  {
    ...statusHead,
    resolved: optional(listMap(resolvedRepo, ['repo'], 'What acts where.')),
    problems: optional(list(problem, 'What is wrong with this object.')),
  },
  'What came of it.',
  [],
  { default: unseen },
);

export const pluginConfigSchema = customObject<TSchema, TSchema>(
  pluginConfigSpecSchema,
  pluginConfigStatusSchema,
  'PluginConfig says which plugins act on which repositories.',
);

export type PluginConfigSpec = Immutable<Static<typeof pluginConfigSpecSchema>>;
export type PluginConfigStatus = Immutable<Static<typeof pluginConfigStatusSchema>>;
export type ExternalPlugin = Immutable<Static<typeof externalPlugin>>;
export type ResolvedRepo = Immutable<Static<typeof resolvedRepo>>;
export type PluginConfigProblem = Immutable<Static<typeof problem>>;
export type PluginConfig = CustomObject<PluginConfigSpec, PluginConfigStatus>;
