/**
 * Writes docs/reference/metrics.md from the metrics that a fully wired operator registers. With --check nothing is written; the exit code
 * says whether the page is current. Nothing is connected and nothing runs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { defaultSettings } from '../operator/config/loadSettings.ts';
import { setUpControllers } from '../operator/commands/controllers.ts';
import { processMetrics } from '../operator/commands/processMetrics.ts';
import { realClock } from '../operator/runtime/clock.ts';
import { silentLogger } from '../operator/runtime/logger.ts';
import { OperatorKit } from '../operator/runtime/operatorKit.ts';

export interface MetricEntry {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  /** Without le. */
  readonly labels: readonly string[];
  readonly help: string;
}

/** Everything the operator shows under /metrics, by name. */
export async function operatorMetrics(): Promise<readonly MetricEntry[]> {
  const metrics = processMetrics({ version: '0.0.0', areSettingsHealthy: () => true });
  const kit = new OperatorKit({
    name: 'prow-operator',
    identity: 'reference',
    access: { access: () => Promise.reject(new Error('the reference of metrics connects to nothing')) },
    clock: realClock,
    logger: silentLogger,
    metrics,
    lease: { namespace: 'default', name: 'prow-operator' },
  });
  const settings = defaultSettings();
  setUpControllers(kit, { settings: () => settings });
  const labels = new Map(metrics.registry.getMetricsAsArray().map((metric) => [metric.name, labelsOf(metric)]));
  const all = (await metrics.registry.getMetricsAsJSON()) as unknown as readonly Omit<MetricEntry, 'labels'>[];
  return all
    .map(({ name, type, help }) => ({ name, type, help, labels: labels.get(name) ?? [] }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** prom-client keeps them, and does not say so in its types. */
const labelsOf = (metric: object): readonly string[] => (metric as { readonly labelNames?: readonly string[] }).labelNames ?? [];

/** Chapters, by how the names of their metrics begin. The first that fits takes a metric. */
const chapters: readonly { readonly title: string; readonly about: string; readonly prefixes: readonly string[] }[] = [
  {
    title: 'Runs and their pods',
    about: 'How runs wait, start, run and end.',
    prefixes: ['prowjob', 'prow_job_'],
  },
  {
    title: 'Schedules',
    about:
      'What becomes of slots. A series that names a Periodic exists only while something is wrong with it; there are at most 200 of them for each metric.',
    prefixes: ['prow_periodic'],
  },
  {
    title: 'Build clusters',
    about: 'One series for each BuildCluster, by its namespace and alias; beyond a hundred the rest share `(others)`.',
    prefixes: ['prow_build_cluster', 'kubernetes_failed_client'],
  },
  { title: 'Other kinds', about: 'What users have to correct.', prefixes: ['prow_plugin_config', 'operator_stalled'] },
  {
    title: 'Archive',
    about: 'Logs and results on their way to where they are kept. All 0 where the settings name no archive.',
    prefixes: ['archive_'],
  },
  { title: 'Clean-up', about: 'What is deleted, and what should have been.', prefixes: ['cleanup_', 'sinker_'] },
  {
    title: 'The operator',
    about: 'Version, settings, leadership, Events.',
    prefixes: ['prow_operator_', 'leader_election_', 'events_', 'metrics_'],
  },
  {
    title: 'Caches and the API server',
    about: "One cache for each resource; the names of requests' metrics are client-go's.",
    prefixes: ['reflector_', 'rest_client_'],
  },
  {
    title: 'Controllers and queues',
    about:
      "The names are those of controller-runtime and client-go, so their dashboards work. `controller` and `name` are the operator's own controllers.",
    prefixes: ['controller_runtime_', 'workqueue_'],
  },
  { title: 'The process', about: 'As prom-client reports them, on Linux.', prefixes: ['process_', 'nodejs_'] },
];

/** For dashboards that come from upstream Prow. */
const upstream: readonly (readonly [theirs: string, here: string])[] = [
  ['`prowjobs`', 'the same, without `job_name`, `org`, `repo`, `base_ref` and `retest`: users decide how many of those there are'],
  [
    '`prowjob_state_transitions`',
    'the same, with `job_namespace`, `type` and `state`. Each transition counts once, also across a restart; `triggered` counts when a run is first looked at',
  ],
  ['`prow_job_runtime_seconds`', 'the same, with `type`, `last_state` and `state`'],
  ['`sinker_pods_existing`, `sinker_prow_jobs_existing`', 'the same'],
  [
    '`sinker_pods_removed`, `sinker_prow_jobs_cleaned`',
    'recording rules of the chart: what was deleted within the last hour. In the process: `cleanup_pods_deleted_total`, `cleanup_prowjobs_deleted_total`',
  ],
  [
    '`sinker_pod_removal_errors`, `sinker_prow_jobs_cleaning_errors`',
    '`controller_runtime_reconcile_errors_total{controller=~"cleanup-.*"}`',
  ],
  ['`sinker_loop_duration_seconds`', 'nothing loops: `cleanup_overdue_objects` says what is late'],
  ['`job_configmap_size`, `prow_configmap_size_bytes`', 'nothing: jobs are objects, not ConfigMaps'],
  [
    '`prow_job_labels`, `prow_job_annotations`',
    "nothing: users decide how many series those are. kube-state-metrics can make them of ProwJobs' labels",
  ],
  [
    'what upstream does not measure',
    'queue wait and how full limits are (`prowjob_queue_wait_seconds`, `prowjob_limit_*`), start latency (`prowjob_start_seconds`, `prowjob_pod_start_seconds`), attempts by cause (`prowjob_attempts_*`), schedules (`prow_periodic_*`), the health of build clusters (`prow_build_cluster_*`), the archive (`archive_*`)',
  ],
  ['`kubernetes_failed_client_creations`', 'the same; whether a cluster can be used now is `prow_build_cluster_up`'],
  ['`prow_version`', '`prow_operator_build_info`'],
  ['`workqueue_*`, `controller_runtime_*`, `rest_client_*`', 'the same'],
];

const pagePath = path.join(import.meta.dirname, '..', 'docs/reference/metrics.md');

/** The page as it should be. */
export async function metricsPage(): Promise<string> {
  const left = new Set(await operatorMetrics());
  const sections = chapters.map(({ title, about, prefixes }) => {
    const own = [...left].filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
    for (const metric of own) left.delete(metric);
    return `## ${title}\n\n${about}\n\n${table(own)}\n`;
  });
  if (left.size > 0) throw new Error(`These metrics belong to no chapter: ${[...left].map(({ name }) => name).join(', ')}`);
  return [intro, ...sections, upstreamSection].join('\n');
}

const intro = `<!-- Written by tools/metricsReference.ts from the code. Do not edit. -->

# Metrics

Served at \`/metrics\` (port 8080 unless \`server.port\` says otherwise) by every replica. "Leader only" means that the replicas that do not lead show
no series, or 0: a sum over all replicas counts everything once. Labels are bounded: states, types, reasons, namespaces, and clusters that
runs name. No label holds the name of a job, a run or a pod.

What to do with them: the chart brings [alerts](../runbooks/README.md), recording rules and a Grafana dashboard
(\`metrics.prometheusRule.enabled\`, \`metrics.dashboards.enabled\`).
`;

const upstreamSection = `## Coming from Prow

| upstream | here |
|---|---|
${upstream.map(([theirs, here]) => `| ${theirs} | ${here} |`).join('\n')}
`;

function table(metrics: readonly MetricEntry[]): string {
  const rows = metrics.map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${names} | ${escape(help)} |`;
  });
  return ['| name | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

const escape = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

async function main(args: readonly string[]): Promise<number> {
  const page = await metricsPage();
  if (!args.includes('--check')) {
    writeFileSync(pagePath, page);
    return 0;
  }
  // Elsewhere Node reports fewer figures about its process.
  if (process.platform !== 'linux' || readFileSync(pagePath, 'utf8') === page) return 0;
  console.error('docs/reference/metrics.md is not current: run `node tools/metricsReference.ts`');
  return 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
