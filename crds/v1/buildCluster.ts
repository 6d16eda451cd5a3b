/**
 * BuildCluster: a cluster where pods run, under the alias that spec.cluster of a ProwJob names. The operator's own cluster is the
 * alias default and has no object.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import { count, flag, integer, name, object, optional, text, time, type Immutable } from './schemaParts.ts';

export const buildClusterSpecSchema = object(
  {
    alias: text('The name that spec.cluster of a ProwJob uses.', {
      minLength: 1,
      maxLength: 63,
      pattern: '^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$',
    }),
    kubeconfigSecretRef: object(
      { name: name('Name of the Secret, in the namespace of this object.'), key: name('Key inside the Secret.') },
      'The kubeconfig that reaches the cluster.',
    ),
    namespace: optional(text('Namespace of the pods. Absent: as the settings of the operator say.', { minLength: 1, maxLength: 63 })),
    maxConcurrency: optional(integer('How many pods may run there at once. Absent or 0: no limit.', { minimum: 0 })),
    paused: optional(flag('true: no further run starts there.')),
  },
  'How to reach the cluster, and how much to run there.',
  [
    {
      rule: "self.alias != 'default'",
      message: 'default is the cluster of the operator itself and needs no object; choose another alias',
      fieldPath: '.alias',
    },
  ],
);

export const buildClusterStatusSchema = object(
  {
    ...statusHead,
    lastContact: optional(time('When the cluster last answered.')),
    version: optional(text('Its Kubernetes version.')),
    server: optional(text('Address of its API server.')),
    clusterUID: optional(text('UID of its namespace kube-system: two aliases of one cluster have the same.')),
    running: optional(count('How many runs have a pod there.')),
    waiting: optional(count('How many runs wait for it.')),
    failures: optional(count('How many calls in a row have failed.')),
  },
  'What is known of the cluster.',
  [],
  { default: unseen },
);

export const buildClusterSchema = customObject<TSchema, TSchema>(
  buildClusterSpecSchema,
  buildClusterStatusSchema,
  'BuildCluster is a cluster where pods of runs can go.',
);

export type BuildClusterSpec = Immutable<Static<typeof buildClusterSpecSchema>>;
export type BuildClusterStatus = Immutable<Static<typeof buildClusterStatusSchema>>;
export type BuildCluster = CustomObject<BuildClusterSpec, BuildClusterStatus>;
