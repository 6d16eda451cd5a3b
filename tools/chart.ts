/**
 * Writes what the Helm charts hold twice: values.yaml, values.schema.json and the table of values from tools/chartValues.ts, and the CRDs from
 * crds/generated. With --check nothing is written; the exit code says whether a file differs, and its name is printed.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { chartValuesSchema } from './chartValues.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly string[];
}

const root = path.join(import.meta.dirname, '..');
const chart = 'charts/prow-operator';
const crdChart = 'charts/prow-operator-crds';
const width = 120;
const tableStart = '<!-- values: written by tools/chart.ts -->';
const tableEnd = '<!-- end of values -->';

const schema = chartValuesSchema as unknown as Schema;

function valuesYaml(): string {
  return `# Values of the chart prow-operator. Written by tools/chart.ts from tools/chartValues.ts.\n${[...yamlLines(schema, 0)].join('\n')}\n`;
}

function* yamlLines({ properties = {} }: Schema, depth: number): Generator<string> {
  const indent = '  '.repeat(depth);
  for (const [key, field] of Object.entries(properties)) {
    if (depth === 0) yield '';
    const about = [
      field.description ?? '',
      field.enum === undefined ? '' : `One of: ${field.enum.filter((value) => value !== '').join(', ')}.`,
    ];
    for (const line of wrap(about.join(' ').trim(), width - indent.length)) yield `${indent}# ${line}`;
    if (field.properties === undefined || field.default !== undefined) {
      yield stringify({ [key]: field.default }, { lineWidth: 0 })
        .trimEnd()
        .replace(/^/gm, indent);
    } else {
      yield `${indent}${key}:`;
      yield* yamlLines(field, depth + 1);
    }
  }
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 3 <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function schemaJson(): string {
  const head = { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Values of the chart prow-operator' };
  return `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`;
}

function* tableRows({ properties = {} }: Schema, prefix: string): Generator<string> {
  for (const [key, field] of Object.entries(properties)) {
    const name = `${prefix}${key}`;
    if (field.properties !== undefined && field.default === undefined) {
      yield* tableRows(field, `${name}.`);
      continue;
    }
    const type = field.enum === undefined ? [field.type].flat().join(' or ') : field.enum.filter((value) => value !== '').join(', ');
    yield `| \`${name}\` | ${type} | \`${JSON.stringify(field.default)}\` | ${(field.description ?? '').replaceAll('|', '\\|')} |`;
  }
}

function readme(present: string): string {
  const start = present.indexOf(tableStart);
  const end = present.indexOf(tableEnd);
  if (start === -1 || end === -1) throw new Error(`${chart}/README.md has no "${tableStart}" or no "${tableEnd}"`);
  const table = ['| value | type | default | meaning |', '| --- | --- | --- | --- |', ...tableRows(schema, '')].join('\n');
  return `${present.slice(0, start)}${tableStart}\n\n${table}\n\n${present.slice(end)}`;
}

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** Every generated file, by its path from the root of the repository. */
export function chartFiles(): ReadonlyMap<string, string> {
  const files = new Map([
    [`${chart}/values.yaml`, valuesYaml()],
    [`${chart}/values.schema.json`, schemaJson()],
    [`${chart}/README.md`, readme(read(`${chart}/README.md`))],
    [`${crdChart}/templates/crds.yaml`, read(`${chart}/templates/crds.yaml`)],
  ]);
  for (const name of readdirSync(path.join(root, 'crds/generated'))) {
    for (const each of [chart, crdChart]) files.set(`${each}/files/crds/${name}`, read(`crds/generated/${name}`));
  }
  return files;
}

/** What is wrong with the files that are there, one line each. */
export function staleChartFiles(): readonly string[] {
  const wanted = chartFiles();
  const differing = [...wanted]
    .filter(([file, content]) => !isThere(file) || read(file) !== content)
    .map(([file]) => `${file} is not current`);
  const extra = [chart, crdChart]
    .flatMap((each) => readdirSync(path.join(root, each, 'files/crds')).map((name) => `${each}/files/crds/${name}`))
    .filter((file) => !wanted.has(file))
    .map((file) => `${file} is not generated any more`);
  return [...differing, ...extra];
}

const isThere = (file: string): boolean => readdirSync(path.join(root, path.dirname(file))).includes(path.basename(file));

function main(args: readonly string[]): number {
  if (args.includes('--check')) {
    const stale = staleChartFiles();
    for (const line of stale) console.error(`${line}: run \`npm run generate\``);
    return stale.length === 0 ? 0 : 1;
  }
  for (const [file, content] of chartFiles()) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), content);
  }
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
