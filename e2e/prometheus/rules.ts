/** The rule files of the chart, as data. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export const repository = path.join(import.meta.dirname, '..', '..');
const folder = path.join(repository, 'charts/prow-operator/files/rules');

export const ruleFiles: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .sort()
  .map((file) => path.join(folder, file));

export const ruleGroups: readonly RuleGroup[] = ruleFiles.flatMap(
  (file) => (parse(readFileSync(file, 'utf8')) as { readonly groups: readonly RuleGroup[] }).groups,
);

export const rules: readonly Rule[] = ruleGroups.flatMap((group) => group.rules);

export const alerts: readonly (Rule & { readonly alert: string })[] = rules.filter((rule) => rule.alert !== undefined) as readonly (Rule & {
  readonly alert: string;
})[];
