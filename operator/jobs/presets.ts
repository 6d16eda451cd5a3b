/**
 * Presets: environment, volumes, mounts and tolerations that jobs get by their labels. A preset that contradicts what the job says is
 * a problem and never a silent override; what is there already in the same words is left as it is, so applying twice is applying once.
 * Pure.
 */
import type { JobContainer, JobEnvVar, JobPodSpec } from '../../crds/v1/podSpec.ts';
import { sameJson } from './statusPatch.ts';

type Fields = Readonly<Record<string, unknown>>;
type Named = Fields & { readonly name: string };

export interface Preset {
  /** The job must have every one of these labels. None: every job with a pod. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly JobEnvVar[];
  readonly volumes?: readonly Named[];
  readonly volumeMounts?: readonly (Named & { readonly mountPath: string })[];
  readonly tolerations?: readonly Fields[];
}

export interface PresetProblem {
  /** What is there twice, such as containers[0].env. A path below the pod spec. */
  readonly path: string;
  /** Names the preset, the entry and what to do. */
  readonly message: string;
}

export interface PresetResult {
  /** With every preset applied that fits without a contradiction. The input is not changed. */
  readonly podSpec: JobPodSpec;
  readonly problems: readonly PresetProblem[];
}

type Labels = Readonly<Record<string, string>>;

/** Applies every preset whose labels the job has, in order. Lists of the pod spec that are no lists are left alone: they are refused elsewhere. */
export function applyPresets(podSpec: JobPodSpec, labels: Labels, presets: readonly Preset[]): PresetResult {
  const problems: PresetProblem[] = [];
  const chosen = presets.filter((preset) => isMeant(preset, labels));
  const applied = chosen.reduce((spec, preset) => applyPreset(spec, preset, problems), podSpec);
  return { podSpec: applied, problems };
}

/** A preset as messages name it. */
export const presetTitle = ({ labels }: Preset): string => {
  const entries = Object.entries(labels ?? {});
  return entries.length === 0 ? 'the preset for all jobs' : `preset ${entries.map(([key, value]) => `${key}=${value}`).join(', ')}`;
};

/** Pairs of label and value that more than one preset asks for: which of them is meant would depend on their order. */
export function repeatedPresetLabels(presets: readonly Preset[]): readonly { readonly index: number; readonly pair: string }[] {
  const seen = new Set<string>();
  return presets.flatMap(({ labels }, index) =>
    Object.entries(labels ?? {}).flatMap(([key, value]) => {
      const pair = `${key}: ${value}`;
      if (seen.has(pair)) return [{ index, pair }];
      seen.add(pair);
      return [];
    }),
  );
}

const isMeant = (preset: Preset, labels: Labels): boolean =>
  Object.entries(preset.labels ?? {}).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);

function applyPreset(podSpec: JobPodSpec, preset: Preset, problems: PresetProblem[]): JobPodSpec {
  const add = (path: string, own: unknown, entries: readonly Named[] | undefined): readonly Named[] | undefined =>
    addNamed({ path, own, title: presetTitle(preset), problems }, entries ?? []);
  const containers = podSpec.containers.map((container, index): JobContainer =>
    isObject(container)
      ? {
          ...container,
          ...field('env', add(`containers[${index}].env`, container.env, preset.env as readonly Named[] | undefined)),
          ...field('volumeMounts', add(`containers[${index}].volumeMounts`, container.volumeMounts, preset.volumeMounts)),
        }
      : container,
  );
  return {
    ...podSpec,
    containers,
    ...field('volumes', add('volumes', podSpec.volumes, preset.volumes)),
    ...field('tolerations', addTolerations(podSpec.tolerations, preset.tolerations ?? [])),
  };
}

interface Target {
  readonly path: string;
  readonly own: unknown;
  readonly title: string;
  readonly problems: PresetProblem[];
}

/** Undefined when there is nothing to add. */
function addNamed({ path, own, title, problems }: Target, entries: readonly Named[]): readonly Named[] | undefined {
  if (own !== undefined && !Array.isArray(own)) return undefined;
  const before = (own ?? []) as readonly Named[];
  const missing = entries.filter((entry) => {
    const present = before.find((candidate) => isObject(candidate) && candidate.name === entry.name);
    if (present === undefined) return true;
    if (!sameJson(present, entry)) {
      const message = `${title} and the job itself both set ${JSON.stringify(entry.name)}; rename or remove one of them`;
      problems.push({ path, message });
    }
    return false;
  });
  return missing.length === 0 ? undefined : [...before, ...missing];
}

function addTolerations(own: unknown, entries: readonly Fields[]): readonly Fields[] | undefined {
  if (own !== undefined && !Array.isArray(own)) return undefined;
  const before = (own ?? []) as readonly Fields[];
  const missing = entries.filter((entry) => !before.some((present) => sameJson(present, entry)));
  return missing.length === 0 ? undefined : [...before, ...missing];
}

/** What a job says itself has been checked by nobody. */
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

const field = (name: string, value: readonly Fields[] | undefined): object => (value === undefined ? {} : { [name]: value });
