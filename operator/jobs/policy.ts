/**
 * What the installation decides about runs, as the pure code takes it. The operator's settings have this shape (and more), so the
 * settings object itself is passed; tests take defaultPolicy and change one field. All durations are milliseconds.
 */
import type { SupersedePolicy } from '../../crds/v1/prowJob.ts';
import type { ArchivePolicy } from './archivePolicy.ts';
import type { DecorationDefault } from './decorationDefaults.ts';
import type { Preset } from './presets.ts';

/** Four deadlines of a run. A run's own spec.timeouts, then its decoration_config, come before these. */
export interface DeadlinePolicy {
  /** From the run's creation until its first pod may start. */
  readonly queueMs: number;
  /** From the pod's creation until a node has accepted it. */
  readonly unscheduledMs: number;
  /** From the acceptance (status.startTime of the pod) until the pod runs. */
  readonly pendingMs: number;
  /** From the acceptance, too, until the pod's end. */
  readonly runningMs: number;
}

export interface ProwJobPolicy {
  /** Unfinished pods of all runs together; 0 = no limit. */
  readonly maxConcurrency: number;
  /** The same for the runs of one namespace. */
  readonly maxConcurrencyPerNamespace: number;
  /** Namespace → what holds there instead; 0 = no limit. */
  readonly namespaceLimits: ReadonlyMap<string, number>;
  /** The same for the operator's own cluster; other clusters have a limit in their BuildCluster. */
  readonly defaultClusterMaxConcurrency: number;
  /** spec.job_queue_name → unfinished runs at once: negative = no limit, 0 = none may start. A queue that is not listed is unknown. */
  readonly queueCapacities: ReadonlyMap<string, number>;
  /** For runs that do not say themselves (spec.supersede). */
  readonly supersede: SupersedePolicy;
  readonly timeouts: DeadlinePolicy;
  /** Restarts of one run after infrastructure causes. spec.retry.max_attempts comes before it. */
  readonly maxRevivals: number;
  /** The link of a run: literal text with {{namespace}}, {{name}}, {{job}}, {{type}}, {{org}}, {{repo}} and {{build_id}}. */
  readonly jobUrlTemplate?: string;
  /** org/repo, org or "*" → the link of runs whose results are in a bucket, up to the bucket. */
  readonly jobUrlPrefixes: ReadonlyMap<string, string>;
  /** Leave gs, s3 or file out between prefix and bucket. */
  readonly jobUrlOmitProvider: boolean;
}

export interface CleanupPolicy {
  /** A finished run is deleted this long after its completion. spec.ttl_seconds_after_finished comes before it. */
  readonly prowJobTTLMs: number;
  /** The pod of a finished run is deleted this long after the run's completion. */
  readonly podTTLMs: number;
  /** A pod of ours whose run does not exist is left alone until it is this old. */
  readonly orphanAgeMs: number;
  /** Deletions a second on each API server; 0 = no limit. */
  readonly deletesPerSecond: number;
  /** Aliases of clusters where no pod is deleted. */
  readonly excludeClusters: readonly string[];
}

export interface JobPolicy {
  /** Where pods run when the run's own namespace is not the place. */
  readonly podNamespace?: string;
  /** Tenant namespace → namespaces that its runs may name in spec.namespace. */
  readonly tenants: ReadonlyMap<string, readonly string[]>;
  /** Added to pods by the labels of their run. */
  readonly presets: readonly Preset[];
  /** For runs that are decorated: what their decoration_config leaves empty. Later entries come before earlier ones. */
  readonly decorationDefaults: readonly DecorationDefault[];
  readonly prowJobs: ProwJobPolicy;
  readonly cleanup: CleanupPolicy;
  /** Absent: results are not kept. */
  readonly archive?: ArchivePolicy;
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/** The values that hold where the settings say nothing. operator/config has a test that keeps both the same. */
export const defaultPolicy: JobPolicy = {
  tenants: new Map(),
  presets: [],
  decorationDefaults: [],
  prowJobs: {
    maxConcurrency: 0,
    maxConcurrencyPerNamespace: 0,
    namespaceLimits: new Map(),
    defaultClusterMaxConcurrency: 0,
    queueCapacities: new Map(),
    supersede: 'Cancel',
    timeouts: { queueMs: 24 * hourMs, unscheduledMs: 5 * minuteMs, pendingMs: 10 * minuteMs, runningMs: 48 * hourMs },
    maxRevivals: 3,
    jobUrlPrefixes: new Map(),
    jobUrlOmitProvider: false,
  },
  cleanup: { prowJobTTLMs: 168 * hourMs, podTTLMs: 24 * hourMs, orphanAgeMs: 30 * secondMs, deletesPerSecond: 50, excludeClusters: [] },
};
