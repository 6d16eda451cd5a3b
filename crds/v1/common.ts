/**
 * What all kinds of the group share: object metadata, conditions, and the wrapping of spec and status into one object schema.
 * The wire shapes are those of operator/kube/objects.ts, repeated here because this folder imports nothing of ours.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { integer, listMap, object, stringEnum, text, time, type Immutable, type ValidationRule } from './schemaParts.ts';

export type { Immutable, ValidationRule } from './schemaParts.ts';

export const group = 'prow.k8s.io';
export const version = 'v1';
export const apiVersion = `${group}/${version}`;

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly unknown[];
}

/** An object of this group as it is on the wire. */
export interface CustomObject<Spec, Status> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  readonly status?: Status;
}

export const conditionSchema = object(
  {
    type: text('The name of the condition.', { maxLength: 316, minLength: 1 }),
    status: stringEnum(['True', 'False', 'Unknown'], 'Whether the condition holds.'),
    reason: text('Why, as one word in PascalCase.', { maxLength: 1024, minLength: 1 }),
    message: text('Why, for a person.', { maxLength: 32768 }),
    lastTransitionTime: time('When status last changed.'),
    observedGeneration: Type.Optional(integer('The metadata.generation that the condition speaks about.', { format: 'int64', minimum: 0 })),
  },
  'One aspect of the state of the object.',
);

export type Condition = Immutable<Static<typeof conditionSchema>>;

/** The two fields every status begins with. */
export const statusHead = {
  observedGeneration: Type.Optional(
    integer('The metadata.generation that this status speaks about; -1 until the operator has seen the object.', {
      format: 'int64',
      minimum: -1,
    }),
  ),
  conditions: Type.Optional(
    listMap(conditionSchema, ['type'], 'What holds of the object now. Ready is always there; Reconciling and Stalled only while true.'),
  ),
};

/**
 * The status of an object that the operator has not seen yet, as a schema default. Tools that wait for objects (kubectl wait, Flux, Argo CD)
 * compare observedGeneration with metadata.generation; without it they would take an object nobody has looked at for settled.
 */
export const unseen = { observedGeneration: -1 } as const;

/** The schema of a whole object of one kind. `spec` is required, `status` is not. */
export const customObject = <Spec extends TSchema, Status extends TSchema>(
  spec: Spec,
  status: Status,
  description: string,
  rules: readonly ValidationRule[] = [],
) =>
  object(
    {
      apiVersion: Type.Optional(text('The version of the API that this object is written in: prow.k8s.io/v1.')),
      kind: Type.Optional(text('The kind of this object.')),
      metadata: Type.Unsafe<ObjectMeta>({ type: 'object' }),
      spec,
      status: Type.Optional(status),
    },
    description,
    rules,
  );
