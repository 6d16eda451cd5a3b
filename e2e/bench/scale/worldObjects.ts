/**
 * Objects as a busy installation has them, in the form in which an API server stores them, managedFields included: schedules, and the runs
 * that they have started. Made by the operator's own functions where it has some. The same number gives the same object.
 */
import { createHash } from 'node:crypto';
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import { label, podAnnotations, podLabels } from '../../../operator/jobs/labels.ts';
import { buildRun } from '../../../operator/jobs/periodicRun.ts';
import { stamp } from '../../../operator/jobs/times.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';

const stages = ['beta', 'prod'] as const;
const regions = ['us-west-2', 'us-east-1', 'eu-west-1', 'ap-northeast-1'] as const;
const jobs = ['conformance', 'conformance-fast-1', 'conformance-fast-4', 'hpa', 'gpu'] as const;

const at = <T>(list: readonly [T, ...T[]], index: number): T => list[index % list.length] ?? list[0];

/** A uid that depends on the text only. */
export function uidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** One of forty kinds of conformance test, as many times over as are wanted; its slots lie far ahead. */
export function schedule(number: number, namespace: string, nowMs: number): Periodic {
  const [stage, region, job] = [at(stages, number), at(regions, number >> 1), at(jobs, number >> 3)];
  const labels = { 'eks-matrix/stage': stage, 'eks-matrix/region': region, 'eks-matrix/job': job };
  const name = `eks-${stage}-${region}-${job}${number < 40 ? '' : `-${number}`}`;
  const env = Object.entries({ STAGE: stage, REGION: region, PACE: '1', SCRATCH: '/scratch', FOCUS: 'fast', WORKERS: '4' });
  const periodic: Periodic = {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: { name, namespace, uid: uidOf(`Periodic ${name}`), creationTimestamp: stamp(nowMs), generation: 1, labels },
    spec: {
      interval: '720h',
      concurrencyPolicy: 'Allow',
      jobTemplate: {
        metadata: { labels },
        spec: {
          agent: 'kubernetes',
          timeouts: { running: '30m' },
          pod_spec: {
            restartPolicy: 'Never',
            containers: [
              {
                name: 'test',
                image: 'public.ecr.aws/docker/library/busybox:1.37',
                command: ['sh', '/opt/eks-matrix/conformance.sh'],
                env: env.map(([key, value]) => ({ name: key, value })),
                resources: { requests: { cpu: '50m', memory: '32Mi' } },
                volumeMounts: [
                  { name: 'suite', mountPath: '/opt/eks-matrix', readOnly: true },
                  { name: 'scratch', mountPath: '/scratch' },
                ],
              },
            ],
            volumes: [
              { name: 'suite', configMap: { name: 'eks-matrix' } },
              { name: 'scratch', emptyDir: {} },
            ],
          },
        },
      },
    },
  };
  // As after its first look: nothing is to be written, and the first slot lies a month ahead.
  return managed(periodic, nowMs);
}

/** A run of that schedule which ended `agoMs` ago, a success nine times in ten. Without an end: one that is running now. */
export function startedRun(periodic: Periodic, slotMs: number, endMs: number | undefined): ProwJob {
  const built = buildRun(periodic, { kind: 'slot', slotMs });
  const { name, namespace = '' } = built.metadata;
  const uid = uidOf(`ProwJob ${namespace}/${name}`);
  const isBad = Number.parseInt(uid.slice(0, 2), 16) % 10 === 0;
  const buildId = String(2_124_648_040_431_533_408n + BigInt(Number.parseInt(uid.slice(0, 8), 16)));
  const status =
    endMs === undefined ? underWay(name, namespace, buildId, slotMs) : ended({ name, namespace, buildId, slotMs, endMs, isBad });
  const metadata = { ...built.metadata, uid, creationTimestamp: stamp(slotMs), generation: 1 };
  return managed({ ...built, metadata, status }, slotMs);
}

interface Ending {
  readonly name: string;
  readonly namespace: string;
  readonly buildId: string;
  readonly slotMs: number;
  readonly endMs: number;
  readonly isBad: boolean;
}

function ended({ name, namespace, buildId, slotMs, endMs, isBad }: Ending): ProwJobStatus {
  const description = isBad ? `Container test of pod ${name} ended with exit code 1.` : 'All containers ended with exit code 0.';
  const [reason, cause] = isBad ? ['TestFailed' as const, 'TestFailed' as const] : ['Succeeded' as const, 'Succeeded' as const];
  const [started, finished] = [stamp(slotMs), stamp(endMs)];
  const attempt = { number: 1, pod_name: name, pod_namespace: namespace, pod_uid: uidOf(`Pod ${namespace}/${name}`), node: 'node-12' };
  const condition = (type: string, status: 'True' | 'False') => ({
    type,
    status,
    reason,
    message: description,
    lastTransitionTime: finished,
    observedGeneration: 1,
  });
  return {
    state: isBad ? 'failure' : 'success',
    reason,
    description,
    startTime: started,
    pendingTime: started,
    completionTime: finished,
    pod_name: name,
    build_id: buildId,
    observedGeneration: 1,
    attempts: [{ ...attempt, build_id: buildId, started, finished, exit_code: isBad ? 1 : 0, cause }],
    conditions: [condition('Ready', 'True'), condition('Reconciling', 'False'), condition('Succeeded', isBad ? 'False' : 'True')],
  };
}

function underWay(name: string, namespace: string, buildId: string, slotMs: number): ProwJobStatus {
  const started = stamp(slotMs);
  const description = 'The pod of the run is being started.';
  const condition = (type: string, status: 'True' | 'False') => ({
    type,
    status,
    reason: 'Running',
    message: description,
    lastTransitionTime: started,
    observedGeneration: 1,
  });
  return {
    state: 'pending',
    description,
    startTime: started,
    pendingTime: started,
    pod_name: name,
    build_id: buildId,
    observedGeneration: 1,
    attempts: [{ number: 1, pod_name: name, pod_namespace: namespace, build_id: buildId, started }],
    conditions: [condition('Ready', 'False'), condition('Reconciling', 'True')],
  };
}

/** The pod of a run that is running, on a node that nobody plays. */
export function runningPod(run: ProwJob, nowMs: number): KubeObject {
  const { name, namespace = '' } = run.metadata;
  const labels = { ...podLabels(run, 1, run.status?.build_id ?? ''), [label.createdByProw]: 'true' };
  const running = {
    name: 'test',
    ready: true,
    started: true,
    restartCount: 0,
    image: 'busybox',
    imageID: '',
    state: { running: { startedAt: stamp(nowMs) } },
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: uidOf(`Pod ${namespace}/${name}`),
      creationTimestamp: stamp(nowMs),
      labels,
      annotations: podAnnotations(run),
    },
    spec: {
      ...run.spec.pod_spec,
      nodeName: 'node-12',
      schedulerName: 'default-scheduler',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
    },
    status: {
      phase: 'Running',
      startTime: stamp(nowMs),
      conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: stamp(nowMs) }],
      containerStatuses: [running],
    },
  };
  return managed(pod, nowMs);
}

/** With managedFields as a server writes them: nearly half of an object. */
function managed<T extends KubeObject>(object: T, nowMs: number): T {
  const { status, apiVersion: _version, kind: _kind, metadata, ...rest } = object as T & { readonly status?: unknown };
  const { labels, annotations, ownerReferences } = metadata;
  const entry = {
    manager: 'prow-operator',
    operation: 'Update',
    apiVersion: object.apiVersion,
    time: stamp(nowMs),
    fieldsType: 'FieldsV1',
  };
  const owned = fieldsOf({ metadata: { labels, annotations, ownerReferences }, ...rest });
  const managedFields = [
    { ...entry, fieldsV1: owned },
    ...(status === undefined ? [] : [{ ...entry, fieldsV1: fieldsOf({ status }), subresource: 'status' }]),
  ];
  return { ...object, metadata: { ...metadata, managedFields } };
}

/** Field paths as server-side apply writes them; a list is one leaf, but for those with keys that every run has. */
function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(
    fields.map(([name, each]) => [`f:${name}`, Array.isArray(each) && isKeyed(name) ? keyed(each) : fieldsOf(each)]),
  );
}

const isKeyed = (name: string): boolean => ['conditions', 'attempts', 'ownerReferences'].includes(name);

const keyed = (list: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(list.map((each, index) => [`k:${JSON.stringify({ at: index })}`, fieldsOf(each)]));
