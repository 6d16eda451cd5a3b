/**
 * The sections of the settings that complete jobs: presets and defaults of decoration. Their entries are parts of pods and of
 * decoration_config; the latter is held to the schema of the ProwJob, the former is for the API server of the build cluster to judge.
 */
import Type from 'typebox';
import { Value } from 'typebox/value';
import { nearest } from '../../crds/nearest.ts';
import { decorationConfigSchema, type DecorationConfig } from '../../crds/v1/decoration.ts';
import type { JobEnvVar } from '../../crds/v1/podSpec.ts';
import type { SettingsPath } from './checkSettings.ts';

type Fields = Readonly<Record<string, unknown>>;
interface NamedFields extends Fields {
  readonly name: string;
}

/** An object of Kubernetes with a name; its other fields are not looked at here. */
const named = <T>(description: string) =>
  Type.Unsafe<T>({
    type: 'object',
    required: ['name'],
    properties: { name: Type.String({ minLength: 1 }) },
    patternProperties: { '': {} },
    description,
  });
const open = <T>(description: string) => Type.Unsafe<T>({ type: 'object', patternProperties: { '': {} }, description });

export const presetsSchema = Type.Array(
  Type.Object(
    {
      labels: Type.Optional(
        Type.Record(Type.String(), Type.String(), { description: 'The run must have all of these labels. None: every run.' }),
      ),
      env: Type.Optional(Type.Array(named<JobEnvVar>('A variable, as in a container.'), { description: 'Added to every container.' })),
      volumes: Type.Optional(Type.Array(named<NamedFields>('A volume, as in a pod.'), { description: 'Added to the pod.' })),
      volumeMounts: Type.Optional(
        Type.Array(named<NamedFields & { readonly mountPath: string }>('A mount, as in a container.'), {
          description: 'Added to every container.',
        }),
      ),
      tolerations: Type.Optional(Type.Array(open<Fields>('A toleration, as in a pod.'), { description: 'Added to the pod.' })),
    },
    { additionalProperties: false },
  ),
  { description: 'What pods get by the labels of their run.', default: [] },
);

export const decorationDefaultsSchema = Type.Array(
  Type.Object(
    {
      repo: Type.Optional(Type.String({ description: 'For runs of this org/repo, or of this org. Absent or "*": of all.' })),
      cluster: Type.Optional(Type.String({ description: 'For runs on the build cluster with this alias. Absent or "*": on all.' })),
      config: open<DecorationConfig>('Fields of decoration_config.'),
    },
    { additionalProperties: false },
  ),
  { description: 'What the decoration_config of a run leaves empty. Later entries come before earlier ones.', default: [] },
);

export interface JobDefaults {
  readonly presets: readonly { readonly labels?: Readonly<Record<string, string>> }[];
  readonly decorationDefaults: readonly { readonly config: DecorationConfig }[];
}

export interface DefaultsFault {
  readonly path: SettingsPath;
  readonly message: string;
}

/** What the shape alone does not show. */
export const jobDefaultsFaults = ({ presets, decorationDefaults }: JobDefaults): readonly DefaultsFault[] => [
  ...repeatedLabels(presets),
  ...decorationDefaults.flatMap(({ config }, index) => decorationFaults(config, ['decorationDefaults', index, 'config'])),
];

/** As upstream: which of two presets is meant by one label must not depend on their order. */
function repeatedLabels(presets: JobDefaults['presets']): readonly DefaultsFault[] {
  const seen = new Set<string>();
  return presets.flatMap(({ labels }, index) =>
    Object.entries(labels ?? {}).flatMap(([key, value]): readonly DefaultsFault[] => {
      const pair = `${key}: ${value}`;
      if (seen.has(pair)) return [{ path: ['presets', index, 'labels', key], message: `another preset has the label ${pair} already` }];
      seen.add(pair);
      return [];
    }),
  );
}

function decorationFaults(config: DecorationConfig, path: SettingsPath): readonly DefaultsFault[] {
  const unknown = [...unknownFields(decorationConfigSchema, config, path)];
  const wrong = Value.Errors(decorationConfigSchema, config).map(({ instancePath, message }) => ({
    path: [...path, ...stepsOf(instancePath)],
    message,
  }));
  return [...unknown, ...wrong];
}

const stepsOf = (pointer: string): SettingsPath =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step.replaceAll('~1', '/').replaceAll('~0', '~')));

function* unknownFields(schema: object, value: unknown, path: SettingsPath): Generator<DefaultsFault> {
  const { properties, items } = schema as { readonly properties?: Readonly<Record<string, object>>; readonly items?: object };
  if (Array.isArray(value) && items !== undefined) {
    for (const [index, item] of (value as readonly unknown[]).entries()) yield* unknownFields(items, item, [...path, index]);
  }
  if (properties === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const known = new Map(Object.entries(properties));
  for (const [key, child] of Object.entries(value)) {
    const childSchema = known.get(key);
    const meant = nearest(key, [...known.keys()]);
    if (childSchema !== undefined) yield* unknownFields(childSchema, child, [...path, key]);
    else yield { path: [...path, key], message: `unknown field${meant === undefined ? '' : `; did you mean ${meant}?`}` };
  }
}
