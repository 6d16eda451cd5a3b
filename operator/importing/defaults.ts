/**
 * What an installation says about all its jobs: presets of any file, and of the main configuration the defaults of decoration, of
 * prowjob_defaults, and the deadlines of pods.
 */
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import type { DecorationDefault, DecorationSubject } from '../jobs/decorationDefaults.ts';
import { repeatedPresetLabels, type Preset } from '../jobs/presets.ts';
import { fitField, fitPodPart, fitTexts, knownAs, unknownField } from './fit.ts';
import { JobFindings, type Findings } from './findings.ts';
import { booleanOf, child, entriesOf, isNull, itemsOf, textOf, toJson, type Tree } from './tree.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ProwJobDefault {
  readonly repo: string | undefined;
  readonly cluster: string | undefined;
  readonly config: Fields;
}

export interface InstallationDefaults {
  /** A main configuration was given; without one, what a job leaves to it is not known. */
  readonly isKnown: boolean;
  readonly decorateAllJobs: boolean;
  readonly decoration: readonly DecorationDefault[];
  readonly prowJobs: readonly ProwJobDefault[];
  /** plank.pod_*_timeout by the name of the field in spec.timeouts. */
  readonly timeouts: ReadonlyMap<string, Tree>;
  readonly presets: readonly Preset[];
}

/** The deadlines of plank, by what they are called here. */
export const podTimeouts: ReadonlyMap<string, string> = new Map([
  ['unscheduled', 'pod_unscheduled_timeout'],
  ['pending', 'pod_pending_timeout'],
  ['running', 'pod_running_timeout'],
]);

export function readDefaults(main: Tree | undefined, files: readonly Tree[], findings: Findings): InstallationDefaults {
  const plank = child(main, 'plank');
  return {
    isKnown: main !== undefined,
    decorateAllJobs: booleanOf(child(main, 'decorate_all_jobs')) ?? false,
    decoration: decorationDefaults(plank, findings),
    prowJobs: itemsOf(child(main, 'prowjob_default_entries')).map((entry) => ({
      repo: textOf(child(entry, 'repo')),
      cluster: textOf(child(entry, 'cluster')),
      config: fitted(child(entry, 'config'), 'prowjob_defaults', 'prowjob_default_entries', findings),
    })),
    timeouts: new Map(
      [...podTimeouts].flatMap(([ours, theirs]) => {
        const value = child(plank, theirs);
        return value === undefined ? [] : [[ours, value] as const];
      }),
    ),
    presets: readPresets(files, findings),
  };
}

function decorationDefaults(plank: Tree | undefined, findings: Findings): readonly DecorationDefault[] {
  const listed = child(plank, 'default_decoration_config_entries');
  const mapped = child(plank, 'default_decoration_configs');
  if (listed !== undefined && mapped !== undefined) {
    const reason = 'stands beside default_decoration_configs; Prow refuses both together, and here the list counts for nothing';
    findings.add('leftOut', listed.place, '', 'plank.default_decoration_config_entries', reason);
  }
  const configOf = (tree: Tree | undefined, field: string): DecorationConfig => fitted(tree, 'decoration_config', field, findings);
  if (mapped !== undefined) {
    const entries = entriesOf(mapped).map(([repo, { value }]) => ({
      repo,
      config: configOf(value, `plank.default_decoration_configs[${repo}]`),
    }));
    return entries.sort((a, b) => breadth(a.repo) - breadth(b.repo));
  }
  return itemsOf(listed).map((entry, index) => {
    const [repo, cluster] = [textOf(child(entry, 'repo')), textOf(child(entry, 'cluster'))];
    const config = configOf(child(entry, 'config'), `plank.default_decoration_config_entries[${index}].config`);
    return { ...(repo === undefined ? {} : { repo }), ...(cluster === undefined ? {} : { cluster }), config };
  });
}

/** The order in which the keys of the map count: all, then orgs, then repositories. */
const breadth = (repo: string): number => (repo === '*' ? 0 : repo.includes('/') ? 2 : 1);

function fitted(tree: Tree | undefined, name: string, field: string, findings: Findings): Fields {
  if (tree?.kind !== 'map') return {};
  const fields = toJson(fitField(tree, name, { job: new JobFindings(findings, ''), field }));
  return isFields(fields) ? fields : {};
}

const presetFields = ['labels', 'env', 'volumes', 'volumeMounts', 'tolerations'] as const;

function readPresets(files: readonly Tree[], findings: Findings): readonly Preset[] {
  const trees = files.flatMap((file) => itemsOf(child(file, 'presets')));
  const presets = trees.map((tree) => readPreset(tree, findings));
  for (const { index, pair } of repeatedPresetLabels(presets)) {
    const reason = `${pair} is the label of an earlier preset as well; Prow refuses that, and here both are applied`;
    findings.add('warning', trees[index]?.place ?? { file: '', line: 1, column: 1 }, '', 'presets', reason);
  }
  return presets;
}

function readPreset(tree: Tree, findings: Findings): Preset {
  const fields = new Map<string, unknown>();
  for (const [written, { place, value }] of entriesOf(tree)) {
    const name = knownAs(written, presetFields);
    if (isNull(value)) continue;
    if (name === undefined) findings.add('leftOut', place, '', `presets.${written}`, unknownField(written, presetFields));
    else if ((value.kind === 'map') === (name === 'labels') && value.kind !== 'scalar') {
      fields.set(name, toJson(name === 'labels' ? fitTexts(value) : fitPodPart(value)));
    } else findings.add('leftOut', place, '', `presets.${name}`, `must be a ${name === 'labels' ? 'map' : 'list'}`);
  }
  return Object.fromEntries(fields);
}

/** prowjob_defaults of a job: what it says itself, then the last matching entry that says anything. Undefined when nobody does. */
export function mergedProwJobDefaults(
  own: Fields | undefined,
  subject: DecorationSubject,
  defaults: readonly ProwJobDefault[],
): Fields | undefined {
  const matching = defaults.filter(
    ({ repo, cluster }) => isMeant(repo, [subject.repo, subject.repo.split('/')[0] ?? '']) && isMeant(cluster, [subject.cluster]),
  );
  const layers = [...matching.map(({ config }) => config), ...(own === undefined ? [] : [own])];
  return layers.length === 0 ? undefined : layers.reduce((before, layer) => merged(layer, before));
}

function merged(own: Fields, fallback: Fields): Fields {
  const fields = new Map(Object.entries(fallback));
  for (const [name, value] of Object.entries(own)) {
    const before = fields.get(name);
    if (value === '' || value === null) continue;
    fields.set(name, isFields(value) && isFields(before) ? merged(value, before) : value);
  }
  return Object.fromEntries(fields);
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const isMeant = (filter: string | undefined, values: readonly string[]): boolean =>
  filter === undefined || filter === '' || filter === '*' || values.includes(filter);
