/** One pass of thought over a run and its pods, for tables: no cache, no socket, no clock. */
import { expect } from 'vitest';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { ClusterLookup } from '../../../operator/clusters/clusters.ts';
import { podIndexers } from '../../../operator/jobs/podOwner.ts';
import { defaultPolicy, type JobPolicy } from '../../../operator/jobs/policy.ts';
import { runIndexers } from '../../../operator/jobs/runIndex.ts';
import type { Pod } from '../../../operator/kube/builtin.ts';
import { Store } from '../../../operator/runtime/store.ts';
import { decide, type Decision } from '../decide.ts';
import { readScope, type Scope } from '../scope.ts';
import { statusAfter, type News } from '../status.ts';
import { newerThan } from '../superseding.ts';
import { ago, ended, goesOn, nowMs, podOf, type PodParts } from './builders.ts';

export interface Given {
  readonly run: ProwJob;
  /** Pods in the cache, made for this run. */
  readonly pods?: readonly PodParts[];
  /** The run's pod in its last state, as the watch reported it when it was deleted. */
  readonly lastPod?: PodParts;
  /** Other runs in the cache. */
  readonly others?: readonly ProwJob[];
  readonly cluster?: Exclude<ClusterLookup, { state: 'ready' }>;
  /** Of the cluster that is there. */
  readonly ready?: { readonly paused?: boolean; readonly podNamespace?: string };
  readonly policy?: Partial<JobPolicy['prowJobs']>;
  readonly defaults?: Partial<Pick<JobPolicy, 'presets' | 'decorationDefaults'>>;
  readonly nowMs?: number;
}

const refuse = () => Promise.reject(new Error('unused'));
const unused = { create: refuse, delete: refuse, patch: refuse };

export const policyOf = ({ policy, defaults }: Pick<Given, 'policy' | 'defaults'>): JobPolicy => ({
  ...defaultPolicy,
  ...defaults,
  prowJobs: { ...defaultPolicy.prowJobs, ...policy },
});

export function scopeOf(given: Given): Scope {
  const store = new Store<Pod>({ indexers: podIndexers });
  const made = (parts: PodParts): Pod => podOf(given.run, parts);
  if (given.lastPod !== undefined) {
    store.replace([made(given.lastPod)], '1');
    store.apply({ type: 'DELETED', object: made(given.lastPod) });
  }
  for (const parts of given.pods ?? []) store.apply({ type: 'ADDED', object: made(parts) });
  const ready: ClusterLookup = { state: 'ready', access: { pods: store, writer: unused, client: { get: refuse } }, ...given.ready };
  const clusters = { get: () => given.cluster ?? ready };
  const scope = readScope(given.run, clusters, policyOf(given));
  const jobs = new Store<ProwJob>({ indexers: runIndexers });
  jobs.replace([given.run, ...(given.others ?? [])], '20');
  const newer = newerThan(given.run, { jobs, clusters, policy: policyOf(given) });
  return newer === undefined ? scope : { ...scope, newer };
}

export function decided(given: Given): Decision {
  const before = JSON.stringify(given.run);
  const decision = decide({ scope: scopeOf(given), policy: policyOf(given), nowMs: given.nowMs ?? nowMs });
  expect(JSON.stringify(given.run), 'the run is not changed').toBe(before);
  return decision;
}

/** The run as it is after that news was written. */
export function written(given: Given, news: News): ProwJob {
  return { ...given.run, status: statusAfter(scopeOf(given), news, { policy: policyOf(given), nowMs: given.nowMs ?? nowMs }) };
}

export const finish = (state: string, reason: string) => ({ do: 'finish', state, reason });
export const nothing = { do: 'nothing' };
/** The next attempt at once: the pod of this one is out of the way. */
export const retry = (cause: string) => ({ do: 'start', plan: { number: 2, podName: 'run-2' }, end: { cause } });
/** The end is recorded first, because its pod has to go or its delay has to pass. */
export const lose = (cause: string, delayMs = 0) => ({ do: 'lose', end: { cause }, delayMs });

export const evicted: PodParts = { status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' } };
export const disrupted = (reason: string): PodParts => ({
  status: { phase: 'Failed', conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message: 'made room' }] },
});
export const running = (agoMs = 0): PodParts => ({ status: { phase: 'Running', startTime: ago(agoMs), containerStatuses: [goesOn] } });
export const pending = (agoMs: number): PodParts => ({ createdAgoMs: agoMs, status: { phase: 'Pending', startTime: ago(agoMs) } });
export const unscheduled = (agoMs: number): PodParts => ({ createdAgoMs: agoMs, status: { phase: 'Pending' } });
export const succeeded: PodParts = { status: { phase: 'Succeeded', containerStatuses: [ended(0)] } };
