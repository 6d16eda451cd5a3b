/** Lists: which state is asked for (resourceVersion and its match), the selectors, and pages with a continue token. */
import type { Storage, StoredObject } from '../storage/storage.ts';
import { ApiFailure, badRequest, expired, forbiddenField, invalidOptions, unsupported } from './failure.ts';
import { isObject } from './json.ts';
import type { ObjectService } from './objectService.ts';
import type { ResourceInfo } from './resourceInfo.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';
import type { Predicate } from './selectors.ts';

export interface ListResult {
  readonly revision: number;
  readonly items: readonly StoredObject[];
  readonly continueToken?: string;
  readonly remaining?: number;
}

/** The predicate of a request's selectors; undefined when it has none. */
export function selectorOf(info: ResourceInfo, query: URLSearchParams): Predicate | undefined {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(
    query.get('fieldSelector') ?? '',
    info.crd === undefined && info.selectableFields.length === 0 ? undefined : info.selectableFields,
  );
  if (labels === undefined || fields === undefined) return labels ?? fields;
  return (object) => labels(object) && fields(object);
}

const unparsedRevision = (text: string): string => {
  const quoted = JSON.stringify(text);
  return `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`;
};

/** The page size; 0: no pages. */
function parseLimit(query: URLSearchParams): number {
  const text = query.get('limit') ?? '0';
  if (!/^-?\d{1,18}$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

export function parseRevision(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new ApiFailure(400, 'BadRequest', `invalid resource version: ${unparsedRevision(text)}`);
  }
  return Number(text);
}

interface Position {
  readonly revision: number;
  /** "namespace/name" of the last item that was sent. */
  readonly after: string;
}

const encodePosition = (position: Position): string =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: position.revision, start: position.after })).toString('base64url');

function decodePosition(token: string): Position {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (isObject(value) && typeof value.rv === 'number' && typeof value.start === 'string')
      return { revision: value.rv, after: value.start };
  } catch {
    throw badRequest('invalid continue token: continue key is not valid: it is not a token that this server has given out');
  }
  throw badRequest('invalid continue token: continue key is not valid: incorrect encoded start resourceVersion');
}

const keyText = (object: StoredObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

const isAfter = (object: StoredObject, after: string): boolean => {
  const slash = after.indexOf('/');
  const namespace = object.metadata.namespace ?? '';
  return namespace === after.slice(0, slash) ? object.metadata.name > after.slice(slash + 1) : namespace > after.slice(0, slash);
};

export const tooLargeRevision = (asked: number, current: number): ApiFailure =>
  new ApiFailure(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });

const matchForbidden = (why: string): ApiFailure => invalidOptions('ListOptions', forbiddenField('resourceVersionMatch', why));

function checkMatch(match: string, revision: string): void {
  if (match === '') return;
  if (revision === '') throw matchForbidden('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    throw invalidOptions('ListOptions', unsupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
  }
  if (match === 'Exact' && revision === '0') throw matchForbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
}

/** The revision whose state is asked for; undefined means the present one. */
function exactRevision(query: URLSearchParams, current: number): number | undefined {
  const text = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  checkMatch(match, text);
  if (text === '') return undefined;
  const revision = parseRevision(text);
  if (revision > current) throw tooLargeRevision(revision, current);
  const pagedAtRevision = match === '' && revision > 0 && parseLimit(query) > 0;
  return match === 'Exact' || pagedAtRevision ? revision : undefined;
}

const staleContinue =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

export class Lister {
  readonly #storage: Storage;
  readonly #service: ObjectService;

  constructor(storage: Storage, service: ObjectService) {
    this.#storage = storage;
    this.#service = service;
  }

  list(info: ResourceInfo, namespace: string | undefined, query: URLSearchParams): ListResult {
    const predicate = selectorOf(info, query);
    if (query.has('sendInitialEvents'))
      throw invalidOptions('ListOptions', forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
    const limit = parseLimit(query);
    const token = query.get('continue') ?? '';
    const position = token === '' ? undefined : decodePosition(token);
    const { revision, objects } = this.#state(info, namespace, query, position);
    const items: StoredObject[] = [];
    for (const [i, stored] of objects.entries()) {
      const object = this.#service.present(info, stored);
      if (predicate !== undefined && !predicate(object)) continue;
      items.push(object);
      if (limit <= 0 || items.length < limit || i === objects.length - 1) continue;
      const continueToken = encodePosition({ revision, after: keyText(object) });
      // With a selector the rest is not known without looking at it, so it is not told.
      return { revision, items, continueToken, ...(predicate === undefined ? { remaining: objects.length - 1 - i } : {}) };
    }
    return { revision, items };
  }

  /** The objects at the revision that is asked for, from the position on. */
  #state(
    info: ResourceInfo,
    namespace: string | undefined,
    query: URLSearchParams,
    position: Position | undefined,
  ): { revision: number; objects: readonly StoredObject[] } {
    const current = this.#storage.revision;
    if (position === undefined) {
      const revision = exactRevision(query, current);
      if (revision === undefined) return { revision: current, objects: this.#storage.list(info.bucket, namespace) };
      const objects = this.#storage.listAt(info.bucket, revision, namespace);
      if (objects === undefined) throw expired('The resourceVersion for the provided list is too old.');
      return { revision, objects };
    }
    // A continue token of revision -1 goes on with the present state.
    const revision = position.revision === -1 ? current : position.revision;
    const objects = this.#storage.listAt(info.bucket, revision, namespace);
    if (objects === undefined) throw this.#staleContinue(position);
    return { revision, objects: objects.filter((object) => isAfter(object, position.after)) };
  }

  #staleContinue(position: Position): ApiFailure {
    const failure = expired(staleContinue);
    const token = encodePosition({ revision: -1, after: position.after });
    Object.assign(failure.status, { metadata: { continue: token } });
    return failure;
  }
}
