/**
 * A Periodic as the set wants it, and what has to change on the one that is there. Spec belongs to the set entirely. Of labels and
 * annotations only those belong to it that the template has or had before; an annotation on the Periodic remembers which.
 */
import { isArray, isJsonObject, jsonEqual, type JsonObject } from '../../crds/json.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';

/** The keys of the labels and annotations that come from the template, as JSON. */
export const templateKeysAnnotation = 'prow.k8s.io/template-keys';

interface TemplateKeys {
  readonly labels: readonly string[];
  readonly annotations: readonly string[];
}

/** What is sent to create it. */
export function desiredPeriodic(set: PeriodicSet, periodic: Periodic): Periodic {
  const { labels, annotations } = periodic.metadata;
  const keys: TemplateKeys = { labels: Object.keys(labels ?? {}).sort(), annotations: Object.keys(annotations ?? {}).sort() };
  const remembered = keys.labels.length + keys.annotations.length === 0 ? {} : { [templateKeysAnnotation]: JSON.stringify(keys) };
  const allAnnotations = { ...annotations, ...remembered };
  return {
    ...periodic,
    metadata: {
      ...periodic.metadata,
      ...(Object.keys(allAnnotations).length === 0 ? {} : { annotations: allAnnotations }),
      ownerReferences: [
        {
          apiVersion,
          kind: 'PeriodicSet',
          name: set.metadata.name,
          uid: set.metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
  };
}

/** The merge patch that makes `live` what is desired; undefined when it is. */
export function patchFor(live: Periodic, desired: Periodic): JsonObject | undefined {
  const before = templateKeysOf(live);
  const metadata = {
    ...given('labels', mapPatch(live.metadata.labels, desired.metadata.labels, before.labels)),
    ...given(
      'annotations',
      mapPatch(live.metadata.annotations, desired.metadata.annotations, [...before.annotations, templateKeysAnnotation]),
    ),
  };
  const spec = mergeDiff(live.spec, desired.spec);
  if (spec === undefined && Object.keys(metadata).length === 0) return undefined;
  return { metadata, ...given('spec', spec) };
}

const given = (field: string, value: JsonObject | undefined): JsonObject => (value === undefined ? {} : { [field]: value });

function templateKeysOf(live: Periodic): TemplateKeys {
  const none: TemplateKeys = { labels: [], annotations: [] };
  const text = live.metadata.annotations?.[templateKeysAnnotation];
  if (text === undefined) return none;
  const strings = (value: unknown): readonly string[] => (isArray(value) ? value.filter((item) => typeof item === 'string') : []);
  try {
    const keys: unknown = JSON.parse(text);
    return isJsonObject(keys) ? { labels: strings(keys.labels), annotations: strings(keys.annotations) } : none;
  } catch (error) {
    // Somebody has written into it: the next patch puts it right, and what it said is forgotten.
    if (error instanceof SyntaxError) return none;
    throw error;
  }
}

type TextMap = Readonly<Record<string, string>>;

/** Sets what is desired, removes what `before` names and is desired no more, and leaves the rest alone. */
function mapPatch(live: TextMap = {}, desired: TextMap = {}, before: readonly string[]): JsonObject | undefined {
  const has = (map: TextMap, key: string): boolean => Object.hasOwn(map, key);
  const changed = Object.entries(desired).filter(([key, value]) => !has(live, key) || live[key] !== value);
  const gone = before.filter((key) => has(live, key) && !has(desired, key)).map((key) => [key, null] as const);
  return changed.length + gone.length === 0 ? undefined : Object.fromEntries([...changed, ...gone]);
}

/** RFC 7386: the patch that turns one object into the other; undefined when they say the same. Lists are replaced whole. */
function mergeDiff(live: JsonObject, desired: JsonObject): JsonObject | undefined {
  const changed = Object.entries(desired).flatMap(([field, value]): readonly (readonly [string, unknown])[] => {
    const present = Object.hasOwn(live, field) ? live[field] : undefined;
    if (isJsonObject(value) && isJsonObject(present)) {
      const inner = mergeDiff(present, value);
      return inner === undefined ? [] : [[field, inner]];
    }
    return jsonEqual(present, value) ? [] : [[field, value]];
  });
  const gone = Object.keys(live).filter((field) => !Object.hasOwn(desired, field));
  if (changed.length + gone.length === 0) return undefined;
  return Object.fromEntries([...changed, ...gone.map((field) => [field, null] as const)]);
}
