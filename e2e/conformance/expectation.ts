/**
 * One expectation: what a Kubernetes API does, in one line, and how to see it. Written for Kubernetes 1.36; where the sandbox differs, the
 * sandbox is wrong. Every expectation makes its own objects in the namespace of the run, so that they may run side by side.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Answer, type Api, jsonPatch, type Loose } from './api.ts';
import type { Capability } from './target.ts';

export interface Context {
  readonly api: Api;
  /** Made for this run. */
  readonly namespace: string;
  /** An image with a shell, for servers that pull images. */
  readonly image: string;
  /** A name nobody else has. */
  name(prefix: string): string;
  compact(): void;
}

export interface Expectation {
  readonly says: string;
  readonly needs?: Capability;
  readonly check: (ctx: Context) => Promise<void>;
}

export interface Area {
  readonly area: string;
  /** These disturb others: they run alone, at the end. */
  readonly alone?: boolean;
  readonly expectations: readonly Expectation[];
}

export const expectation = (says: string, check: (ctx: Context) => Promise<void>, needs?: Capability): Expectation => ({
  says,
  check,
  ...(needs === undefined ? {} : { needs }),
});

/** The path of a core resource in the run's namespace. */
export const core = (ctx: Context, resource: string, name?: string): string =>
  `/api/v1/namespaces/${ctx.namespace}/${resource}${name === undefined ? '' : `/${name}`}`;

/** The path of a resource of a named group in the run's namespace. */
export const grouped = (ctx: Context, groupVersion: string, resource: string, name?: string): string =>
  `/apis/${groupVersion}/namespaces/${ctx.namespace}/${resource}${name === undefined ? '' : `/${name}`}`;

export const configMap = (name: string, data: Record<string, string> = {}, metadata: Record<string, unknown> = {}): Loose => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});

/** Creates and returns the stored object. */
export async function create(ctx: Context, path: string, object: unknown): Promise<Loose> {
  const answer = await ctx.api.post(path, object);
  expect(answer.status, answer.text).toBe(201);
  return answer.body;
}

/** Reads an object that must be there. */
export async function read(ctx: Context, path: string): Promise<Loose> {
  const answer = await ctx.api.get(path);
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

export function ok(answer: Answer, status = 200): Loose {
  expect(answer.status, answer.text).toBe(status);
  return answer.body;
}

/** A failure is always a Status body with the code of the answer. */
export function refused(answer: Answer, code: number, reason: string, message?: RegExp): Loose {
  expect(
    { code: answer.status, kind: answer.body?.kind, status: answer.body?.status, reason: answer.body?.reason, bodyCode: answer.body?.code },
    answer.text,
  ).toEqual({
    code,
    kind: 'Status',
    status: 'Failure',
    reason,
    bodyCode: code,
  });
  if (message !== undefined) expect(answer.body.message).toMatch(message);
  return answer.body;
}

/** Looks again until it holds; gives up after 20 seconds with the last reason. */
export async function eventually<T>(look: () => Promise<T>): Promise<T> {
  const end = performance.now() + 20_000;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > end) throw error;
      await wait(50);
    }
  }
}

export const gone = (ctx: Context, path: string): Promise<void> =>
  eventually(async () => {
    expect((await ctx.api.get(path)).status).toBe(404);
  });

/** Takes every finalizer off, so that nothing of a run stays behind. */
export const release = (ctx: Context, path: string): Promise<Answer> =>
  ctx.api.patch(path, jsonPatch, [{ op: 'remove', path: '/metadata/finalizers' }]);

export const names = (list: Loose): string[] => (list.items as { metadata: { name: string } }[]).map((item) => item.metadata.name).sort();

export const revision = (object: Loose): bigint => BigInt(object.metadata.resourceVersion as string);
