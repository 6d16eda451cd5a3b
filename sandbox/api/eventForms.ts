/**
 * Events have two addresses and one storage. They are stored as core/v1 writes them; events.k8s.io/v1 renames some fields, and is
 * stricter about what is created.
 */
import { deepFreeze } from '../storage/memoryStorage.ts';
import type { StoredObject } from '../storage/storage.ts';
import { invalidValue, required } from './failure.ts';
import { field } from './json.ts';
import { qualifiedNameErrors } from './objectMeta.ts';
import type { FieldError, Strategy } from './resourceInfo.ts';

const coreToNew = new Map([
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
]);
const newToCore = new Map([...coreToNew].map(([core, renamed]) => [renamed, core]));

const rename = (
  object: Readonly<Record<string, unknown>>,
  names: ReadonlyMap<string, string>,
  apiVersion: string,
): Record<string, unknown> => ({
  ...Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value])),
  apiVersion,
});

const served = new WeakMap<StoredObject, StoredObject>();

export function eventToEventsV1(stored: StoredObject): StoredObject {
  let object = served.get(stored);
  if (object === undefined) {
    object = deepFreeze(rename(stored, coreToNew, 'events.k8s.io/v1') as unknown as StoredObject);
    served.set(stored, object);
  }
  return object;
}

export const eventToCore = (object: Record<string, unknown>): Record<string, unknown> => rename(object, newToCore, 'v1');

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '' && value !== 0;

/** Fields that an event with an eventTime must have, and how long they may be. */
const described = new Map([
  ['reportingInstance', 128],
  ['action', 128],
  ['reason', 128],
]);
const noteLimit = 1024;

/** Without eventTime an event is of the old sort and must lie beside its object; with one it must say who reports it, and why. */
function commonErrors(event: StoredObject, controllerField: string): readonly FieldError[] {
  const namespace = event.metadata.namespace ?? '';
  const involved = text(field(event.involvedObject, 'namespace'));
  const astray = [invalidValue('involvedObject.namespace', involved, 'does not match event.namespace')];
  if (!isSet(event.eventTime)) return involved === namespace || (involved === '' && namespace === 'default') ? [] : astray;
  const controller = text(event.reportingComponent);
  const tooLong = (name: string, limit: number): readonly FieldError[] =>
    text(event[name]).length > limit ? [invalidValue(name, '', `can have at most ${limit} characters`)] : [];
  return [
    ...(involved === '' && namespace !== 'default' && namespace !== 'kube-system' ? astray : []),
    ...(controller === '' ? [required(controllerField)] : []),
    ...qualifiedNameErrors(controllerField, controller),
    ...[...described].flatMap(([name, limit]) => [...(isSet(event[name]) ? [] : [required(name)]), ...tooLong(name, limit)]),
    ...tooLong('message', noteLimit),
  ];
}

export const coreEventStrategy: Strategy = { validate: (event) => commonErrors(event, 'reportingComponent') };

/** events.k8s.io; it sees the stored form. */
export const newEventStrategy: Strategy = {
  validate(event, old) {
    const errors = commonErrors(event, 'reportingController');
    if (old !== undefined) return errors;
    const { type } = event;
    const leftOver = ['firstTimestamp', 'lastTimestamp', 'count', 'source'].filter((name) =>
      name === 'source' ? isSet(field(event.source, 'component')) || isSet(field(event.source, 'host')) : isSet(event[name]),
    );
    return [
      ...errors,
      ...(isSet(event.eventTime) ? [] : [required('eventTime')]),
      ...(type === 'Normal' || type === 'Warning' ? [] : [invalidValue('type', '', `has invalid value: ${text(type)}`)]),
      ...leftOver.map((name) => invalidValue(name, '', 'needs to be unset')),
    ];
  },
};
