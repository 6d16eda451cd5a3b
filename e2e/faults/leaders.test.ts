/**
 * Two leaders for a while: what a leader had decided arrives when another has taken over, as from a process that was stopped between
 * deciding and sending. One row for each kind of write. Nothing may happen twice, nothing may be undone, and what cannot be refused (the
 * creation of a pod whose run has ended meanwhile) has to be put right.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { apiVersion } from '../../crds/v1/common.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { periodicBackfills, periodics, periodicSets, prowJobs } from '../../crds/resources.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { pods } from '../../operator/kube/builtin.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { forever, periodic, prowJob, rarely, shellPod } from '../scenarios/manifests.ts';
import { Arena, until } from './arena.ts';
import { LateWrites, type LateAnswer, type Sent } from './lateWrites.ts';

const namespaces: ResourceType = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };

let arena: Arena;
let late: LateWrites;
const dir = mkdtempSync(path.join(tmpdir(), 'prow-leaders-'));
afterEach(async () => {
  await arena.close();
  await late.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const testTimeoutMs = 100_000;

/** One write that comes late. Each row has a namespace of its own. */
interface Row {
  readonly name: string;
  /** What is kept back, in the namespace of the row. */
  readonly holds: (sent: Sent) => boolean;
  /** What is there before, made by the first leader without trouble. */
  readonly before?: (row: string) => Promise<unknown>;
  /** What makes the first leader decide the write. */
  readonly act: (row: string) => Promise<unknown>;
  /** What somebody does when the second leader has taken over. */
  readonly meanwhile?: (row: string) => Promise<unknown>;
  /** What is true in the end, as text that can be compared. */
  readonly end: (row: string) => Promise<unknown>;
  readonly wants: unknown;
  /** The write cannot be refused: its effect is put right afterwards. */
  readonly hasEffect?: boolean;
}

const isWrite =
  (method: string, pattern: RegExp) =>
  (sent: Sent): boolean =>
    sent.method === method && pattern.test(sent.path);

const create = <T extends KubeObject>(type: ResourceType<T>, namespace: string, object: T): Promise<T> =>
  arena.client.create(type, { ...object, metadata: { ...object.metadata, namespace } });
const abort = (namespace: string, name: string) =>
  arena.client.patch(prowJobs, { namespace, name }, mergePatch({ spec: { abort: { by: 'somebody' } } }));
const runNow = (namespace: string, name: string) =>
  arena.client.patch(periodics, { namespace, name }, mergePatch({ metadata: { annotations: { [runNowAnnotation]: 'now' } } }));
const isPending = (namespace: string, name: string) =>
  until(`${namespace}/${name} to run`, async () => {
    const pod = await arena.client.get(pods, { namespace, name }).catch(() => undefined);
    return pod?.status?.phase === 'Running';
  });
const runsIn = async (namespace: string): Promise<string[]> => {
  const { items } = await arena.client.list(prowJobs, { namespace });
  return items.map(({ status }) => `${status?.state ?? ''} ${status?.attempts?.length ?? 0}`);
};
const podsIn = async (namespace: string): Promise<number> => (await arena.client.list(pods, { namespace })).items.length;
const endIn = async (namespace: string): Promise<unknown> => ({ runs: await runsIn(namespace), pods: await podsIn(namespace) });
const schedulesIn = async (namespace: string): Promise<string[]> =>
  (await arena.client.list(periodics, { namespace })).items.map(({ metadata }) => metadata.name);

const setOf = (values: readonly string[]): PeriodicSet => ({
  apiVersion,
  kind: 'PeriodicSet',
  metadata: { name: 'set' },
  spec: {
    matrix: { region: [...values] },
    template: { metadata: { name: 'in-${region}' }, spec: { cron: rarely, jobTemplate: { spec: { pod_spec: shellPod('true') } } } },
  },
});
const narrow = (namespace: string, values: readonly string[]) =>
  arena.client.patch(periodicSets, { namespace, name: 'set' }, mergePatch({ spec: { matrix: { region: [...values] } } }));

const backfill: PeriodicBackfill = {
  apiVersion,
  kind: 'PeriodicBackfill',
  metadata: { name: 'fill' },
  spec: { periodic: 'yearly', from: '2024-01-01T00:00:00Z', to: '2025-06-01T00:00:00Z', parallelism: 2 },
};
const schedule = (namespace: string, name: string) => create(periodics, namespace, periodic(name, 'true', { cron: rarely }));
const one = { runs: ['success 1'], pods: 1 };

const rows: readonly Row[] = [
  {
    name: 'the intent to start',
    holds: isWrite('PATCH', /\/prowjobs\/[^/]+\/status$/),
    act: (row) => create(prowJobs, row, prowJob('run', 'true')),
    end: endIn,
    wants: one,
  },
  {
    name: 'the creation of a pod',
    holds: isWrite('POST', /\/pods$/),
    act: (row) => create(prowJobs, row, prowJob('run', 'true')),
    end: endIn,
    wants: one,
  },
  {
    name: 'the creation of a pod whose run is aborted meanwhile',
    holds: isWrite('POST', /\/pods$/),
    act: (row) => create(prowJobs, row, prowJob('run', forever)),
    meanwhile: async (row) => {
      await isPending(row, 'run');
      await abort(row, 'run');
    },
    end: endIn,
    wants: { runs: ['aborted 1'], pods: 0 },
    hasEffect: true,
  },
  {
    name: 'the deletion of an aborted pod',
    holds: isWrite('DELETE', /\/pods\//),
    before: async (row) => {
      await create(prowJobs, row, prowJob('run', forever));
      await isPending(row, 'run');
    },
    act: (row) => abort(row, 'run'),
    end: endIn,
    wants: { runs: ['aborted 1'], pods: 0 },
  },
  {
    name: 'the end of a run',
    holds: isWrite('PATCH', /\/prowjobs\/[^/]+\/status$/),
    before: async (row) => {
      await create(prowJobs, row, prowJob('run', forever));
      await isPending(row, 'run');
    },
    act: (row) => abort(row, 'run'),
    end: endIn,
    wants: { runs: ['aborted 1'], pods: 0 },
  },
  {
    name: 'the deletion of a run whose name is taken again',
    holds: isWrite('DELETE', /\/prowjobs\//),
    act: (row) => create(prowJobs, row, prowJob('run', 'true', { ttl_seconds_after_finished: 0 })),
    meanwhile: async (row) => {
      await until('the run to be deleted', async () => (await runsIn(row)).length === 0 && (await podsIn(row)) === 0);
      await create(prowJobs, row, prowJob('run', 'true'));
    },
    end: endIn,
    wants: one,
  },
  {
    name: 'the run of a schedule',
    holds: isWrite('POST', /\/prowjobs$/),
    before: (row) => schedule(row, 'daily'),
    act: (row) => runNow(row, 'daily'),
    end: endIn,
    wants: one,
  },
  {
    name: 'what a schedule remembers',
    holds: isWrite('PATCH', /\/periodics\/[^/]+\/status$/),
    before: (row) => schedule(row, 'daily'),
    act: (row) => runNow(row, 'daily'),
    end: endIn,
    wants: one,
  },
  {
    name: 'the Periodics of a set',
    holds: isWrite('POST', /\/periodics$/),
    act: (row) => create(periodicSets, row, setOf(['east', 'west'])),
    end: schedulesIn,
    wants: ['in-east', 'in-west'],
  },
  {
    name: 'the deletion of a Periodic that its set wants again',
    holds: isWrite('DELETE', /\/periodics\//),
    before: async (row) => {
      await create(periodicSets, row, setOf(['east', 'west']));
      await until('two Periodics', async () => (await schedulesIn(row)).length === 2);
    },
    act: (row) => narrow(row, ['east']),
    meanwhile: async (row) => {
      await until('one Periodic', async () => (await schedulesIn(row)).length === 1);
      await narrow(row, ['east', 'west']);
    },
    end: schedulesIn,
    wants: ['in-east', 'in-west'],
  },
  {
    name: 'the runs of a backfill',
    holds: isWrite('POST', /\/prowjobs$/),
    before: (row) => schedule(row, 'yearly'),
    act: (row) => create(periodicBackfills, row, backfill),
    end: endIn,
    wants: { runs: ['success 1', 'success 1'], pods: 2 },
  },
  {
    name: 'how far a backfill is',
    holds: isWrite('PATCH', /\/periodicbackfills\/[^/]+\/status$/),
    before: (row) => schedule(row, 'yearly'),
    act: (row) => create(periodicBackfills, row, backfill),
    end: endIn,
    wants: { runs: ['success 1', 'success 1'], pods: 2 },
  },
];

const namespaceOf = (index: number): string => `row-${index}`;
const eachRow = (fn: (row: Row, namespace: string) => unknown): Promise<unknown[]> =>
  Promise.all(rows.map((row, index) => fn(row, namespaceOf(index))));
/** The row whose write this is; undefined when it is kept back for no row. */
const rowOf = ({ path: where }: Sent): Row | undefined => rows[Number(/\/namespaces\/row-(\d+)\//.exec(where)?.[1] ?? -1)];

/** The first leader decides all these writes, none of them arrives, and it loses the lease. */
async function firstLeader(): Promise<void> {
  arena = await Arena.open();
  late = await LateWrites.open(arena.sandbox);
  await eachRow((_row, name) => arena.client.create(namespaces, { metadata: { name } }));
  const kubeconfigPath = path.join(dir, 'kubeconfig');
  writeFileSync(kubeconfigPath, late.kubeconfig);
  const first = await arena.start('first', { kubeconfigPath, lease: {} });
  await first.operator.kit.manager.leading();
  await eachRow((row, namespace) => row.before?.(namespace));
  late.hold((sent) => rowOf(sent)?.holds(sent) === true);
  await eachRow((row, namespace) => row.act(namespace));
  await until('every row to have a write that is kept back', () => new Set(late.held.map(rowOf)).size === rows.length);
  await arena.start('second', { lease: {} });
  // Cut off as well, and its last renewals come late, too.
  late.hold((sent) => sent.path.includes('/leases/') || rowOf(sent)?.holds(sent) === true);
  const exit = await first.operator.exited;
  expect(exit.reason).toBe('leaseLost');
  await until('another leader', async () => (await arena.leader()) === 'second');
}

const expectEnds = (): Promise<unknown> =>
  eachRow(async (row, namespace) => {
    let end: unknown;
    await until(row.name, async () => JSON.stringify((end = await row.end(namespace))) === JSON.stringify(row.wants), 20_000).catch(
      () => undefined,
    );
    expect([row.name, end]).toEqual([row.name, row.wants]);
  });

/** Every object of the rows, as it is. */
async function world(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const type of [prowJobs, pods, periodics, periodicSets, periodicBackfills] as unknown as readonly ResourceType[]) {
    for (const { metadata } of (await arena.client.list(type)).items) {
      const { namespace = '', name, uid = '', resourceVersion = '' } = metadata;
      found.set(`${type.plural} ${namespace}/${name}`, `${uid} ${resourceVersion}`);
    }
  }
  return found;
}

const accepted = (answers: readonly LateAnswer[]): readonly (string | undefined)[] =>
  answers
    .filter(({ method, status }) => method !== 'GET' && status < 300)
    .map((answer) => rowOf(answer)?.name ?? `${answer.method} ${answer.path}`);

describe('writes of a leader that is none any more', () => {
  it(
    'change nothing when everything has been done without them',
    async () => {
      await firstLeader();
      await eachRow((row, namespace) => row.meanwhile?.(namespace));
      await expectEnds();
      await arena.apply(prowJobs, prowJob('control', 'true'));
      expect(await arena.endOf('control')).toBe('success Succeeded');
      const before = await world();
      const effective = rows.filter(({ hasEffect }) => hasEffect === true).map(({ name }) => name);
      expect(accepted(await late.release())).toEqual(effective);
      await arena.apply(prowJobs, prowJob('second-control', 'true'));
      expect(await arena.endOf('second-control')).toBe('success Succeeded');
      await expectEnds();
      const after = await world();
      const changed = [...before].filter(([key, state]) => after.get(key) !== state).map(([key]) => key);
      const added = [...after.keys()].filter((key) => !before.has(key) && !key.includes('second-control'));
      expect({ changed, added }).toEqual({ changed: [], added: [] });
    },
    testTimeoutMs,
  );

  it(
    'do no harm when they arrive while the next leader is at work',
    async () => {
      await firstLeader();
      await Promise.all([late.release(), eachRow((row, namespace) => row.meanwhile?.(namespace))]);
      await expectEnds();
    },
    testTimeoutMs,
  );
});
