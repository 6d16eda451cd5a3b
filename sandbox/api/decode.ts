/** Request bodies: JSON, or YAML where a client may send it. Fields that appear twice are found, because JSON.parse would hide them. */
import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { duplicateFields } from './duplicateFields.ts';
import { ApiFailure, badRequest } from './failure.ts';
import { decodeProtobuf } from './protobuf.ts';

export interface Decoded {
  readonly value: unknown;
  /** Worded for "strict decoding error". */
  readonly problems: readonly string[];
}

export function parseText(text: string, yaml: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!yaml) throw badRequest(`the object provided is unrecognized (must be of type JSON): ${(error as Error).message}`);
  }
  try {
    return parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    throw badRequest(`error decoding YAML: ${(error as Error).message}`);
  }
}

export function decodeBody(request: IncomingMessage, body: Buffer): Decoded {
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '';
  if (type === 'application/vnd.kubernetes.protobuf') return { value: decodeProtobuf(body), problems: [] };
  const yaml = type === 'application/yaml';
  if (!yaml && !type.endsWith('json') && type !== '*/*') {
    const message = `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`;
    throw new ApiFailure(415, 'UnsupportedMediaType', message);
  }
  if (body.length === 0) throw badRequest('the request has no body: send the object as JSON');
  const text = body.toString();
  const value = parseText(text, yaml);
  return { value, problems: yaml ? [] : duplicateFields(text).map((path) => `duplicate field "${path}"`) };
}
