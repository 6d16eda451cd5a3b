/**
 * The operator as a process of its own, on a sandbox, scraped by a real Prometheus: every metric of the reference arrives under its name
 * and type, every rule can be evaluated, and what goes wrong on purpose fires its alert and no other.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodics, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { operatorMetrics } from '../../tools/metricsReference.ts';
import { Program } from '../demo/processes.ts';
import { findPrograms } from './programs.ts';
import { Prometheus } from './prometheus.ts';
import { rules } from './rules.ts';

const programs = findPrograms();
const namespace = 'default';
const labels = { job: 'my-release', namespace: 'ci-system', pod: 'operator-0' };

describe.skipIf(programs === undefined)('the operator under Prometheus', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'prow-scrape-'));
  const undo: (() => Promise<void>)[] = [];
  let prometheus: Prometheus;
  let metricsUrl: string;

  beforeAll(async () => {
    const kubeconfig = path.join(folder, 'kubeconfig');
    const settings = path.join(folder, 'settings.yaml');
    writeFileSync(settings, `server: { host: 127.0.0.1, port: 0 }\nleaderElection: { namespace: ${namespace} }\n`);
    const sandbox = start('sandbox', ['sandbox', '--dir', path.join(folder, 'sandbox'), '--kubeconfig', kubeconfig]);
    await until('the sandbox is ready', () => said(sandbox).includes('Ctrl-C ends'));
    const operator = start('operator', ['run', '--kubeconfig', kubeconfig, '--settings', settings]);
    metricsUrl = await until('the operator serves metrics', () => /"Serving health and metrics","url":"([^"]+)"/.exec(said(operator))?.[1]);
    await until('the controllers run', () => said(operator).includes('Controllers run'));
    await apply(kubeconfig);
    prometheus = await Prometheus.start({
      program: programs?.prometheus ?? 'prometheus',
      folder: mkdtempSync(path.join(folder, 'prometheus-')),
      target: new URL(metricsUrl).host,
      labels,
    });
    undo.push(() => prometheus.stop());
  }, 60_000);

  afterAll(async () => {
    for (const step of undo.toReversed()) await step();
    rmSync(folder, { recursive: true });
  }, 30_000);

  function start(name: string, args: readonly string[]): Program {
    const program = Program.start(name, args, path.join(folder, `${name}.log`));
    undo.push(() => program.stop());
    return program;
  }

  /** One schedule that works, one whose runs fail, one that is no schedule, two configurations that contradict each other. */
  async function apply(kubeconfig: string): Promise<void> {
    const transport = new UndiciTransport(PooledKubeConfig.load({ path: kubeconfig }));
    undo.push(() => transport.close());
    const client = new KubeClient({ transport });
    const periodic = (name: string, cron: string, command: string): Promise<unknown> =>
      client.create(periodics, {
        apiVersion: 'prow.k8s.io/v1',
        kind: 'Periodic',
        metadata: { name, namespace },
        spec: {
          cron,
          jobTemplate: {
            spec: {
              agent: 'kubernetes',
              pod_spec: { restartPolicy: 'Never', containers: [{ name: 'test', image: 'busybox', command: [command] }] },
            },
          },
        },
      });
    await periodic('green', '@every 1s', 'true');
    await periodic('red', '@every 1s', 'false');
    await periodic('broken', '61 * * * *', 'true');
    for (const small of [1, 2]) {
      await client.create(pluginConfigs, {
        apiVersion: 'prow.k8s.io/v1',
        kind: 'PluginConfig',
        metadata: { name: `size-${small}`, namespace },
        spec: { repos: ['acme'], config: { size: { s: small } } },
      });
    }
    await until('three runs have failed', async () => {
      const { items } = await client.list(prowJobs, { namespace });
      return items.filter(({ status }) => status?.state === 'failure').length >= 3;
    });
  }

  it('shows exactly the metrics of the reference', async () => {
    const text = await (await fetch(`${metricsUrl}/metrics`)).text();
    const shown = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name ?? ''} ${type ?? ''}`);
    const listed = (await operatorMetrics()).map(({ name, type }) => `${name} ${type}`);
    expect(shown.sort()).toEqual([...listed].sort());
  });

  it('fires the alerts for what is wrong, and no other', async () => {
    const firing = await until('the failing schedule fires', async () => {
      const series = await prometheus.query('ALERTS{alertstate="firing"}');
      return series.length > 0 ? series : undefined;
    });
    const { job, namespace: releaseNamespace } = labels;
    expect(firing.map(({ metric }) => metric)).toEqual([
      {
        __name__: 'ALERTS',
        alertname: 'ProwPeriodicFailing',
        alertstate: 'firing',
        severity: 'warning',
        job,
        namespace: releaseNamespace,
        periodic: 'red',
        periodic_namespace: namespace,
      },
    ]);
  });

  it('makes those pending that need more time', async () => {
    const kinds = await until('both kinds are pending', async () => {
      const series = await prometheus.query('ALERTS{alertstate="pending",alertname="ProwConfigInvalid"}');
      return series.length === 2 ? series.map(({ metric }) => metric.kind).sort() : undefined;
    });
    expect(kinds).toEqual(['Periodic', 'PluginConfig']);
  });

  it('lets every rule be evaluated', async () => {
    const evaluated = await until('every rule has been evaluated', async () => {
      const all = await prometheus.rules();
      return all.every(({ health }) => health !== 'unknown') ? all : undefined;
    });
    expect(evaluated.map(({ name }) => name).sort()).toEqual(rules.map(({ alert, record }) => alert ?? record).sort());
    expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  it.each([
    ['max(leader_election_master_status)', 1],
    ['min(prow_operator_settings_last_reload_successful)', 1],
    ['sum(prow_periodics{state="stalled"})', 1],
    ['sum(operator_stalled_objects{kind="PluginConfig"})', 2],
    ['sum(metrics_collection_failures_total)', 0],
    ['sum(controller_runtime_reconcile_panics_total)', 0],
  ])('%s is %d', async (expr, value) => {
    await until(`${expr} is there`, async () => (await prometheus.query(expr)).some((series) => Number(series.value[1]) === value));
  });

  it.each([
    'sum(prowjobs{job_namespace="default",state="success",cluster="default"})',
    'sum(prowjob_state_transitions{state="failure"})',
    'sum(prow_job_runtime_seconds_count{last_state="pending",state="success"})',
    'sum(sinker_prow_jobs_existing)',
    'sum(sinker_pods_existing)',
    'sum(prowjob_pods{phase="finished"})',
    'max(nodejs_heap_size_limit_bytes)',
    'sum(reflector_objects{name="prowjobs"})',
  ])('%s is more than 0', async (expr) => {
    await until(`${expr} > 0`, async () => (await prometheus.query(`${expr} > 0`)).length > 0);
  });

  it('records what dashboards for upstream Prow ask for', async () => {
    const names = ['sinker_prow_jobs_cleaned', 'sinker_pods_removed', 'prow:reconcile_errors:ratio_15m', 'prow:prowjob_success:ratio_1d'];
    for (const name of names) {
      const series = await until(`${name} is recorded`, async () => {
        const found = await prometheus.query(name);
        return found.length > 0 ? found : undefined;
      });
      expect(series[0]?.metric).toMatchObject({ job: labels.job, namespace: labels.namespace });
    }
  });
});

/** What it has written lately. Throws when it has ended: then waiting is in vain. */
function said(program: Program): string {
  const text = program.tail(20);
  if (!program.running) throw new Error(`${program.name} ended with ${program.ending}: ${text}`);
  return text;
}

/** Asks again until there is an answer. Rejects after 30 s. */
async function until<T>(what: string, ask: () => T | Promise<T>): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await wait(50);
  }
}
