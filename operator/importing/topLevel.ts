/**
 * The keys at the top of a file: which ones hold periodics, which are other kinds of jobs, which are the business of the installation. All
 * that is not converted is named.
 */
import type { Findings } from './findings.ts';
import { unknownField } from './fit.ts';
import { child, entriesOf, itemsOf, textOf, type MapTree, type Tree } from './tree.ts';

const jobKeys = ['periodics', 'presets', 'presubmits', 'postsubmits', 'prow_ignored'] as const;
/** Keys of the main configuration that say something about periodics, and are read elsewhere. */
const readFromMain = ['plank', 'decorate_all_jobs', 'prowjob_default_entries'] as const;
/** Keys of the main configuration that say nothing about single jobs. */
const installationKeys = [
  ...['tide', 'sinker', 'deck', 'branch-protection', 'gerrit', 'github_reporter', 'horologium', 'slack_reporter_configs', 'scheduler'],
  ...['in_repo_config', 'gangway', 'moonraker', 'jenkins_operators', 'prowjob_namespace', 'pod_namespace', 'log_level', 'push_gateway'],
  ...['owners_dir_denylist', 'pubsub_subscriptions', 'pubsub_triggers', 'github', 'status_error_link', 'managed_webhooks'],
  ...['disabled_clusters', 'config_version_sha', 'default_job_timeout'],
] as const;

/** What the installation keeps in its settings here, by the key of Prow. */
const inSettings: ReadonlyMap<string, string> = new Map([
  ['pod_namespace', 'the settings of the operator say where pods run: podNamespace'],
  ['sinker', 'the settings of the operator say how long runs and pods are kept: cleanup'],
  ['horologium', 'slots start when they are due here, there is no tick'],
  ['default_job_timeout', 'nothing in Prow reads it'],
]);
const readFromPlank: ReadonlySet<string> = new Set([
  ...['default_decoration_configs', 'default_decoration_config_entries'],
  ...['pod_pending_timeout', 'pod_running_timeout', 'pod_unscheduled_timeout'],
]);
const plankInSettings: ReadonlyMap<string, string> = new Map([
  ['job_queue_capacities', 'the settings of the operator hold the capacity of each queue: a job that names one waits until they do'],
  ['max_concurrency', 'the settings of the operator hold the limit for all runs: prowJobs.maxConcurrency'],
  ['max_revivals', 'the settings of the operator say how often a pod is replaced: prowJobs.maxRevivals'],
]);

export interface OtherJobs {
  readonly presubmits: number;
  readonly postsubmits: number;
}

/** Says what is not read of a file. */
export function remarkOnFile(root: MapTree, isMain: boolean, findings: Findings): OtherJobs {
  for (const [key, { place, value }] of root.entries) {
    const add = (kind: 'leftOut' | 'note', reason: string): void => findings.add(kind, place, '', key, reason);
    if (isOneOf(jobKeys, key)) {
      if (key === 'prow_ignored') add('note', 'Prow passes over it as well');
      if (key === 'periodics' && value.kind !== 'list' && textOf(value) !== undefined) add('leftOut', 'must be a list of jobs');
    } else if (isOneOf(readFromMain, key)) {
      if (!isMain) add('leftOut', 'counts in the main configuration only; give that file with --config');
      else if (key === 'plank') remarkOnPlank(value, findings);
    } else if (isOneOf(installationKeys, key)) add('note', inSettings.get(key) ?? 'is about the installation, not about a job');
    else add('leftOut', unknownField(key, [...jobKeys, ...readFromMain, ...installationKeys]));
  }
  return {
    presubmits: nameOthers(child(root, 'presubmits'), 'presubmits', findings),
    postsubmits: nameOthers(child(root, 'postsubmits'), 'postsubmits', findings),
  };
}

const isOneOf = (keys: readonly string[], key: string): boolean => keys.includes(key);

function remarkOnPlank(plank: Tree, findings: Findings): void {
  for (const [key, { place }] of entriesOf(plank)) {
    if (key.startsWith('pod_') && readFromPlank.has(key)) {
      findings.add('note', place, '', `plank.${key}`, 'becomes spec.timeouts of each job whose decoration does not say otherwise');
    }
    if (readFromPlank.has(key)) continue;
    findings.add('note', place, '', `plank.${key}`, plankInSettings.get(key) ?? 'is about the installation, not about a job');
  }
}

function nameOthers(kind: Tree | undefined, title: string, findings: Findings): number {
  let count = 0;
  for (const [repo, { place, value }] of entriesOf(kind)) {
    const names = itemsOf(value).map((item) => textOf(child(item, 'name')) ?? '(without a name)');
    count += names.length;
    if (names.length > 0) findings.add('note', place, '', `${title}[${repo}]`, `not periodics, and not converted: ${names.join(', ')}`);
  }
  return count;
}
