/** The rules of the chart: complete, and each alert fires when it should and not when it should not. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { operatorCases } from './cases/operator.ts';
import { runCases } from './cases/runs.ts';
import { scheduleCases } from './cases/schedules.ts';
import { findPrograms } from './programs.ts';
import { promtoolFile } from './promtoolFile.ts';
import { alerts, repository, ruleFiles, ruleGroups, rules } from './rules.ts';

const programs = findPrograms();
const cases = [...scheduleCases, ...runCases, ...operatorCases];

/** What it printed, whether or not it was content. */
async function promtool(...args: readonly string[]): Promise<{ readonly ok: boolean; readonly output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(programs?.promtool ?? 'promtool', args);
    return { ok: true, output: stdout + stderr };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: stdout + stderr };
  }
}

describe('the rules', () => {
  it('have names of their own', () => {
    const names = [...ruleGroups.map(({ name }) => name), ...rules.map(({ alert, record }) => alert ?? record)];
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it.each(alerts)('$alert says how bad it is, what it means and what to do', ({ alert, labels, annotations }) => {
    expect(labels?.severity).toMatch(/^(critical|warning)$/);
    expect(Object.keys(annotations ?? {}).sort()).toEqual(['description', 'runbook_url', 'summary']);
    const runbook = `docs/runbooks/${alert}.md`;
    expect(annotations?.runbook_url).toBe(runbook);
    expect(existsSync(path.join(repository, runbook)), `${runbook} is missing`).toBe(true);
    const text = readFileSync(path.join(repository, runbook), 'utf8');
    for (const part of [`# ${alert}\n`, '## Meaning', '## Impact', '## Diagnosis', '## Mitigation']) expect(text).toContain(part);
  });

  it('look at this release only: each series is selected by the label that the chart replaces', () => {
    for (const { expr, alert, record } of rules) {
      const selectors = expr.match(/\b[a-z_0-9]+(?=\{)/g) ?? [];
      expect(selectors.length, alert ?? record).toBeGreaterThan(0);
      expect(expr.split('job="prow-operator"').length - 1, alert ?? record).toBe(selectors.length);
    }
  });

  it('are all in the table of cases, firing and quiet', () => {
    for (const { alert } of alerts) {
      const own = cases.filter((row) => row.alert === alert);
      expect([own.some((row) => row.fires.length > 0), own.some((row) => row.fires.length === 0)], alert).toEqual([true, true]);
    }
    expect(cases.filter((row) => !alerts.some(({ alert }) => alert === row.alert))).toEqual([]);
  });
});

describe.skipIf(programs === undefined)('promtool', () => {
  it('accepts the files', async () => {
    const { ok, output } = await promtool('check', 'rules', ...ruleFiles);
    expect(ok, output).toBe(true);
    expect(output.match(/SUCCESS/g)).toHaveLength(ruleFiles.length);
  });

  it(`finds that every alert fires and is quiet as the ${cases.length} cases say`, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'prow-rules-'));
    try {
      const file = path.join(folder, 'cases.yaml');
      writeFileSync(file, promtoolFile(cases));
      const { ok, output } = await promtool('test', 'rules', file);
      expect(ok, output).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
