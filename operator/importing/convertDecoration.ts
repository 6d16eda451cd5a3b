/** What a job takes from the defaults of the installation: decoration, prowjob_defaults, deadlines of pods, presets. */
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import { decorationDefaultsFor, mergeDecoration } from '../jobs/decorationDefaults.ts';
import { applyPresets } from '../jobs/presets.ts';
import { mergedProwJobDefaults, podTimeouts, type InstallationDefaults } from './defaults.ts';
import type { JobFindings } from './findings.ts';
import { fitField, fitPodPart, fitTexts } from './fit.ts';
import { givenField, subjectOf, type Given } from './given.ts';
import { booleanOf, child, mapOf, scalar, textOf, toJson, treeOf, type Entry, type Place, type Tree } from './tree.ts';

/** Undefined for a job that is not decorated. */
export function decorationOf(given: Given, defaults: InstallationDefaults): Tree | undefined {
  const { job } = given;
  const entry = givenField(given, 'decoration_config');
  const own = entry === undefined ? undefined : fitField(entry.value, 'decoration_config', { job, field: 'decoration_config' });
  const decorate = givenField(given, 'decorate');
  job.keepRemarks(decorate?.value);
  if (isDecorated(decorate, defaults, job)) {
    const place = entry?.place ?? decorate?.place ?? given.place;
    if (!defaults.isKnown) job.leaveOut(decorate?.place ?? place, 'decorate', defaultsMissing);
    return withDefaults({ given, own, place }, defaults);
  }
  if (entry !== undefined) job.note(entry.place, 'decoration_config', decoratedAnyway);
  return own;
}

function isDecorated(decorate: Entry | undefined, defaults: InstallationDefaults, job: JobFindings): boolean {
  const asked = booleanOf(decorate?.value);
  if (decorate !== undefined && asked === undefined) job.refuse(decorate.place, 'decorate', 'must be true or false');
  return asked ?? defaults.decorateAllJobs;
}

const defaultsMissing =
  'takes the defaults of plank, which are in the main configuration: give it with --config, else only what the job itself says is written';
const decoratedAnyway = 'is there although decorate is not set: Prow decorates such a job, without its defaults, and so does this manifest';

interface Own {
  readonly given: Given;
  readonly own: Tree | undefined;
  readonly place: Place;
}

function withDefaults({ given, own, place }: Own, defaults: InstallationDefaults): Tree {
  const ownJson = own === undefined ? undefined : (toJson(own) as DecorationConfig);
  const merged = mergeDecoration(ownJson, decorationDefaultsFor(subjectOf(given), defaults.decoration)) ?? {};
  const after = new Map(Object.entries(merged.gcs_configuration?.mediaTypes ?? {}));
  for (const [extension, type] of Object.entries(ownJson?.gcs_configuration?.mediaTypes ?? {})) {
    const now = after.get(extension);
    if (now === type || now === undefined) continue;
    const reason = `${JSON.stringify(type)} becomes ${JSON.stringify(now)}: for media types, Prow lets the default win over the job`;
    given.job.note(place, `decoration_config.gcs_configuration.mediaTypes[${extension}]`, reason);
  }
  return treeOf(merged, own, place);
}

export function prowJobDefaultsOf(given: Given, defaults: InstallationDefaults): Tree | undefined {
  const { job } = given;
  const entry = givenField(given, 'prowjob_defaults');
  const own = entry === undefined ? undefined : fitField(entry.value, 'prowjob_defaults', { job, field: 'prowjob_defaults' });
  if (own !== undefined && own.kind !== 'map') return own;
  const ownJson = own === undefined ? undefined : (toJson(own) as Readonly<Record<string, unknown>>);
  const merged = mergedProwJobDefaults(ownJson, subjectOf(given), defaults.prowJobs);
  return merged === undefined ? undefined : treeOf(merged, own, entry?.place ?? given.place);
}

/** The deadlines of plank, where the decoration of the job does not say otherwise. */
export function timeoutsOf(given: Given, decoration: Tree | undefined, defaults: InstallationDefaults): Tree | undefined {
  const timeouts = [...defaults.timeouts].flatMap(([name, value]): readonly [string, Tree][] =>
    child(decoration, podTimeouts.get(name) ?? '') === undefined ? [[name, scalar(textOf(value) ?? '', value.place)]] : [],
  );
  return timeouts.length === 0 ? undefined : mapOf(Object.fromEntries(timeouts), given.place);
}

/** The pod with the presets that the labels of the job choose. Undefined when there is none: the job is refused then. */
export function podSpecOf(given: Given, defaults: InstallationDefaults): Tree | undefined {
  const { job } = given;
  const entry = givenField(given, 'spec');
  if (entry === undefined) {
    if (!job.isRefused) job.refuse(given.place, 'spec', 'is missing: a job of the agent kubernetes needs a pod; Prow refuses it as well');
    return undefined;
  }
  const fitted = fitPodPart(entry.value);
  const containers = child(fitted, 'containers');
  if (containers?.kind !== 'list' || !containers.items.every(({ kind }) => kind === 'map')) return fitted;
  const podSpec = toJson(fitted) as JobPodSpec;
  const labels = givenField(given, 'labels');
  const labelsJson = labels === undefined ? {} : (toJson(fitTexts(labels.value)) as Readonly<Record<string, string>>);
  const applied = applyPresets(podSpec, labelsJson, defaults.presets);
  for (const { path, message } of applied.problems) job.refuse(entry.place, `spec.${path}`, message);
  return applied.podSpec === podSpec ? fitted : treeOf(applied.podSpec, fitted, entry.place);
}
