/**
 * Checks files of objects as a cluster would, without one: unknown fields, schema, defaults, CEL rules, and further checks that the
 * caller brings. Every problem names file, line, object and field. Objects of other groups are skipped and counted.
 */
import { customResourceDefinitions } from './definitions.ts';
import { isJsonObject, ownField, type JsonObject } from './json.ts';
import { parseManifests, type Manifest, type Segments } from './manifests.ts';
import { checkMetadata } from './metadata.ts';
import { nearest } from './nearest.ts';
import { rulesNotChecked, StructuralSchema, type FieldError } from './structural.ts';
import { apiVersion, group } from './v1/common.ts';
import type { KindName, KindTypes } from './validators.ts';

export type Severity = 'error' | 'warning';

export interface ValidationProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Empty where the file could not be read so far. */
  readonly kind: string;
  readonly name: string;
  readonly path: string;
  readonly message: string;
  readonly severity: Severity;
}

export interface ValidationReport {
  readonly problems: readonly ValidationProblem[];
  /** Objects of this group. */
  readonly checked: number;
  /** Objects of other groups. */
  readonly skipped: number;
}

export interface SemanticProblem {
  /** Such as spec.cron or spec.plugins[2]. */
  readonly path: string;
  readonly message: string;
  /** Absent: error. */
  readonly severity?: Severity;
}

/** A check beyond the schema. It sees only objects that the schema accepts, with defaults, and the name of their file. */
export type SemanticChecks = { readonly [K in KindName]?: readonly ((object: KindTypes[K], file: string) => readonly SemanticProblem[])[] };

export interface SourceFile {
  readonly file: string;
  readonly text: string;
}

interface Validator {
  readonly schema: StructuralSchema;
  readonly fields: JsonObject;
}

function createValidators(): ReadonlyMap<string, Validator> {
  return new Map(
    customResourceDefinitions().flatMap((crd) =>
      crd.spec.versions.map(({ schema }): [string, Validator] => [
        crd.spec.names.kind,
        { schema: new StructuralSchema(schema.openAPIV3Schema), fields: schema.openAPIV3Schema },
      ]),
    ),
  );
}

interface Finding {
  readonly segments: Segments;
  readonly path: string;
  readonly message: string;
  readonly severity?: Severity;
}

/** Checks all files. Nothing is read or written here: the caller brings the text. */
export function validateManifests(sources: readonly SourceFile[], checks: SemanticChecks = {}): ValidationReport {
  const validators = createValidators();
  const problems: ValidationProblem[] = [];
  let checked = 0;
  let skipped = 0;
  for (const { file, text } of sources) {
    const parsed = parseManifests(text);
    problems.push(
      ...parsed.problems.map((problem): ValidationProblem => ({ file, ...problem, kind: '', name: '', path: '', severity: 'error' })),
    );
    for (const manifest of parsed.manifests) {
      if (isOurs(manifest.value)) checked++;
      else if (hasIdentity(manifest.value)) {
        skipped++;
        continue;
      }
      const semantic = (kind: string, object: JsonObject): readonly Finding[] => semanticFindings(kind, object, file, checks);
      const findings = validateObject(manifest.value, validators, semantic);
      problems.push(...findings.map((finding) => placed(file, manifest, finding)));
    }
  }
  return { problems, checked, skipped };
}

const isOurs = (value: JsonObject): boolean => typeof value.apiVersion === 'string' && value.apiVersion.startsWith(`${group}/`);
const hasIdentity = (value: JsonObject): boolean => isText(value.apiVersion) && isText(value.kind);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function placed(file: string, { value, locate }: Manifest, finding: Finding): ValidationProblem {
  const metadata = isJsonObject(value.metadata) ? value.metadata : {};
  return {
    file,
    ...locate(finding.segments),
    kind: isText(value.kind) ? value.kind : '',
    name: isText(metadata.name) ? metadata.name : isText(metadata.generateName) ? `${metadata.generateName}*` : '',
    path: finding.path,
    message: finding.message,
    severity: finding.severity ?? 'error',
  };
}

const at = (path: string, message: string): Finding => ({ segments: segmentsOfText(path), path, message });

/** `spec.plugins[2].name` as segments. */
function segmentsOfText(path: string): Segments {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map((match) => (match[1] === undefined ? (match[2] ?? '') : Number(match[1])));
}

function validateObject(
  value: JsonObject,
  validators: ReadonlyMap<string, Validator>,
  semantic: (kind: string, object: JsonObject) => readonly Finding[],
): readonly Finding[] {
  for (const field of ['apiVersion', 'kind']) {
    if (!isText(value[field])) return [at(field, `${field} is missing: every object says what it is, such as ${apiVersion}, ProwJob`)];
  }
  if (value.apiVersion !== apiVersion)
    return [at('apiVersion', `${String(value.apiVersion)} does not exist: the version of this group is ${apiVersion}`)];
  const kind = String(value.kind);
  const validator = validators.get(kind);
  if (validator === undefined) return [at('kind', `${kind} is no kind of ${apiVersion}: ${[...validators.keys()].join(', ')}`)];
  const { object, fields } = validator.schema.pruneFields(value);
  const defaulted = validator.schema.applyDefaults(object);
  const findings = [
    ...checkMetadata(value.metadata).map(({ path, message }) => at(path, message)),
    ...fields.map((field): Finding => ({ ...field, message: unknownField(field.segments, validator.fields) })),
    ...validator.schema.validate(defaulted).map(fromFieldError),
  ];
  return findings.length > 0 ? findings : semantic(kind, defaulted);
}

/** That rules were not looked at is a remark on the errors before it, not an error of its own. */
function fromFieldError(error: FieldError): Finding {
  if (error === rulesNotChecked)
    return { segments: [], path: '', message: 'correct the errors to have the rules checked as well', severity: 'warning' };
  return { segments: error.segments, path: error.path === '<nil>' ? '' : error.path, message: error.message };
}

function semanticFindings(kind: string, object: JsonObject, file: string, checks: SemanticChecks): readonly Finding[] {
  const own = (ownField(checks, kind) ?? []) as readonly ((object: unknown, file: string) => readonly SemanticProblem[])[];
  return own.flatMap((check) => check(object, file)).map((problem) => ({ ...problem, segments: segmentsOfText(problem.path) }));
}

function unknownField(segments: Segments, schema: JsonObject): string {
  const name = String(segments.at(-1));
  const known = fieldsAt(segments.slice(0, -1), schema);
  const guess = nearest(name, known);
  if (guess !== undefined) return `unknown field: did you mean ${guess}?`;
  return known.length === 0 || known.length > 12 ? 'unknown field' : `unknown field: there are ${known.join(', ')}`;
}

/** The names a schema has at some depth. */
function fieldsAt(segments: Segments, schema: JsonObject): readonly string[] {
  let at: unknown = schema;
  for (const segment of segments) {
    if (!isJsonObject(at)) return [];
    const properties: JsonObject = isJsonObject(at.properties) ? at.properties : {};
    at = typeof segment === 'number' ? at.items : (ownField(properties, segment) ?? at.additionalProperties);
  }
  return isJsonObject(at) && isJsonObject(at.properties) ? Object.keys(at.properties) : [];
}
