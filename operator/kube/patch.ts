/** The three kinds of patch, each tied to its content type so that no call can send one as another. */
import type { KubeObject } from './objects.ts';

/** RFC 7386: what is named is set, null removes, lists are replaced whole. */
export interface MergePatch {
  readonly contentType: 'application/merge-patch+json';
  readonly body: object;
}

export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  /** RFC 6901; see pointer(). */
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** RFC 6902. A failed `test` is answered with 422 Invalid. */
export interface JsonPatch {
  readonly contentType: 'application/json-patch+json';
  readonly body: readonly JsonPatchOperation[];
}

/** Server-side apply: needs a fieldManager, and apiVersion, kind and name in the body. */
export interface ApplyPatch {
  readonly contentType: 'application/apply-patch+yaml';
  readonly body: object;
}

export type Patch = MergePatch | JsonPatch | ApplyPatch;

export const mergePatch = (body: object): MergePatch => ({ contentType: 'application/merge-patch+json', body });
export const jsonPatch = (operations: readonly JsonPatchOperation[]): JsonPatch => ({
  contentType: 'application/json-patch+json',
  body: operations,
});
export const applyPatch = (object: KubeObject): ApplyPatch => ({ contentType: 'application/apply-patch+yaml', body: object });

/** A JSON pointer from plain segments: pointer('metadata', 'annotations', 'a/b') is /metadata/annotations/a~1b. */
export const pointer = (...segments: readonly string[]): string =>
  segments.map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
