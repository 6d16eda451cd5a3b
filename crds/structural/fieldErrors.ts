/**
 * Field errors in the words of kube-apiserver: a path, the reason that goes into the causes of a Status, and the body of the message.
 * "path: message" is the line that kubectl prints.
 */

export type FieldErrorType =
  | 'FieldValueInvalid'
  | 'FieldValueTypeInvalid'
  | 'FieldValueRequired'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany';

export interface FieldError {
  /** As Kubernetes writes it: spec.refs.pulls[0].sha; `<nil>` where it names no field. */
  readonly path: string;
  readonly type: FieldErrorType;
  /** Without the path. */
  readonly message: string;
  /** The way to the field, for mapping it to a place in a file. */
  readonly segments: readonly (string | number)[];
}

export const formatFieldError = (error: FieldError): string => `${error.path}: ${error.message}`;

/** A place in an object, kept as a chain so that no text is made for fields that are right. */
export interface Path {
  readonly parent: Path | undefined;
  readonly segment: string | number;
  /** A map key that is written in brackets. */
  readonly isKey?: boolean;
}

export const child = (parent: Path | undefined, segment: string | number): Path => ({ parent, segment });

/** A key of a map, which CEL errors write in brackets. */
export const mapKey = (parent: Path | undefined, segment: string): Path => ({ parent, segment, isKey: true });

export function segmentsOf(path: Path | undefined): readonly (string | number)[] {
  const segments: (string | number)[] = [];
  for (let at = path; at !== undefined; at = at.parent) segments.push(at.segment);
  return segments.reverse();
}

export function formatPath(path: Path | undefined): string {
  if (path === undefined) return '<nil>';
  const before = path.parent === undefined ? '' : formatPath(path.parent);
  if (typeof path.segment === 'number' || path.isKey === true) return `${before}[${path.segment}]`;
  return before === '' ? path.segment : `${before}.${path.segment}`;
}

const error = (path: Path | undefined, type: FieldErrorType, message: string): FieldError => ({
  path: formatPath(path),
  type,
  message,
  segments: segmentsOf(path),
});

const quoted = (value: unknown): string => (value === undefined ? '""' : JSON.stringify(value));

export const required = (path: Path | undefined, detail = ''): FieldError =>
  error(path, 'FieldValueRequired', detail === '' ? 'Required value' : `Required value: ${detail}`);

export const invalid = (path: Path | undefined, value: unknown, detail: string): FieldError =>
  error(path, 'FieldValueInvalid', `Invalid value: ${quoted(value)}: ${detail}`);

/** As invalid, without the value: for objects and lists, which would fill the line. */
export const invalidWithoutValue = (path: Path | undefined, detail: string): FieldError =>
  error(path, 'FieldValueInvalid', `Invalid value: ${detail}`);

/** The value has the wrong type; `actual` is the type it has. */
export const wrongType = (path: Path | undefined, expected: string, actual: string): FieldError =>
  error(path, 'FieldValueTypeInvalid', `Invalid value: ${quoted(actual)}: ${inBody(path)} must be of type ${expected}: ${quoted(actual)}`);

/** The value does not have the format. */
export const wrongFormat = (path: Path | undefined, format: string, value: unknown): FieldError =>
  error(path, 'FieldValueTypeInvalid', `Invalid value: ${quoted(value)}: ${inBody(path)} must be of type ${format}: ${quoted(value)}`);

export const notSupported = (path: Path | undefined, value: unknown, supported: readonly unknown[]): FieldError => {
  const values = supported.map((item) => quoted(typeof item === 'string' ? item : JSON.stringify(item)));
  return error(path, 'FieldValueNotSupported', `Unsupported value: ${quoted(value)}: supported values: ${values.join(', ')}`);
};

export const duplicateWithoutValue = (path: Path | undefined): FieldError => error(path, 'FieldValueDuplicate', 'Duplicate value');

export const duplicate = (path: Path | undefined, value: unknown): FieldError =>
  error(path, 'FieldValueDuplicate', `Duplicate value: ${quoted(value)}`);

export const forbidden = (path: Path | undefined, detail: string): FieldError => error(path, 'FieldValueForbidden', `Forbidden: ${detail}`);

export const tooLong = (path: Path | undefined, max: number): FieldError =>
  error(path, 'FieldValueTooLong', `Too long: may not be more than ${max} ${max === 1 ? 'byte' : 'bytes'}`);

export const tooMany = (path: Path | undefined, actual: number, max: number): FieldError =>
  error(path, 'FieldValueTooMany', `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`);

/** The subject of a sentence that validation of the request body writes. */
export const inBody = (path: Path | undefined): string => (path === undefined ? 'in body' : `${formatPath(path)} in body`);
