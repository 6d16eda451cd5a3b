/** Everything an explanation may rest on, read at one moment. Whatever could not be read is named in `unread`, never guessed. */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../kube/builtin.ts';
import type { KubeObject } from '../kube/objects.ts';

/** What somebody said about an object. */
export interface SeenEvent {
  readonly reason: string;
  readonly note: string;
  readonly type: string;
  readonly count: number;
  /** When it was said last. */
  readonly lastMs: number;
  /** Such as "Pod nightly-2". */
  readonly about: string;
}

export interface Node extends KubeObject {
  readonly spec?: {
    readonly unschedulable?: boolean;
    readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
    }[];
  };
}

export interface ResourceQuota extends KubeObject {
  readonly status?: { readonly hard?: Readonly<Record<string, string>>; readonly used?: Readonly<Record<string, string>> };
}

export interface RunEvidence {
  readonly nowMs: number;
  readonly run: ProwJob;
  /** Pods of this run that exist, by name. */
  readonly pods: ReadonlyMap<string, Pod>;
  /** Whether the place of the pods could be looked at: a pod that is not in `pods` does not exist then. */
  readonly podsWereRead: boolean;
  /** The nodes of its attempts: null for one that does not exist. Absent: not read. */
  readonly nodes: ReadonlyMap<string, Node | null>;
  /** Of the run and its pods, oldest first. */
  readonly events: readonly SeenEvent[];
  /** Runs that have not ended, itself among them. */
  readonly runs: readonly ProwJob[];
  /** Whether `runs` has those of all namespaces, or only of its own. */
  readonly seesAllNamespaces: boolean;
  /** The BuildCluster of its alias; null: there is none. Absent: the operator's own cluster, or not read. */
  readonly buildCluster?: BuildCluster | null;
  readonly quotas: readonly ResourceQuota[];
  /** The run that took its place, where one did and is still there. */
  readonly successor?: ProwJob;
  readonly unread: readonly string[];
}

export interface PeriodicEvidence {
  readonly nowMs: number;
  readonly periodic: Periodic;
  /** All runs that it owns and that are still there. */
  readonly runs: readonly ProwJob[];
  readonly events: readonly SeenEvent[];
  readonly unread: readonly string[];
}
