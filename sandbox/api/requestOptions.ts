/** The options of a write or deletion, from query and body. What Kubernetes refuses is refused in its words. */
import { badRequest, forbiddenField, invalidOptions, invalidValue, unsupported } from './failure.ts';
import type { Call } from './call.ts';
import { asString, field } from './json.ts';
import type { DeleteOptions, WriteOptions } from './writeOptions.ts';

type Kind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions';

const maxManagerBytes = 128;
const validations = ['', 'Ignore', 'Strict', 'Warn'] as const;

/** @param asked the values of dryRun; there may be one, All */
function isDryRun(kind: Kind, asked: readonly unknown[]): boolean {
  const values = asked.filter((value) => value !== '');
  if (values.some((value) => value !== 'All')) throw invalidOptions(kind, unsupported('dryRun', values, ['All']));
  return values.length > 0;
}

/** Who writes: as the client says, or else the first part of its User-Agent. */
function managerOf(call: Call, kind: Kind): string {
  const given = call.query.get('fieldManager') ?? '';
  if (Buffer.byteLength(given) > maxManagerBytes) {
    const message = `Too long: may not be more than ${maxManagerBytes} bytes`;
    throw invalidOptions(kind, { path: 'fieldManager', type: 'FieldValueTooLong', message });
  }
  if (/\p{C}/u.test(given)) throw invalidOptions(kind, invalidValue('fieldManager', given, 'should not contain non-printable characters'));
  const agent = (call.request.headers['user-agent'] ?? '').split('/')[0] ?? '';
  return given === '' ? (agent === '' ? 'unknown' : agent) : given;
}

export function writeOptions(
  call: Call,
  kind: Kind,
  more: { readonly subresource?: string | undefined; readonly decodingErrors?: readonly string[]; readonly isApply?: boolean } = {},
): WriteOptions {
  const { subresource, decodingErrors = [] } = more;
  const dryRun = isDryRun(kind, call.query.getAll('dryRun'));
  if (kind === 'PatchOptions' && call.query.has('force') && more.isApply !== true)
    throw invalidOptions(kind, forbiddenField('force', 'may not be specified for non-apply patch'));
  const asked = call.query.get('fieldValidation') ?? '';
  const fieldValidation = validations.find((known) => known === asked);
  if (fieldValidation === undefined) throw invalidOptions(kind, unsupported('fieldValidation', asked, validations));
  return {
    dryRun,
    fieldValidation: fieldValidation === '' ? 'Warn' : fieldValidation,
    manager: managerOf(call, kind),
    warn: (text) => call.warnings.push(text),
    subresource,
    decodingErrors,
  };
}

/** @param body DeleteOptions; what it does not say is looked for in the query */
export function deleteOptions(body: Readonly<Record<string, unknown>>, query: URLSearchParams): DeleteOptions {
  const dryRun = isDryRun('DeleteOptions', Array.isArray(body.dryRun) ? body.dryRun : query.getAll('dryRun'));
  return {
    dryRun,
    gracePeriodSeconds: graceOf(body, query),
    propagationPolicy: policyOf(body, query),
    uid: asString(field(body.preconditions, 'uid')),
    resourceVersion: asString(field(body.preconditions, 'resourceVersion')),
  };
}

function graceOf(body: Readonly<Record<string, unknown>>, query: URLSearchParams): number | undefined {
  const text = query.get('gracePeriodSeconds');
  const grace = body.gracePeriodSeconds ?? (text === null ? undefined : Number(text));
  if (grace === undefined) return undefined;
  if (typeof grace !== 'number' || !Number.isInteger(grace))
    throw badRequest(`gracePeriodSeconds must be an integer, not ${JSON.stringify(text ?? grace)}`);
  // A negative grace means: as short as can be waited for.
  return grace < 0 ? 1 : grace;
}

function policyOf(body: Readonly<Record<string, unknown>>, query: URLSearchParams): string | undefined {
  const policy = asString(body.propagationPolicy) ?? query.get('propagationPolicy') ?? undefined;
  const orphan = body.orphanDependents ?? query.get('orphanDependents') ?? undefined;
  if (policy !== undefined && orphan !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set';
    throw invalidOptions('DeleteOptions', invalidValue('propagationPolicy', policy, why));
  }
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy))
    throw invalidOptions('DeleteOptions', unsupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  return policy ?? (orphan === true || orphan === 'true' ? 'Orphan' : undefined);
}
