/**
 * Objects that no schema of ours let in, but that are there: stored while an older, open definition was in force, with any value at any
 * place, in spec, status and metadata. Each is told apart by name, none takes the process down, loops, or delays anybody else.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiVersion } from '../../crds/v1/common.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { pods, secrets } from '../../operator/kube/builtin.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { createLogger } from '../../operator/runtime/logging.ts';
import { periodic, prowJob, rarely, shellPod } from '../scenarios/manifests.ts';
import { Arena, definitionOf, definitions, namespace, ownTypes, until, type Running } from './arena.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type Fields = Readonly<Record<string, Json>>;

let arena: Arena;
let running: Running;
beforeAll(async () => {
  arena = await Arena.open();
});
afterAll(() => arena.close());

const pod_spec = shellPod('true') as unknown as Json;
const time = '2026-01-01T00:00:00Z';
const condition: Json = { type: 'Ready', status: 'True', reason: 'Fine', message: 'all is well', lastTransitionTime: time };

interface Kind {
  readonly type: ResourceType;
  readonly spec: Fields;
  readonly status: Fields;
}

/** A good object of each kind, with something in every field that the operator reads. */
const kinds: readonly Kind[] = [
  {
    type: prowJobs,
    spec: {
      type: 'presubmit',
      job: 'job',
      agent: 'kubernetes',
      cluster: 'default',
      namespace,
      max_concurrency: 1,
      job_queue_name: 'queue',
      priority: 1,
      context: 'context',
      refs: { org: 'o', repo: 'r', base_ref: 'main', base_sha: 'a', pulls: [{ number: 1, sha: 'b', author: 'c' }] },
      extra_refs: [{ org: 'o', repo: 's', base_ref: 'main' }],
      timeouts: { queue: '1h', running: '1h' },
      retry: { max_attempts: 2, on: ['Infra'] },
      supersede: 'Cancel',
      abort: { by: 'somebody', reason: 'no' },
      ttl_seconds_after_finished: 3600,
      reporter_config: { slack: { channel: 'c' } },
      pod_spec,
    },
    status: {
      state: 'pending',
      startTime: time,
      pendingTime: time,
      build_id: '1',
      pod_name: 'none',
      attempts: [{ number: 1, pod_name: 'none', build_id: '1', started: time }],
      waiting: { reason: 'MaxConcurrency', message: 'm' },
      conditions: [condition],
    },
  },
  {
    type: periodics,
    spec: {
      cron: rarely,
      timeZone: 'Europe/Berlin',
      concurrencyPolicy: 'Forbid',
      startingDeadline: '1h',
      suspend: false,
      missedRuns: { policy: 'Latest', maxAge: '1h' },
      retry: { attempts: 1 },
      history: { successful: 1, failed: 1 },
      jobTemplate: { metadata: { labels: { a: 'b' } }, spec: { pod_spec } },
    },
    status: { observedGeneration: 1, lastScheduleTime: time, active: [{ name: 'a', uid: 'u', slot: time }], conditions: [condition] },
  },
  {
    type: periodicSets,
    spec: {
      matrix: { a: ['x', 'y'] },
      include: [{ b: 'z' }],
      exclude: [{ a: 'y' }],
      template: { metadata: { name: 'made-${a}', labels: { l: '${a}' } }, spec: { cron: rarely, jobTemplate: { spec: { pod_spec } } } },
    },
    status: { observedGeneration: 1, conditions: [condition] },
  },
  {
    type: periodicBackfills,
    spec: { periodic: 'nobody', from: time, to: '2026-01-02T00:00:00Z', parallelism: 1, onFailure: 'Stop' },
    status: { cursor: time, started: 1, active: [{ name: 'a', uid: 'u', slot: time }], failedSlots: [time], conditions: [condition] },
  },
  {
    type: pluginConfigs,
    spec: {
      repos: ['org'],
      excludedRepos: ['org/other'],
      plugins: ['lgtm'],
      externalPlugins: [{ name: 'e', endpoint: 'http://e', events: ['push'] }],
      config: { lgtm: { a: 'b' } },
    },
    status: { observedGeneration: 1, conditions: [condition] },
  },
  {
    type: buildClusters,
    spec: { alias: 'alias', kubeconfigSecretRef: { name: 'none', key: 'kubeconfig' }, maxConcurrency: 1 },
    status: { observedGeneration: 1, conditions: [condition] },
  },
];

const nested = (depth: number): Json => (depth === 0 ? 'x' : { a: nested(depth - 1) });

/** What stands where something else belongs. JSON.parse makes __proto__ a key like any other. */
const venoms: readonly (readonly [name: string, value: Json])[] = [
  ['number', -1e300],
  ['text', '\u202eאב\u0001🧪\ud800'],
  ['list', [null, 7, 'x', {}]],
  [
    'object',
    JSON.parse(
      `{"__proto__": {"a": [1]}, "constructor": "x", "toString": null, "length": 7, "deep": ${JSON.stringify(nested(300))}}`,
    ) as Json,
  ],
];

/** The good object with one value replaced, for each place. */
function* replaced(value: Json, venom: Json, at: readonly string[] = []): Generator<readonly [path: string, value: Json]> {
  if (at.length > 0) yield [at.join('.'), venom];
  if (at.length > 3 || typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    for (const [path, changed] of replaced(item, venom, [...at, name])) {
      if (Array.isArray(value)) yield [path, value.map((other: Json, index) => (String(index) === name ? changed : other))];
      else yield [path, { ...(value as Fields), [name]: changed }];
    }
  }
}

interface Poison {
  readonly type: ResourceType;
  readonly object: KubeObject & { readonly spec: Json; readonly status?: Json };
  /** Where the value is. */
  readonly at: string;
  /** Whether another type belongs there. */
  readonly isWrong: boolean;
  /** Whether it is text or a number where one belongs. */
  readonly isWell: boolean;
}

/** Parts that are whatever their own readers make of them. */
const open = /^spec\.(pod_spec|jobTemplate\.spec\.pod_spec|config\.lgtm|template\.spec|reporter_config\.slack)\./;

const sortOf = (value: Json | undefined): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);

function* poisonsOf({ type, spec, status }: Kind): Generator<Poison> {
  let serial = 0;
  const good = { spec, status };
  const belongs = (path: string): Json | undefined =>
    path.split('.').reduce<Json | undefined>((value, name) => (value as Readonly<Record<string, Json>>)[name], good);
  const make = (path: string, name: string, parts: { readonly spec: Json; readonly status?: Json }): Poison => {
    const sort = sortOf(venoms.find(([each]) => each === name)?.[1]);
    const isSame = sort === sortOf(belongs(path));
    const object = { apiVersion, kind: type.kind, metadata: { namespace, name: `${type.plural}-${(serial += 1)}` }, ...parts };
    return {
      type,
      at: `${path} as ${name}`,
      object,
      isWrong: !isSame && !open.test(path),
      isWell: isSame && sort !== 'object' && sort !== 'list',
    };
  };
  for (const [name, venom] of venoms) {
    yield make('spec', name, { spec: venom });
    yield make('status', name, { spec, status: venom });
    for (const [path, changed] of replaced(spec, venom)) yield make(`spec.${path}`, name, { spec: changed });
    for (const [path, changed] of replaced(status, venom)) yield make(`status.${path}`, name, { spec, status: changed });
  }
}

const poisons: readonly Poison[] = kinds.flatMap((kind) => [...poisonsOf(kind)]);

/** A definition from before the fields were known: anything may be stored. */
function openDefinition(type: ResourceType): KubeObject {
  const definition = structuredClone(definitionOf(type)) as KubeObject & {
    readonly spec: { readonly versions: readonly { schema: unknown; subresources?: unknown; selectableFields?: unknown }[] };
  };
  for (const version of definition.spec.versions) {
    version.schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    delete version.subresources;
    delete version.selectableFields;
  }
  return definition;
}

async function replaceDefinition(type: ResourceType, next: KubeObject): Promise<void> {
  const present = await arena.client.get(definitions, { namespace: '', name: next.metadata.name });
  const { resourceVersion = '' } = present.metadata;
  await arena.client.replace(definitions, { ...next, metadata: { ...next.metadata, resourceVersion } });
  await until(`${type.plural} to be served`, () => arena.client.list(type, { limit: 1 }).then(Boolean, () => false));
}

let controls = 0;
/** Somebody who has nothing to do with it waits no longer than usual. */
async function expectHealthy(): Promise<void> {
  const name = `control-${(controls += 1)}`;
  await arena.apply(prowJobs, prowJob(name, 'true'));
  expect(await arena.endOf(name)).toBe('success Succeeded');
  expect(running.operator.kit.manager.phase).toBe('leading');
}

/** The longest line, as it would be written. */
function longestLine(): number {
  let longest = 0;
  const stream = { write: (text: string) => (longest = Math.max(longest, text.length)) > -1 } as unknown as NodeJS.WritableStream;
  const logger = createLogger({ level: 'info', format: 'json', stream, now: () => 0 });
  for (const { level, message, fields } of running.logger.lines) if (level !== 'debug') logger[level](message, fields);
  return longest;
}

describe('what an older definition let in', () => {
  it('is stored', { timeout: 120_000 }, async () => {
    for (const type of ownTypes) await replaceDefinition(type, openDefinition(type));
    const create = ({ type, object }: Poison): Promise<unknown> =>
      arena.client.raw({ method: 'POST', path: `/apis/${apiVersion}/namespaces/${namespace}/${type.plural}`, body: object });
    for (const poison of poisons) await create(poison);
    for (const type of ownTypes) await replaceDefinition(type, definitionOf(type));
    const { items } = await arena.client.list(prowJobs, { namespace });
    expect(items.length).toBeGreaterThan(100);
  });

  it('keeps nobody waiting, and is told by name and field, and nothing else is', { timeout: 120_000 }, async () => {
    running = await arena.start('operator', { settings: { cleanup: { orphanAge: '1s' } } });
    await expectHealthy();
    const told = new Map(
      running.logger.lines
        .filter(({ message }) => message.startsWith('An object cannot be used'))
        .map(({ fields }) => [`${String(fields.resource)} ${String(fields.object)}`, String(fields.problem)]),
    );
    const nameOf = ({ type, object }: Poison): string => `${type.plural} ${namespace}/${object.metadata.name}`;
    const tellAt = (which: (poison: Poison) => boolean): readonly string[] =>
      poisons.filter(which).map(({ type, at }) => `${type.kind} ${at}`);
    expect(tellAt((poison) => poison.isWrong && !told.has(nameOf(poison)))).toEqual([]);
    expect(tellAt((poison) => poison.isWell && told.has(nameOf(poison)))).toEqual([]);
    for (const poison of poisons) {
      const field = poison.at.split(' ')[0]?.replace(/\.(\d+)/g, '[$1]') ?? '';
      if (poison.isWrong) expect(told.get(nameOf(poison))?.replace(/\["([^"]+)"\]/g, '.$1')).toContain(field);
    }
    expect(running.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('does not loop, and writes no endless lines', { timeout: 120_000 }, async () => {
    const passes = new Map<string, number>();
    for (const { message, fields } of running.logger.lines) {
      const name = `${String(fields.controller)} ${String(fields.key)}`;
      if (message === 'Decided') passes.set(name, (passes.get(name) ?? 0) + 1);
    }
    expect([...passes].filter(([, count]) => count > 25)).toEqual([]);
    expect(longestLine()).toBeLessThan(8_000);
    await expectHealthy();
  });

  it('is used as soon as it is mended', { timeout: 120_000 }, async () => {
    const poison = poisons.find(({ type, at }) => type.kind === 'Periodic' && at === 'spec as number');
    const name = poison?.object.metadata.name ?? '';
    const present = await arena.client.get(periodics, { namespace, name });
    await arena.client.replace(periodics, { ...present, spec: periodic(name, 'true', { cron: rarely }).spec });
    await until('it to be looked after', async () => {
      const { status } = await arena.client.get(periodics, { namespace, name });
      return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
    });
  });

  it('may be a run that goes on: its pod is left alone until it is mended', { timeout: 120_000 }, async () => {
    const name = 'spoiled';
    const good = prowJob(name, 'sleep 3600').spec;
    await arena.apply(prowJobs, prowJob(name, 'sleep 3600'));
    await until(
      'it to run',
      async () => (await arena.client.get(pods, { namespace, name }).catch(() => undefined))?.status?.phase === 'Running',
    );
    await replaceDefinition(prowJobs, openDefinition(prowJobs));
    const spoil = async (spec: unknown): Promise<void> => {
      const present = await arena.client.get(prowJobs, { namespace, name });
      await arena.client.replace(prowJobs, { ...present, spec: spec as typeof good });
    };
    await spoil({ ...good, refs: 'nonsense' });
    await replaceDefinition(prowJobs, definitionOf(prowJobs));
    await until('it to be told', () =>
      running.logger.lines.some(({ fields }) => fields.object === `${namespace}/${name}` && fields.problem !== undefined),
    );
    // The pods of runs that are gone are deleted after a second.
    await arena.apply(prowJobs, prowJob('orphan', 'sleep 3600'));
    await until(
      'the other to run',
      async () => (await arena.client.get(pods, { namespace, name: 'orphan' }).catch(() => undefined))?.status?.phase === 'Running',
    );
    await arena.client.delete(prowJobs, { namespace, name: 'orphan' });
    await until(
      'the other to be cleaned up',
      async () => !(await arena.client.list(pods, { namespace })).items.some(({ metadata }) => metadata.name === 'orphan'),
    );
    expect((await arena.client.get(pods, { namespace, name })).metadata.deletionTimestamp).toBeUndefined();
    await replaceDefinition(prowJobs, openDefinition(prowJobs));
    await spoil(good);
    await replaceDefinition(prowJobs, definitionOf(prowJobs));
    await arena.client.patch(prowJobs, { namespace, name }, mergePatch({ spec: { abort: { by: 'test' } } }));
    expect(await arena.endOf(name)).toBe('aborted Aborted');
  });
});

/** What the schemas of today let in. */
describe('what a user may send', () => {
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`name-${index}`, `value ${index}`.replace(' ', '-')]));
  const text = 'x'.repeat(1_300_000);

  it.each<{ readonly name: string; readonly run: ProwJob; readonly end: RegExp }>([
    {
      name: '1.3 MB in a field that nobody reads',
      run: prowJob('large', 'true', { context: text }),
      end: /^error /,
    },
    { name: '1.3 MB in the environment', run: prowJob('large-env', `true # ${text}`), end: /^(error|failure|success) / },
    { name: '10,000 labels', run: { ...prowJob('labels', 'true'), metadata: { name: 'labels', labels: many(10_000) } }, end: /^success / },
    {
      name: '10,000 annotations',
      run: { ...prowJob('annotations', 'true'), metadata: { name: 'annotations', annotations: many(10_000) } },
      end: /^success /,
    },
    { name: 'unicode', run: prowJob('unicode', 'true', { job: '\u202e אב 🧪 \ud800 \u0001' }), end: /^success / },
    {
      name: 'huge numbers',
      run: prowJob('huge', 'true', { priority: 2_147_483_647, ttl_seconds_after_finished: 2_147_483_647 }),
      end: /^success /,
    },
  ])('$name', { timeout: 120_000 }, async ({ run, end }) => {
    const before = process.memoryUsage().rss;
    await arena.apply(prowJobs, run);
    expect(await arena.endOf(run.metadata.name)).toMatch(end);
    await expectHealthy();
    expect(longestLine()).toBeLessThan(8_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(500_000_000);
  });

  it.each([
    { name: 'no text at all', data: Buffer.from([0, 255, 254, 1]).toString('base64') },
    {
      name: 'YAML that grows',
      data: Buffer.from(
        [
          'a: &a [x,x,x,x,x,x,x,x,x]',
          ...'bcdefgh'.split('').map(
            (key, index) =>
              `${key}: &${key} [${Array(9)
                .fill(`*${'abcdefg'[index] ?? ''}`)
                .join(',')}]`,
          ),
        ].join('\n'),
      ).toString('base64'),
    },
    {
      name: 'a kubeconfig of lists',
      data: Buffer.from('{"clusters": {"a": 1}, "contexts": 7, "users": null, "current-context": ["x"]}').toString('base64'),
    },
    { name: 'a megabyte of braces', data: Buffer.from('{'.repeat(700_000)).toString('base64') },
  ])('a Secret of a build cluster with $name', { timeout: 120_000 }, async ({ name, data }) => {
    const key = name.replaceAll(' ', '-').toLowerCase();
    await arena.client.create(secrets, { metadata: { namespace, name: key }, data: { kubeconfig: data } });
    await arena.apply(buildClusters, {
      apiVersion,
      kind: 'BuildCluster',
      metadata: { name: key },
      spec: { alias: key, kubeconfigSecretRef: { name: key, key: 'kubeconfig' } },
    });
    await until('it to be refused', async () => {
      const { status } = await arena.client.get(buildClusters, { namespace, name: key });
      return (
        status?.conditions?.some(({ type, status: is, message }) => type === 'Ready' && is === 'False' && message.length < 2_000) ?? false
      );
    });
    await expectHealthy();
  });
});
