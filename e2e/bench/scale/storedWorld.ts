/**
 * The objects of a busy installation, put straight under an API server: creating each through the server would take most of the time of a
 * benchmark.
 */
import { periodics, prowJobs } from '../../../crds/resources.ts';
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import { isFromTheFuture } from '../../../operator/kube/errors.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { until } from '../../cluster/terminal.ts';
import { listAll } from '../measuring/follow.ts';
import { rarely } from '../../scenarios/manifests.ts';
import { namespace } from '../measuring/workload.ts';
import type { Stage } from '../stage.ts';
import { putObjects } from './etcdWriter.ts';
import { runningPod, schedule, startedRun } from './worldObjects.ts';

const minuteMs = 60_000;
const readableMs = 120_000;
/** As many schedules have the finished runs between them. */
const busySchedules = 40;

/** Finished runs number `from` to `to`, of forty schedules. */
export async function storeFinished(stage: Stage, from: number, to: number): Promise<void> {
  const nowMs = Date.now();
  await store(stage, prowJobs, finishedRuns(from, to, nowMs));
}

/** Schedules whose slots lie far ahead, and one run each, with its pod, of the first `running` that have no finished ones. */
export async function storeSchedules(stage: Stage, count: number, running: number): Promise<void> {
  const nowMs = Date.now();
  const all = Array.from({ length: count }, (_, index) => rare(schedule(index, namespace, nowMs)));
  const runs = all.slice(busySchedules, busySchedules + running).map((periodic) => startedRun(periodic, nowMs, undefined));
  await store(stage, periodics, all);
  await store(stage, prowJobs, runs);
  const podsOfThem = runs.map((run) => runningPod(run, nowMs));
  await store(stage, pods, podsOfThem);
}

/** An interval begins with a run at once; this one has its first in January. */
function rare(periodic: Periodic): Periodic {
  const { interval: _interval, ...spec } = periodic.spec;
  return { ...periodic, spec: { ...spec, cron: rarely } };
}

async function store(stage: Stage, type: ResourceType, objects: Iterable<KubeObject>): Promise<void> {
  await putObjects(`http://127.0.0.1:${stage.plane.parts.plan.ports.etcd}`, type, objects);
  // The server reads them from etcd in its own time; until then it refuses the pages of a list as too new.
  await until('the server to have read them', () => isReadable(stage, type), { timeoutMs: readableMs, everyMs: 1_000 });
}

async function isReadable({ client }: Stage, type: ResourceType): Promise<boolean> {
  try {
    await listAll(client, type, {}, () => undefined);
    return true;
  } catch (error) {
    if (isFromTheFuture(error)) return false;
    throw error;
  }
}

function* finishedRuns(from: number, to: number, nowMs: number): Generator<ProwJob> {
  const schedules = Array.from({ length: busySchedules }, (_, index) => schedule(index, namespace, nowMs));
  for (let index = from; index < to; index += 1) {
    const periodic = schedules[index % schedules.length]!;
    // Ended within the last days, each minute one of each schedule: no clean-up is due.
    const slotMs = Math.floor(nowMs / minuteMs - 10 - Math.floor(index / schedules.length)) * minuteMs;
    yield startedRun(periodic, slotMs, slotMs + 2 * minuteMs);
  }
}
