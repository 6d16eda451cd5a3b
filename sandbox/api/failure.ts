/** Refusals as Kubernetes words them: an ApiFailure carries the metav1.Status that a client receives. */
import type { ApiStatus } from '../../operator/kube/objects.ts';
import { kindName, resourceName } from './resourceInfo.ts';
import type { FieldError, ResourceInfo } from './resourceInfo.ts';

type Named = Pick<ResourceInfo, 'group' | 'plural' | 'kind'>;

export class ApiFailure extends Error {
  readonly status: ApiStatus;

  constructor(code: number, reason: string, message: string, details?: ApiStatus['details']) {
    super(message);
    this.name = 'ApiFailure';
    const base = { kind: 'Status' as const, apiVersion: 'v1', metadata: {}, status: 'Failure', message, code };
    this.status = { ...base, ...(reason === '' ? {} : { reason }), ...(details === undefined ? {} : { details }) };
  }

  get code(): number {
    return this.status.code ?? 500;
  }
}

export const resourceDetails = (info: Named, name: string): NonNullable<ApiStatus['details']> => ({
  name,
  ...(info.group === '' ? {} : { group: info.group }),
  kind: info.plural,
});

export const badRequest = (message: string): ApiFailure => new ApiFailure(400, 'BadRequest', message);

export const pathNotFound = (): ApiFailure => new ApiFailure(404, 'NotFound', 'the server could not find the requested resource', {});

export const notFound = (info: Named, name: string): ApiFailure =>
  new ApiFailure(404, 'NotFound', `${resourceName(info)} "${name}" not found`, resourceDetails(info, name));

export const alreadyExists = (info: Named, name: string): ApiFailure =>
  new ApiFailure(409, 'AlreadyExists', `${resourceName(info)} "${name}" already exists`, resourceDetails(info, name));

export const conflict = (info: Named, name: string, why: string): ApiFailure =>
  new ApiFailure(409, 'Conflict', `Operation cannot be fulfilled on ${resourceName(info)} "${name}": ${why}`, resourceDetails(info, name));

export const modified = (info: Named, name: string): ApiFailure =>
  conflict(info, name, 'the object has been modified; please apply your changes to the latest version and try again');

export const forbidden = (
  info: Named,
  name: string,
  why: string,
  cause?: { reason: string; message: string; field?: string },
): ApiFailure =>
  new ApiFailure(403, 'Forbidden', `${resourceName(info)} "${name}" is forbidden: ${why}`, {
    ...resourceDetails(info, name),
    ...(cause === undefined ? {} : { causes: [cause] }),
  });

export const methodNotAllowed = (): ApiFailure =>
  new ApiFailure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const expired = (message: string): ApiFailure => new ApiFailure(410, 'Expired', message);

export const invalid = (info: Named, name: string, errors: readonly FieldError[]): ApiFailure => {
  const lines = errors.map((error) => `${error.path}: ${error.message}`);
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return new ApiFailure(422, 'Invalid', `${kindName(info)} "${name}" is invalid: ${text}`, {
    ...(name === '' ? {} : { name }),
    ...(info.group === '' ? {} : { group: info.group }),
    kind: info.kind,
    causes: errors.map((error) => ({ reason: error.type, message: error.message, field: error.path })),
  });
};

/** A refused query parameter; `kind` is ListOptions, PatchOptions … */
export const invalidOptions = (kind: string, error: FieldError): ApiFailure =>
  invalid({ group: 'meta.k8s.io', plural: '', kind }, '', [error]);

export const forbiddenField = (path: string, detail: string): FieldError => ({
  path,
  type: 'FieldValueForbidden',
  message: `Forbidden: ${detail}`,
});

export const required = (path: string, detail = ''): FieldError => ({
  path,
  type: 'FieldValueRequired',
  message: `Required value${detail === '' ? '' : `: ${detail}`}`,
});

export const invalidValue = (path: string, value: unknown, detail: string): FieldError => ({
  path,
  type: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value)}: ${detail}`,
});

export const unsupported = (path: string, value: unknown, supported: readonly string[]): FieldError => ({
  path,
  type: 'FieldValueNotSupported',
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`,
});
