/**
 * The rules of object metadata that every API server applies: a name or a generateName, DNS names, labels and annotations of strings.
 */
import { isJsonObject, type JsonObject } from './json.ts';

export interface MetadataProblem {
  readonly path: string;
  readonly message: string;
}

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > 253 || !subdomain.test(prefix))) return false;
  return name.length <= 63 && labelName.test(name);
}

function checkMap(metadata: JsonObject, field: 'labels' | 'annotations'): readonly MetadataProblem[] {
  const map = metadata[field];
  if (map === undefined || map === null) return [];
  if (!isJsonObject(map)) return [{ path: `metadata.${field}`, message: 'must be a map of strings' }];
  return Object.entries(map).flatMap(([key, value]): readonly MetadataProblem[] => {
    const path = `metadata.${field}`;
    if (!isLabelKey(key))
      return [
        {
          path,
          message: `the key ${JSON.stringify(key)} is not valid: letters, digits, -, _ and ., at most 63, after an optional domain and /`,
        },
      ];
    if (typeof value !== 'string')
      return [{ path, message: `the value of ${key} must be a string: write ${JSON.stringify(String(value))} in quotes` }];
    if (field === 'labels' && (value.length > 63 || !labelValue.test(value))) {
      return [{ path, message: `the value of ${key} is not valid: letters, digits, -, _ and ., at most 63 characters` }];
    }
    return [];
  });
}

/** What is wrong with the metadata of an object that is to be created. */
export function checkMetadata(metadata: unknown): readonly MetadataProblem[] {
  if (!isJsonObject(metadata)) return [{ path: 'metadata', message: 'metadata is missing: give at least a name' }];
  const { name, generateName, namespace } = metadata;
  const problems: MetadataProblem[] = [];
  if (name === undefined && generateName === undefined) problems.push({ path: 'metadata', message: 'metadata.name is missing' });
  if (name !== undefined && (typeof name !== 'string' || name.length > 253 || !subdomain.test(name))) {
    problems.push({
      path: 'metadata.name',
      message: `${JSON.stringify(name)} is not a valid name: lower case letters, digits, - and ., at most 253 characters`,
    });
  }
  if (
    namespace !== undefined &&
    (typeof namespace !== 'string' || namespace.length > 63 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace))
  ) {
    problems.push({
      path: 'metadata.namespace',
      message: `${JSON.stringify(namespace)} is not a valid namespace: lower case letters, digits and -, at most 63 characters`,
    });
  }
  return [...problems, ...checkMap(metadata, 'labels'), ...checkMap(metadata, 'annotations')];
}
