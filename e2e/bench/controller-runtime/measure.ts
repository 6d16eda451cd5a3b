/** One measurement of one contender: a cold start over all objects, changes at a given pace, changes as fast as the server takes them, rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { isAlreadyExists } from '../../../operator/kube/errors.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import { mergePatch } from '../../../operator/kube/patch.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { inParallel } from '../measuring/inParallel.ts';
import { quantile } from '../measuring/statistics.ts';
import { useOf } from '../scale/processUse.ts';
import { Contender } from './contender.ts';
import type { Counters, Program } from './contender.ts';
import { Observer } from './observer.ts';
import { namespaceNames, newWidget, widgetCrd, widgetCrds, widgetKey, widgets } from './widget.ts';

export interface Load {
  /** Widgets in the cluster. */
  readonly objects: number;
  /** Changes at the given pace, and as many as fast as they go. */
  readonly updates: number;
  /** The widgets that are changed, one after the other. */
  readonly keys: number;
  /** Changes a second while they are paced. */
  readonly rate: number;
  /** Changes at the same time. */
  readonly lanes: number;
  /** Before the size at rest is read. */
  readonly restMs: number;
}

/** Figures of one contender. Times in seconds, sizes in MB (10^6 bytes). */
export interface Figures {
  /** Start of the process to the last of the first statuses. */
  readonly coldSeconds: number;
  /** First to last of them. */
  readonly coldStatusesPerSecond: number;
  readonly coldCpuSeconds: number;
  readonly coldPeakMB: number;
  readonly pacedPassesPerChange: number;
  readonly pacedWritesPerChange: number;
  readonly pacedCpuMsPerChange: number;
  readonly pacedP50Ms: number;
  readonly pacedP99Ms: number;
  /** Changes whose status came, by the time from the first change to the last status. */
  readonly burstChangesPerSecond: number;
  readonly burstPassesPerChange: number;
  readonly burstWritesPerChange: number;
  readonly burstCpuMsPerChange: number;
  readonly burstP50Ms: number;
  readonly burstP99Ms: number;
  readonly restMB: number;
  readonly peakMB: number;
  readonly cpuSeconds: number;
  /** Patches that the server refused; they are repeated. */
  readonly failures: number;
}

const namespaceType: ResourceType = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
const createLanes = 32;

const unlessItExists = (error: unknown): void => {
  if (!isAlreadyExists(error)) throw error;
};

/** Makes kind, namespaces and objects, as far as they are missing. */
export async function prepare(client: KubeClient, objects: number): Promise<void> {
  await client.create<KubeObject>(widgetCrds, widgetCrd).catch(unlessItExists);
  for (const name of namespaceNames) await client.create(namespaceType, { metadata: { name } }).catch(unlessItExists);
  for (let tries = 1; ; tries += 1) {
    try {
      await client.list(widgets, { limit: 1 });
      break;
    } catch (error) {
      // A new kind is served a moment later.
      if (tries === 100) throw error;
      await sleep(100);
    }
  }
  await inParallel(objects, (index) => client.create(widgets, newWidget(index)).catch(unlessItExists), createLanes);
}

interface Reading {
  readonly counters: Counters;
  readonly cpuMs: number;
  readonly peakMB: number;
}

/** Whether it ends well or not, the contender and the observer are gone afterwards. */
export async function measure(
  client: KubeClient,
  kubeconfig: string,
  what: { readonly program: Program; readonly workers: number; readonly run: string },
  load: Load,
): Promise<Figures> {
  const observer = await Observer.start(client, what.run);
  const contender = new Contender({ ...what, kubeconfig });
  try {
    const early = contender.endedEarly();
    early.catch(() => undefined);
    const settled = (): Promise<void> => Promise.race([observer.settled(load.objects), early]);
    await settled();
    const cold = observer.statusMs;
    const atCold = await read(contender);
    observer.takeLatenciesMs();

    const sizes = new Sizes(client, load, observer);
    await sizes.change(load.rate);
    await settled();
    const atPaced = await read(contender);
    const pacedMs = observer.takeLatenciesMs();

    const burstStartMs = performance.now();
    await sizes.change(Infinity);
    await settled();
    const burstMs = observer.statusMs.last - burstStartMs;
    const atBurst = await read(contender);
    const burstLatenciesMs = observer.takeLatenciesMs();

    await sleep(load.restMs);
    const rest = await useOf(contender.pid);
    await contender.stop();
    const paced = perChange(atCold, atPaced, load.updates);
    const burst = perChange(atPaced, atBurst, load.updates);
    return {
      coldSeconds: (cold.last - contender.startedMs) / 1000,
      coldStatusesPerSecond: (load.objects / (cold.last - cold.first)) * 1000,
      coldCpuSeconds: atCold.cpuMs / 1000,
      coldPeakMB: atCold.peakMB,
      pacedPassesPerChange: paced.passes,
      pacedWritesPerChange: paced.writes,
      pacedCpuMsPerChange: paced.cpuMs,
      pacedP50Ms: quantile(pacedMs, 0.5),
      pacedP99Ms: quantile(pacedMs, 0.99),
      burstChangesPerSecond: (load.updates / burstMs) * 1000,
      burstPassesPerChange: burst.passes,
      burstWritesPerChange: burst.writes,
      burstCpuMsPerChange: burst.cpuMs,
      burstP50Ms: quantile(burstLatenciesMs, 0.5),
      burstP99Ms: quantile(burstLatenciesMs, 0.99),
      restMB: rest.residentMB,
      peakMB: rest.peakMB,
      cpuSeconds: rest.cpuMs / 1000,
      failures: atBurst.counters.failures,
    };
  } catch (error) {
    contender.kill();
    throw error;
  } finally {
    observer.stop();
  }
}

async function read(contender: Contender): Promise<Reading> {
  const { cpuMs, peakMB } = await useOf(contender.pid);
  return { cpuMs, peakMB, counters: await contender.counters() };
}

const perChange = (from: Reading, to: Reading, changes: number) => ({
  passes: (to.counters.passes - from.counters.passes) / changes,
  writes: (to.counters.patches - from.counters.patches) / changes,
  cpuMs: (to.cpuMs - from.cpuMs) / changes,
});

/** Changes the first objects in turn; each change is another size. */
class Sizes {
  readonly #client: KubeClient;
  readonly #load: Load;
  readonly #observer: Observer;
  /** Never one that an earlier round has left. */
  #size = Math.floor(performance.timeOrigin + performance.now());

  constructor(client: KubeClient, load: Load, observer: Observer) {
    this.#client = client;
    this.#load = load;
    this.#observer = observer;
  }

  async change(rate: number): Promise<void> {
    const { updates, keys, lanes } = this.#load;
    const startMs = performance.now();
    await inParallel(
      updates,
      async (index) => {
        const waitMs = startMs + (index * 1000) / rate - performance.now();
        if (waitMs > 0) await sleep(waitMs);
        this.#size += 1;
        this.#observer.expect(await this.#client.patch(widgets, widgetKey(index % keys), mergePatch({ spec: { size: this.#size } })));
      },
      lanes,
    );
  }
}
