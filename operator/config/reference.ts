/** The reference page of the settings, written from the schema. A test keeps docs/reference/settings.md equal to it. */
import type { SettingsSchema } from './checkSettings.ts';
import { settingsFileSchema } from './settings.ts';

const head = `# Settings

The operator reads one YAML file, given with \`--settings\`. Every field is optional, and an empty file means the defaults below. Durations are
Go durations: \`90s\`, \`10m\`, \`1h30m\`.

A file with a fault is refused as a whole; the message names file, line, column and field. While the operator runs, the file may change: the new
content is used within seconds. Fields that are read only at the start (all \`workers\`, \`leaderElection\`, \`server\`, \`logging\`) are named in the log and take
effect at the next start. A new content with a fault changes nothing and is reported once.
`;

/** Markdown. */
export function settingsReference(): string {
  const rows = [...fieldRows(settingsFileSchema as unknown as SettingsSchema, '')];
  const table = ['| field | type | default | meaning |', '|---|---|---|---|', ...rows];
  return `${head}\n${table.join('\n')}\n`;
}

function* fieldRows(schema: SettingsSchema, prefix: string): Generator<string> {
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    const name = `${prefix}${key}`;
    yield `| \`${name}\` | ${typeOf(field)} | ${defaultOf(field)} | ${field.description ?? ''} |`;
    if (field.type === 'object') yield* fieldRows(field, `${name}.`);
    if (field.items?.type === 'object') yield* fieldRows(field.items, `${name}[].`);
  }
}

function typeOf(field: SettingsSchema): string {
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(' or ');
  if (field.format === 'go-duration') return 'duration';
  if (field.type === 'array') return 'list';
  if (field.type === 'object') return field.properties === undefined ? 'map' : 'fields';
  return field.type === 'integer' ? 'number' : (field.type ?? '');
}

function defaultOf(field: SettingsSchema): string {
  if (field.default === undefined || (field.type === 'object' && field.properties !== undefined)) return '';
  return `\`${typeof field.default === 'string' ? field.default : JSON.stringify(field.default)}\``;
}
