/**
 * Prow's configuration in, manifests of Periodics out. Pure: the caller reads the files and writes the manifests. A manifest is only handed out
 * when it passes the checks that a cluster and the reconcilers would make; what is wrong is told at the line of the configuration.
 */
import { validateManifests, type ValidationProblem } from '../../crds/validate.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { checkPeriodic, type SemanticProblem } from '../jobs/semanticChecks.ts';
import type { ProwSchedule } from './compareSlots.ts';
import { convertJob, type ConvertedJob } from './convertJob.ts';
import { readDefaults } from './defaults.ts';
import { lookUp } from './fit.ts';
import { Findings, JobFindings, type Finding } from './findings.ts';
import { periodicNames } from './names.ts';
import { readConfig, type ConfigFile, type ConfigProblem, type ReadConfig } from './readConfig.ts';
import { remarkOnFile } from './topLevel.ts';
import { child, itemsOf, mapOf, scalar, textOf, type MapTree, type Place, type Tree } from './tree.ts';
import { writeManifest } from './writeManifest.ts';

export interface ImportInput {
  readonly files: readonly ConfigFile[];
  /** Prow's main configuration: defaults for all jobs, and possibly jobs. */
  readonly main?: ConfigFile;
}

export interface ImportOptions {
  readonly namespace?: string;
  readonly namePrefix: string;
}

export interface ImportedPeriodic {
  readonly job: string;
  /** metadata.name of the manifest. */
  readonly name: string;
  readonly place: Place;
  readonly manifest: string;
  /** What the configuration says about time, untouched. */
  readonly schedule: ProwSchedule;
}

export interface ImportCounts {
  readonly periodics: number;
  readonly presubmits: number;
  readonly postsubmits: number;
}

export interface ImportResult {
  /** Files that cannot be read. With any of them nothing is imported. */
  readonly problems: readonly ConfigProblem[];
  readonly periodics: readonly ImportedPeriodic[];
  /** In the order of files and lines. */
  readonly findings: readonly Finding[];
  /** How many jobs there were. */
  readonly counts: ImportCounts;
}

/** A job of the configuration on its way to a manifest. */
interface Draft {
  readonly tree: MapTree;
  readonly job: JobFindings;
  readonly converted: ConvertedJob;
}

interface Written extends Draft {
  readonly name: string;
  readonly object: MapTree;
  readonly manifest: string;
}

export function importPeriodics({ files, main }: ImportInput, options: ImportOptions): ImportResult {
  const mainConfig = main === undefined ? undefined : readConfig(main);
  const configs = [...(mainConfig === undefined ? [] : [mainConfig]), ...files.map(readConfig)];
  const problems = configs.flatMap((config) => config.problems);
  if (problems.length > 0) return { problems, periodics: [], findings: [], counts: { periodics: 0, presubmits: 0, postsubmits: 0 } };

  const findings = new Findings();
  const roots = configs.flatMap(({ root }) => root ?? []);
  const others = roots.map((root) => remarkOnFile(root, root === mainConfig?.root, findings));
  for (const config of configs) remarkOnReading(config, findings);
  const jobs = roots.flatMap((root) => itemsOf(child(root, 'periodics')));
  const drafts = convertAll(jobs, roots, mainConfig?.root, findings);
  const written = validated(writeAll(drafts, options), findings);
  const order = new Map(configs.map(({ file }, index) => [file, index]));
  return {
    problems: [],
    periodics: written.map(({ job, name, tree, manifest }) => ({
      job: job.job,
      name,
      place: tree.place,
      manifest,
      schedule: scheduleOf(tree),
    })),
    findings: [...findings.all].sort(
      (a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
    ),
    counts: { periodics: jobs.length, presubmits: sum(others, 'presubmits'), postsubmits: sum(others, 'postsubmits') },
  };
}

const sum = <K extends string>(counts: readonly Readonly<Record<K, number>>[], key: K): number =>
  counts.reduce((total, count) => total + count[key], 0);

function remarkOnReading({ root, remarks }: ReadConfig, findings: Findings): void {
  const jobs = itemsOf(child(root, 'periodics'));
  for (const { kind, place, path, reason } of remarks) {
    const [, index, field = ''] = /^periodics\[(\d+)\]\.?(.*)$/.exec(path) ?? [];
    const job = index === undefined ? '' : (textOf(child(jobs[Number(index)], 'name')) ?? '');
    findings.add(kind, place, job, index === undefined ? path : field, reason);
  }
}

function convertAll(jobs: readonly Tree[], roots: readonly Tree[], main: Tree | undefined, findings: Findings): readonly Draft[] {
  const defaults = readDefaults(main, roots, findings);
  const seen = new Map<string, Place>();
  return jobs.flatMap((tree): readonly Draft[] => {
    const name = textOf(lookUp(tree, 'name')) ?? '';
    const job = new JobFindings(findings, name);
    const first = seen.get(name);
    if (tree.kind !== 'map') job.refuse(tree.place, '', 'is not a job: a periodic is a map with at least name, spec and a schedule');
    else if (first !== undefined && name !== '') {
      job.refuse(tree.place, 'name', `there is a job of this name at ${first.file}:${first.line}; Prow refuses it as well`);
    } else {
      seen.set(name, tree.place);
      const converted = convertJob(tree, defaults, job);
      if (converted !== undefined) return [{ tree, job, converted }];
    }
    return [];
  });
}

function writeAll(drafts: readonly Draft[], { namespace, namePrefix }: ImportOptions): readonly Written[] {
  const names = periodicNames(
    drafts.map(({ job }) => job.job),
    namePrefix,
  );
  const taken = new Set<string>();
  return drafts.flatMap((draft, index) => {
    const { tree, converted, job } = draft;
    const { place } = tree;
    const name = names[index] ?? '';
    if (taken.has(name)) {
      job.refuse(place, 'name', `another job is called ${name} as well once it has a valid name; rename one of them`);
      return [];
    }
    taken.add(name);
    const metadata = {
      name: scalar(name, place),
      namespace: namespace === undefined ? undefined : scalar(namespace, place),
      annotations: converted.annotations,
    };
    const object = mapOf(
      { apiVersion: scalar(apiVersion, place), kind: scalar('Periodic', place), metadata: mapOf(metadata, place), spec: converted.spec },
      place,
    );
    return [{ ...draft, name, object, manifest: writeManifest(object, converted.heading) }];
  });
}

/** Those that a cluster would take and the operator would carry out. */
function validated(written: readonly Written[], findings: Findings): readonly Written[] {
  const byName = new Map(written.map((one) => [one.name, one]));
  const sources = written.map(({ name, manifest }) => ({ file: name, text: manifest }));
  for (const problem of validateManifests(sources, { Periodic: [checkMeaning] }).problems) {
    const one = byName.get(problem.file);
    if (one !== undefined) tell(problem, one);
  }
  remarkOnAll(written, findings);
  return written.filter(({ job }) => !job.isRefused);
}

/** Problems with these fields are about what the operator can do, not about what the manifest says: it is right as it is. */
const aboutOperator = /^spec\.jobTemplate\.spec\.(decoration_config|extra_refs)\b/;

/** What the reconcilers would say. A job that they cannot run yet comes over all the same. */
const checkMeaning = (periodic: Periodic): readonly SemanticProblem[] =>
  checkPeriodic(periodic).map((problem) =>
    problem.severity === 'warning' || !aboutOperator.test(problem.path)
      ? problem
      : { ...problem, severity: 'warning', message: `is carried over, but the operator ends such a run: ${problem.message}` },
  );

function tell({ path, message, severity }: ValidationProblem, { object, job }: Written): void {
  const place = placeOf(object, path);
  const field = fieldOfJob(path);
  if (severity === 'error') job.refuse(place, field, message);
  else if (path !== '') job.warn(place, field, message);
}

/** Where a path of the manifest stands in the configuration. */
function placeOf(object: Tree, path: string): Place {
  let at: Tree = object;
  let { place } = object;
  for (const [, index, key] of path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)) {
    const entry = at.kind === 'map' && key !== undefined ? at.entries.get(key) : undefined;
    const next = index === undefined ? entry?.value : itemsOf(at)[Number(index)];
    if (next === undefined) break;
    at = next;
    ({ place } = entry ?? next);
  }
  return place;
}

/** The longest first. */
const namesInProw: readonly (readonly [RegExp, string])[] = [
  [/^spec\.jobTemplate\.spec\.pod_spec\b/, 'spec'],
  [/^spec\.jobTemplate\.(spec|metadata)\.?/, ''],
  [/^spec\.minimumInterval\b/, 'minimum_interval'],
  [/^spec\.retry\.delay\b/, 'retry.interval'],
  [/^spec\.?/, ''],
];

function fieldOfJob(path: string): string {
  const [pattern, name] = namesInProw.find(([candidate]) => candidate.test(path)) ?? [];
  return pattern === undefined ? path : path.replace(pattern, name ?? '');
}

/** What is the same for many jobs is said once. */
function remarkOnAll(written: readonly Written[], findings: Findings): void {
  const kept = written.filter(({ job }) => !job.isRefused);
  const intervals = kept.filter(({ tree }) => scheduleOf(tree).cron === undefined);
  const [first] = intervals;
  if (first !== undefined) {
    const who = intervals.length === 1 ? '1 job with an interval starts' : `${intervals.length} jobs with an interval start`;
    findings.add('note', first.tree.place, '', 'interval', `${who} at once when the manifest is applied, as a new job does in Prow`);
  }
  remarkOnNames(kept, 'cluster', (names) => `each needs a BuildCluster of that alias, or its runs wait: ${names}`, findings);
  remarkOnNames(
    kept,
    'job_queue_name',
    (names) => `each needs a capacity in the settings of the operator, or its runs wait: ${names}`,
    findings,
  );
}

function remarkOnNames(written: readonly Written[], field: string, reason: (names: string) => string, findings: Findings): void {
  const users = written.flatMap(({ tree }) => {
    const name = textOf(lookUp(tree, field)) ?? '';
    return name === '' || name === 'default' ? [] : [{ name, tree }];
  });
  const [first] = users;
  if (first === undefined) return;
  const names = [...new Set(users.map(({ name }) => name))].sort().join(', ');
  findings.add('note', first.tree.place, '', field, reason(names));
}

function scheduleOf(tree: MapTree): ProwSchedule {
  const cron = textOf(lookUp(tree, 'cron'));
  const interval = textOf(lookUp(tree, 'interval'));
  const minimumInterval = textOf(lookUp(tree, 'minimum_interval'));
  if (cron !== undefined && cron !== '') return { cron };
  if (interval !== undefined && interval !== '') return { interval };
  return minimumInterval === undefined ? {} : { minimumInterval };
}
