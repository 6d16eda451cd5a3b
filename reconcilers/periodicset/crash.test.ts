/**
 * The process dies at every write that a set causes, before and after it reaches the server, and the next one takes over: the Periodics
 * and the status are in the end those of a process that nobody disturbed.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { periodics, periodicSets } from '../../crds/resources.ts';
import type { PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import type { WriteClient } from '../../operator/runtime/objectWriter.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { createPeriodicSetController } from './controller.ts';
import { periodicSetIndexers } from './owned.ts';

const namespace = 'default';
let cluster: SandboxCluster;
beforeAll(async () => {
  cluster = await SandboxCluster.open([periodicSets, periodics], Date.parse('2026-01-01T00:00:00Z'));
});
afterAll(() => cluster.close());

interface CrashPoint {
  /** Counted from 0, over all processes until one has died. */
  readonly write: number;
  readonly when: 'before' | 'after';
}

/** The writes of one story: counted, and cut off for good at one of them. */
class Fate {
  readonly #crash: CrashPoint | undefined;
  readonly #when: CrashPoint['when'] | undefined;
  writes = 0;
  hasDied = false;
  isDead = false;

  constructor(crash: CrashPoint | undefined) {
    this.#crash = crash;
    this.#when = crash?.when;
  }

  async #write<T>(send: () => Promise<T>): Promise<T> {
    const index = this.writes++;
    const isLast = !this.hasDied && this.#crash?.write === index;
    if (this.isDead || (isLast && this.#when === 'before')) this.#die();
    const answer = await send();
    if (isLast) this.#die();
    return answer;
  }

  #die(): never {
    this.hasDied = true;
    this.isDead = true;
    throw new TransportError('closed', 'the process dies here');
  }

  clientOf(client: KubeClient): WriteClient {
    return {
      create: (...args) => this.#write(() => client.create(...args)),
      patch: (...args) => this.#write(() => client.patch(...args)),
      remove: (...args) => this.#write(() => client.remove(...args)),
    };
  }
}

const specOf = (regions: readonly string[], cron: string): PeriodicSetSpec => ({
  matrix: { region: regions },
  template: {
    metadata: { name: 'e2e-${region}', labels: { region: '${region}' } },
    spec: { cron, jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox' }] } } } },
  },
});
const edits: readonly PeriodicSetSpec[] = [specOf(['a', 'b', 'c', 'd'], '@hourly'), specOf(['c', 'd', 'e', 'f'], '@daily')];

async function play(crash?: CrashPoint): Promise<{ readonly writes: number; readonly end: unknown }> {
  const fate = new Fate(crash);
  const start = (): Promise<Running> =>
    cluster.run((client, informer) =>
      createPeriodicSetController({
        client: fate.clientOf(client),
        periodicSets: informer({ type: periodicSets }),
        periodics: informer({ type: periodics, indexers: periodicSetIndexers }),
        events: { event: () => undefined },
        workers: 1,
        clock: cluster.clock,
        logger: silentLogger,
        metrics: new Metrics(),
      }),
    );
  const key = { namespace, name: 'e2e' };
  let process = await start();
  for (const [index, spec] of edits.entries()) {
    if (index === 0) await cluster.client.create(periodicSets, { apiVersion: 'prow.k8s.io/v1', kind: 'PeriodicSet', metadata: key, spec });
    else await cluster.client.replace(periodicSets, { ...(await cluster.client.get(periodicSets, key)), spec });
    await cluster.until(async () => {
      if (fate.isDead) {
        await process.stop();
        fate.isDead = false;
        process = await start();
      }
      const { metadata, status } = await cluster.client.get(periodicSets, key);
      return status?.observedGeneration === metadata.generation && findCondition(status?.conditions, 'Ready')?.status === 'True';
    });
  }
  await process.controller.idle();
  await process.stop();
  const end = await endOf();
  await cluster.client.delete(periodicSets, key);
  await cluster.until(async () => (await cluster.client.list(periodics, { namespace })).items.length === 0);
  return { writes: fate.writes, end };
}

async function endOf(): Promise<unknown> {
  const { items } = await cluster.client.list(periodics, { namespace });
  const { status } = await cluster.client.get(periodicSets, { namespace, name: 'e2e' });
  return {
    periodics: items.map(({ metadata, spec }) => [metadata.name, metadata.labels, spec]),
    status: { ...status, conditions: status?.conditions?.map(({ type, status: is, reason }) => [type, is, reason]) },
  };
}

it('dying at any write changes nothing in the end', { timeout: 120_000 }, async () => {
  const undisturbed = await play();
  // Four created; two deleted, two changed, two created; and one of status each time.
  expect(undisturbed.writes).toBe(12);
  expect(undisturbed.end).toMatchObject({ status: { desired: 4, current: 4, conditions: [['Ready', 'True', 'Applied']] } });
  for (let write = 0; write < undisturbed.writes; write++) {
    for (const when of ['before', 'after'] as const) {
      const { end } = await play({ write, when });
      expect(end, `died ${when} write ${write}`).toEqual(undisturbed.end);
    }
  }
});
