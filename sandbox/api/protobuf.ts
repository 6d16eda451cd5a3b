/**
 * Bodies in Kubernetes' protobuf form, which Go clients (kubectl create among them) send for built-in kinds. Only reading, and only the
 * kinds that such commands write; answers are JSON, which every client accepts. Field numbers are those of the published API.
 */
import { ApiFailure, badRequest } from './failure.ts';
import type { JsonObject } from './json.ts';

type Scalar = 'string' | 'int' | 'bool' | 'bytes' | 'microTime';
type FieldType = Scalar | 'strings' | { readonly mapOf: 'string' | 'bytes' } | { readonly one: Message } | { readonly many: Message };
type Message = ReadonlyMap<number, readonly [name: string, type: FieldType]>;

const message = (fields: Readonly<Record<number, readonly [string, FieldType]>>): Message =>
  new Map(Object.entries(fields).map(([number, field]) => [Number(number), field]));

const strings: FieldType = { mapOf: 'string' };

const ownerReference = message({
  1: ['kind', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['controller', 'bool'],
  7: ['blockOwnerDeletion', 'bool'],
});

const metadata: readonly [string, FieldType] = [
  'metadata',
  {
    one: message({
      1: ['name', 'string'],
      2: ['generateName', 'string'],
      3: ['namespace', 'string'],
      5: ['uid', 'string'],
      6: ['resourceVersion', 'string'],
      11: ['labels', strings],
      12: ['annotations', strings],
      13: ['ownerReferences', { many: ownerReference }],
      14: ['finalizers', 'strings'],
    }),
  },
];

const deleteOptions = message({
  1: ['gracePeriodSeconds', 'int'],
  2: ['preconditions', { one: message({ 1: ['uid', 'string'], 2: ['resourceVersion', 'string'] }) }],
  3: ['orphanDependents', 'bool'],
  4: ['propagationPolicy', 'string'],
  5: ['dryRun', 'strings'],
});

const policyRule = message({
  1: ['verbs', 'strings'],
  2: ['apiGroups', 'strings'],
  3: ['resources', 'strings'],
  4: ['resourceNames', 'strings'],
  5: ['nonResourceURLs', 'strings'],
});
const role = message({ 1: metadata, 2: ['rules', { many: policyRule }] });
const subject = message({ 1: ['kind', 'string'], 2: ['apiGroup', 'string'], 3: ['name', 'string'], 4: ['namespace', 'string'] });
const roleRef = message({ 1: ['apiGroup', 'string'], 2: ['kind', 'string'], 3: ['name', 'string'] });
const binding = message({ 1: metadata, 2: ['subjects', { many: subject }], 3: ['roleRef', { one: roleRef }] });
const named = message({ 1: ['name', 'string'] });
const review = message({ 1: metadata });

const leaseSpec = message({
  1: ['holderIdentity', 'string'],
  2: ['leaseDurationSeconds', 'int'],
  3: ['acquireTime', 'microTime'],
  4: ['renewTime', 'microTime'],
  5: ['leaseTransitions', 'int'],
});

const kinds = new Map<string, Message>([
  ['Namespace', message({ 1: metadata })],
  ['ConfigMap', message({ 1: metadata, 2: ['data', strings], 3: ['binaryData', { mapOf: 'bytes' }], 4: ['immutable', 'bool'] })],
  [
    'Secret',
    message({ 1: metadata, 2: ['data', { mapOf: 'bytes' }], 3: ['type', 'string'], 4: ['stringData', strings], 5: ['immutable', 'bool'] }),
  ],
  [
    'ServiceAccount',
    message({
      1: metadata,
      2: ['secrets', { many: message({ 3: ['name', 'string'] }) }],
      3: ['imagePullSecrets', { many: named }],
      4: ['automountServiceAccountToken', 'bool'],
    }),
  ],
  ['Role', role],
  ['ClusterRole', role],
  ['RoleBinding', binding],
  ['ClusterRoleBinding', binding],
  [
    'PriorityClass',
    message({
      1: metadata,
      2: ['value', 'int'],
      3: ['globalDefault', 'bool'],
      4: ['description', 'string'],
      5: ['preemptionPolicy', 'string'],
    }),
  ],
  ['Lease', message({ 1: metadata, 2: ['spec', { one: leaseSpec }] })],
  ['DeleteOptions', deleteOptions],
  ['Eviction', message({ 1: metadata, 2: ['deleteOptions', { one: deleteOptions }] })],
  ...[
    'SelfSubjectAccessReview',
    'SubjectAccessReview',
    'LocalSubjectAccessReview',
    'SelfSubjectRulesReview',
    'SelfSubjectReview',
    'TokenReview',
  ].map((kind) => [kind, review] as const),
]);

const magic = Buffer.from('k8s\0');

/** @throws ApiFailure 415 for a kind that is not known here, 400 for bytes that are no such message */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, magic.length).equals(magic))
    throw badRequest('the body is not in the protobuf form of Kubernetes: it does not begin with "k8s\\0"');
  const envelope = message({ 1: ['type', { one: message({ 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }) }], 2: ['raw', 'bytes'] });
  const outer = read(body.subarray(magic.length), envelope) as { type?: { apiVersion?: string; kind?: string }; raw?: string };
  const kind = outer.type?.kind ?? '';
  const fields = kinds.get(kind);
  if (fields === undefined) {
    throw new ApiFailure(
      415,
      'UnsupportedMediaType',
      `the sandbox does not read ${kind === '' ? 'this object' : kind} as protobuf: send application/json`,
    );
  }
  return { apiVersion: outer.type?.apiVersion, kind, ...read(Buffer.from(outer.raw ?? '', 'base64'), fields) };
}

/** A position that moves through the bytes of one message. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw badRequest('the protobuf body ends in the middle of a number');
  }

  block(length = Number(this.varint())): Buffer {
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw badRequest('the protobuf body is shorter than it says');
    const block = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return block;
  }
}

function read(bytes: Buffer, fields: Message): JsonObject {
  const reader = new Reader(bytes);
  const result: JsonObject = {};
  while (!reader.done) {
    const tag = Number(reader.varint());
    const wire = tag & 7;
    const value = wire === 0 ? reader.varint() : wire === 2 ? reader.block() : reader.block(wire === 1 ? 8 : 4);
    const field = fields.get(tag >>> 3);
    if (field !== undefined) assign(result, field[0], field[1], value);
  }
  return result;
}

function assign(result: JsonObject, name: string, type: FieldType, value: bigint | Buffer): void {
  if (typeof type === 'string' && type !== 'strings') {
    const scalar = readScalar(type, value);
    // Go writes empty strings and zero times where nothing was set.
    if (scalar !== '' && scalar !== undefined) result[name] = scalar;
    return;
  }
  const block = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
  if (type === 'strings') result[name] = [...((result[name] as unknown[] | undefined) ?? []), block.toString()];
  else if ('one' in type) result[name] = read(block, type.one);
  else if ('many' in type) result[name] = [...((result[name] as unknown[] | undefined) ?? []), read(block, type.many)];
  else {
    const entry = read(block, message({ 1: ['key', 'string'], 2: ['value', type.mapOf] }));
    const key = typeof entry.key === 'string' ? entry.key : '';
    if (key !== '__proto__') result[name] = { ...(result[name] as JsonObject | undefined), [key]: entry.value ?? '' };
  }
}

function readScalar(type: Scalar, value: bigint | Buffer): unknown {
  if (!Buffer.isBuffer(value)) return type === 'bool' ? value !== 0n : Number(value);
  if (type === 'bytes') return value.toString('base64');
  if (type === 'string') return value.toString();
  const { seconds = 0, nanos = 0 } = read(value, message({ 1: ['seconds', 'int'], 2: ['nanos', 'int'] })) as {
    seconds?: number;
    nanos?: number;
  };
  if (seconds === 0) return undefined;
  const base = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${base}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}
