/** Turns the table of cases into the file that `promtool test rules` reads. */
import { stringify } from 'yaml';
import type { AlertCase, Firing } from './alertCase.ts';
import { alerts, ruleFiles } from './rules.ts';

/** What the scrape adds to every series. Aggregation must take the last three away, or each replica would alert for itself. */
const target = { job: 'prow-operator', namespace: 'prow', pod: 'prow-0', instance: '10.0.0.1:8080', container: 'operator' };

export function promtoolFile(cases: readonly AlertCase[]): string {
  return stringify(
    { rule_files: ruleFiles, evaluation_interval: '1m', tests: cases.map((row) => testOf(row)) },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

function testOf({ alert, when, series, at, fires }: AlertCase): object {
  return {
    interval: '1m',
    name: `${alert}: ${when}`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: withTarget(name), values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: fires.map((firing) => expected(alert, firing)) }],
  };
}

function withTarget(series: string): string {
  const [, name = '', own = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
  const given = new Set(own.split(',').map((pair) => pair.split('=')[0]));
  const labels = Object.entries(target).filter(([label]) => !given.has(label));
  return `${name}{${[own, ...labels.map(([label, value]) => `${label}="${value}"`)].filter((part) => part !== '').join(',')}}`;
}

function expected(alert: string, { labels = {}, summary, description }: Firing): object {
  const rule = alerts.find((candidate) => candidate.alert === alert);
  const { job, namespace } = target;
  const all = Object.entries({ ...rule?.labels, job, namespace, ...labels });
  return {
    exp_labels: Object.fromEntries(all.filter(([, value]) => value !== '')),
    exp_annotations: { summary, description, runbook_url: `docs/runbooks/${alert}.md` },
  };
}
