/**
 * The part of a pod spec that the operator reads. The schema keeps every field of a pod: the API server of the build cluster knows
 * pods better than a copy of its schema would, and the copy would be longer than everything else here.
 */
import type { Immutable } from './schemaParts.ts';

export interface JobEnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly configMapKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly resourceFieldRef?: { readonly resource: string; readonly containerName?: string };
  };
}

/** A container as a user writes it: the name may be missing. */
export interface JobContainer {
  readonly name?: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly JobEnvVar[];
  readonly restartPolicy?: string;
  readonly terminationMessagePolicy?: string;
  readonly terminationMessagePath?: string;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
    readonly readOnly?: boolean;
  }[];
  readonly [field: string]: unknown;
}

/** A pod spec as a user writes it. */
export interface JobPodSpec {
  readonly containers: readonly JobContainer[];
  readonly initContainers?: readonly JobContainer[];
  readonly restartPolicy?: string;
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly activeDeadlineSeconds?: number;
  readonly volumes?: readonly Immutable<{ name: string; [field: string]: unknown }>[];
  readonly [field: string]: unknown;
}
