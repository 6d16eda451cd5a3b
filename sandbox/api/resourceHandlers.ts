/** What each method on a resource's address does: reads the request, calls the service, lists or watches, and writes the answer. */
import type { KubeList } from '../../operator/kube/objects.ts';
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { StoredObject } from '../storage/storage.ts';
import { accessReviewAnswer } from './accessReviews.ts';
import { decodeBody } from './decode.ts';
import { encodeItem, encodeObject, encodePartial } from './encode.ts';
import { ApiFailure, badRequest, forbiddenField, invalidOptions, methodNotAllowed, pathNotFound } from './failure.ts';
import { asArray, asObject, field } from './json.ts';
import { parseRevision, selectorOf } from './lists.ts';
import type { Lister, ListResult } from './lists.ts';
import type { ObjectService } from './objectService.ts';
import { deleteOptions, writeOptions } from './requestOptions.ts';
import type { RequestInfo } from './requestInfo.ts';
import type { ResourceInfo, Verb } from './resourceInfo.ts';
import { sendJson } from './call.ts';
import type { Call } from './call.ts';
import { toTable } from './table.ts';
import type { WatchHub } from './watches.ts';
import { applyPatch } from '../patch/patch.ts';

/** Writes a container's log to the response; the kubelet provides it. */
export type LogHandler = (call: Call, pod: StoredObject) => void | Promise<void>;

export interface HandlerOptions {
  readonly service: ObjectService;
  readonly lister: Lister;
  readonly watches: WatchHub;
  readonly now: () => number;
  readonly podLog?: LogHandler | undefined;
}

const verbOf = new Map<string, Verb>([
  ['GET', 'get'],
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

/** Watches end after this long unless the client says otherwise; clients start again from their last revision. */
const defaultWatchMs = 45 * 60_000;

export class ResourceHandlers {
  readonly #options: HandlerOptions;
  readonly #verbs: Readonly<Record<Verb, (call: Call, target: RequestInfo, body: Buffer) => void>> = {
    get: (call, target) => this.#answer(call, target.info, 200, this.#options.service.get(target.info, this.#key(target))),
    list: (call, target) => this.#list(call, target),
    watch: (call, target) => this.#watch(call, target),
    create: (call, target, body) => this.#create(call, target, body),
    update: (call, target, body) => this.#put(call, target, body, undefined),
    patch: (call, target, body) => this.#patch(call, target, body, undefined),
    delete: (call, target, body) => this.#delete(call, target, body),
    deletecollection: (call, target, body) => this.#deleteCollection(call, target, body),
  };

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  async handle(call: Call, target: RequestInfo, body: Buffer): Promise<void> {
    const verb = verbOf.get(call.request.method ?? '');
    if (verb === undefined) throw methodNotAllowed();
    const { info, subresource } = target;
    if (subresource !== 'log') checkAccept(call.request.headers.accept);
    if (subresource !== undefined) {
      await this.#subresource(call, target, verb, body);
      return;
    }
    const actual = actualVerb(call, target, verb);
    if (!info.verbs.includes(actual)) throw methodNotAllowed();
    this.#verbs[actual](call, target, body);
  }

  #key(target: RequestInfo): { namespace: string; name: string } {
    if (target.name === undefined || (target.info.namespaced && target.namespace === undefined)) throw methodNotAllowed();
    return { namespace: target.namespace ?? '', name: target.name };
  }

  #subresource(call: Call, target: RequestInfo, verb: Verb, body: Buffer): void | Promise<void> {
    const { info, subresource } = target;
    const known = info.subresources.find((sub) => sub.name === subresource);
    if (known === undefined) throw unknownSubresource(info, subresource);
    if (!known.verbs.includes(verb)) throw methodNotAllowed();
    const object = this.#options.service.get(info, this.#key(target));
    if (subresource === 'log') {
      call.verb = call.query.get('follow') === 'true' ? 'CONNECT' : 'GET';
      if (this.#options.podLog === undefined)
        throw badRequest(`the server has no kubelet: there are no logs of pod ${object.metadata.name}`);
      return this.#options.podLog(call, object);
    }
    if (subresource === 'eviction') {
      this.#evict(call, target, decodeBody(call.request, body).value);
      return;
    }
    if (verb === 'get') {
      this.#answer(call, info, 200, object);
      return;
    }
    if (verb === 'update') this.#put(call, target, body, subresource);
    else this.#patch(call, target, body, subresource);
  }

  /** Marks the pod as disrupted, then deletes it with its grace, or the grace of the request. */
  #evict(call: Call, target: RequestInfo, eviction: unknown): void {
    const { service } = this.#options;
    const key = this.#key(target);
    if (field(field(eviction, 'metadata'), 'name') !== key.name) throw badRequest('name in URL does not match name in Eviction object');
    const dryRun = writeOptions(call, 'CreateOptions').dryRun === true;
    const options = { ...deleteOptions(asObject(field(eviction, 'deleteOptions')), call.query), ...(dryRun ? { dryRun } : {}) };
    if (options.dryRun !== true) {
      const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' };
      const times = { lastProbeTime: null, lastTransitionTime: `${new Date(this.#options.now()).toISOString().slice(0, 19)}Z` };
      const marked = (pod: StoredObject): unknown => {
        const others = asArray(field(pod.status, 'conditions')).filter((one) => field(one, 'type') !== condition.type);
        return { ...pod, status: { ...asObject(pod.status), conditions: [...others, { ...condition, ...times }] } };
      };
      service.modify(target.info, key, marked, { subresource: 'status' });
    }
    service.delete(target.info, key, options);
    sendJson(call, 201, JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }));
  }

  #create(call: Call, target: RequestInfo, body: Buffer): void {
    const { info } = target;
    if (target.name !== undefined || (info.namespaced && target.namespace === undefined)) throw methodNotAllowed();
    const decoded = decodeBody(call.request, body);
    const review = accessReviewAnswer(info, decoded.value);
    if (review !== undefined) {
      sendJson(call, 201, JSON.stringify(review));
      return;
    }
    const object = this.#options.service.create(
      info,
      target.namespace ?? '',
      decoded.value,
      writeOptions(call, 'CreateOptions', { decodingErrors: decoded.problems }),
    );
    this.#answer(call, info, 201, object);
  }

  #put(call: Call, target: RequestInfo, body: Buffer, subresource: string | undefined): void {
    const decoded = decodeBody(call.request, body);
    const key = this.#key(target);
    checkName(decoded.value, key.name);
    const object = this.#options.service.modify(
      target.info,
      key,
      () => decoded.value,
      writeOptions(call, 'UpdateOptions', { subresource, decodingErrors: decoded.problems }),
    );
    this.#answer(call, target.info, 200, object);
  }

  #patch(call: Call, target: RequestInfo, body: Buffer, subresource: string | undefined): void {
    const { info } = target;
    const type = (call.request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
    const key = this.#key(target);
    const isApply = type === 'application/apply-patch+yaml';
    if (isApply) call.verb = 'APPLY';
    const options = writeOptions(call, 'PatchOptions', { subresource, isApply });
    const { object, created } = applyPatch(this.#options.service, {
      info,
      key,
      type,
      body,
      options,
      force: call.query.get('force') === 'true',
      now: this.#options.now,
      manager: call.query.get('fieldManager') ?? undefined,
    });
    this.#answer(call, info, created ? 201 : 200, object);
  }

  #delete(call: Call, target: RequestInfo, body: Buffer): void {
    const { info } = target;
    const options = deleteOptions(body.length === 0 ? {} : asObject(decodeBody(call.request, body).value), call.query);
    const { object, gone } = this.#options.service.delete(info, this.#key(target), options);
    const returnsObject = !gone || (info.group === '' && (info.plural === 'pods' || info.plural === 'serviceaccounts'));
    if (returnsObject) {
      this.#answer(call, info, 200, object);
      return;
    }
    const details = {
      name: object.metadata.name,
      ...(info.group === '' ? {} : { group: info.group }),
      kind: info.plural,
      uid: object.metadata.uid,
    };
    sendJson(call, 200, JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }));
  }

  #deleteCollection(call: Call, target: RequestInfo, body: Buffer): void {
    const { info } = target;
    if (info.namespaced && target.namespace === undefined) throw methodNotAllowed();
    call.verb = 'DELETECOLLECTION';
    const options = deleteOptions(body.length === 0 ? {} : asObject(decodeBody(call.request, body).value), call.query);
    const listed = this.#options.lister.list(info, target.namespace, call.query);
    for (const item of listed.items)
      this.#options.service.delete(info, { namespace: item.metadata.namespace ?? '', name: item.metadata.name }, options);
    this.#sendResult(call, info, listed);
  }

  #list(call: Call, target: RequestInfo): void {
    call.verb = 'LIST';
    this.#sendResult(call, target.info, this.#options.lister.list(target.info, target.namespace, call.query));
  }

  #sendResult(call: Call, info: ResourceInfo, result: ListResult): void {
    this.#sendList(call, info, result.items, {
      resourceVersion: String(result.revision),
      ...(result.continueToken === undefined ? {} : { continue: result.continueToken }),
      ...(result.remaining === undefined ? {} : { remainingItemCount: result.remaining }),
    });
  }

  #sendList(call: Call, info: ResourceInfo, items: readonly StoredObject[], metadata: KubeList<StoredObject>['metadata']): void {
    const form = wantedForm(call);
    if (form === 'Table') {
      sendJson(call, 200, JSON.stringify(toTable(info, items, { ...this.#tableOptions(call), metadata })));
      return;
    }
    const partial = form === 'PartialObjectMetadata';
    const kind = partial ? 'PartialObjectMetadataList' : info.listKind;
    const apiVersion = partial ? 'meta.k8s.io/v1' : apiVersionOf(info);
    const texts = items.map((item) => (partial ? encodePartial(item) : encodeItem(info, item)));
    const head = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)}`;
    sendJson(call, 200, `${head},"items":[${texts.join(',')}]}`);
  }

  #watch(call: Call, target: RequestInfo): void {
    call.verb = 'WATCH';
    const { info, namespace } = target;
    const { query } = call;
    if (target.name !== undefined) query.set('fieldSelector', `metadata.name=${target.name}`);
    const sendInitialEvents = isTrue(query.get('sendInitialEvents'));
    if (sendInitialEvents && query.get('resourceVersionMatch') !== 'NotOlderThan') {
      throw invalidOptions(
        'ListOptions',
        forbiddenField('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
      );
    }
    if (!sendInitialEvents && query.has('resourceVersionMatch')) {
      const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
      throw invalidOptions('ListOptions', forbiddenField('resourceVersionMatch', why));
    }
    const text = query.get('resourceVersion') ?? '';
    const timeoutSeconds = Number(query.get('timeoutSeconds') ?? 0);
    const form = wantedForm(call);
    this.#options.watches.start(
      {
        info,
        namespace,
        predicate: selectorOf(info, query),
        revision: text === '' ? undefined : parseRevision(text),
        bookmarks: isTrue(query.get('allowWatchBookmarks')),
        sendInitialEvents,
        timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : defaultWatchMs,
        ...(form === 'Object' ? {} : { encode: this.#watchEncoder(call, info, form) }),
      },
      call.response,
    );
  }

  #watchEncoder(call: Call, info: ResourceInfo, form: 'Table' | 'PartialObjectMetadata'): (object: StoredObject) => string {
    if (form === 'PartialObjectMetadata') return encodePartial;
    let withDefinitions = true;
    return (object) => {
      const metadata = { resourceVersion: object.metadata.resourceVersion ?? '' };
      const text = JSON.stringify(toTable(info, [object], { ...this.#tableOptions(call), metadata, withDefinitions }));
      withDefinitions = false;
      return text;
    };
  }

  #answer(call: Call, info: ResourceInfo, code: number, object: StoredObject): void {
    const form = call.request.method === 'GET' ? wantedForm(call) : 'Object';
    if (form === 'Table') {
      const metadata = { resourceVersion: object.metadata.resourceVersion ?? '' };
      sendJson(call, code, JSON.stringify(toTable(info, [object], { ...this.#tableOptions(call), metadata })));
      return;
    }
    sendJson(call, code, form === 'PartialObjectMetadata' ? encodePartial(object) : encodeObject(info, object));
  }

  #tableOptions(call: Call): { nowMs: number; includeObject: 'None' | 'Metadata' | 'Object' } {
    const include = call.query.get('includeObject');
    return { nowMs: this.#options.now(), includeObject: include === 'None' || include === 'Object' ? include : 'Metadata' };
  }
}

function actualVerb(call: Call, target: RequestInfo, verb: Verb): Verb {
  if (verb === 'get' && isWatch(call)) return 'watch';
  if (target.name !== undefined) return verb;
  return verb === 'get' ? 'list' : verb === 'delete' ? 'deletecollection' : verb;
}

/** A replace must say in the body, too, what it replaces. */
function checkName(body: unknown, name: string): void {
  const given = field(field(body, 'metadata'), 'name') ?? '';
  if (given === '') throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  if (given !== name)
    throw badRequest(
      `the name of the object (${typeof given === 'string' ? given : JSON.stringify(given)}) does not match the name on the URL (${name})`,
    );
}

const isTrue = (text: string | null): boolean => text === 'true' || text === '1';

const isWatch = (call: Call): boolean => isTrue(call.query.get('watch'));

/** The first form of the Accept header that this server can write. */
function wantedForm(call: Call): 'Table' | 'PartialObjectMetadata' | 'Object' {
  for (const type of (call.request.headers.accept ?? '').split(',')) {
    if (!type.includes('json') && !type.includes('*/*')) continue;
    if (type.includes('as=Table')) return 'Table';
    return type.includes('as=PartialObjectMetadata') ? 'PartialObjectMetadata' : 'Object';
  }
  return 'Object';
}

/** Everything but logs is written as JSON. */
function checkAccept(accept = ''): void {
  const types = accept.split(',').map((type) => type.split(';')[0]?.trim() ?? '');
  if (types.some((type) => ['', '*/*', 'application/*', 'application/json'].includes(type))) return;
  throw new ApiFailure(406, 'NotAcceptable', '406: Not Acceptable\n\nAvailable representations: application/json', {});
}

function unknownSubresource(info: ResourceInfo, name: string | undefined): Error {
  const streaming = info.plural === 'pods' && ['exec', 'attach', 'portforward', 'proxy'].includes(name ?? '');
  return streaming ? notImplemented(name ?? '') : pathNotFound();
}

const notImplemented = (name: string): Error =>
  badRequest(`pods/${name} is not available in the sandbox: containers are local processes without a shell session to join`);
