/**
 * The operator's settings: what a file may say, and what the code gets. The file is YAML with Go durations; the code gets
 * milliseconds, maps instead of plain objects with foreign keys, and every default filled in.
 */
import { Type, type Static } from 'typebox';
import { archiveSection, type ArchiveSettings } from './archiveSettings.ts';
import type { DecorationConfig } from '../../crds/v1/decoration.ts';
import { supersedePolicies, type SupersedePolicy } from '../../crds/v1/prowJob.ts';
import { decorationDefaultsSchema, presetsSchema } from './jobDefaults.ts';

const duration = (description: string, fallback: string) =>
  Type.Optional(Type.String({ description, default: fallback, format: 'go-duration' }));
const count = (description: string, fallback: number, minimum: number) =>
  Type.Optional(Type.Integer({ description, default: fallback, minimum, maximum: 1_000_000 }));
const namespaceName = (description: string) =>
  Type.String({ description, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', minLength: 1, maxLength: 63 });
const section = <P extends Parameters<typeof Type.Object>[0]>(description: string, properties: P) =>
  Type.Optional(Type.Object(properties, { description, additionalProperties: false, default: {} }));
const oneOf = <const V extends readonly string[]>(values: V, description: string, fallback: V[number]) =>
  Type.Optional(Type.Unsafe<V[number]>({ type: 'string', enum: [...values], description, default: fallback }));

/** The file. Every field is optional; an empty file means the defaults. */
export const settingsFileSchema = Type.Object(
  {
    podNamespace: Type.Optional(namespaceName("Where the pods of runs go. Without it they go into their run's own namespace.")),
    tenants: Type.Optional(
      Type.Array(
        Type.Object(
          {
            namespace: namespaceName('The namespace of the tenant.'),
            podNamespaces: Type.Optional(
              Type.Array(namespaceName('A namespace.'), {
                description: 'Namespaces that its runs may name in spec.namespace.',
                default: [],
              }),
            ),
            maxConcurrency: Type.Optional(
              Type.Integer({
                description: 'Unfinished pods of its runs together, instead of prowJobs.maxConcurrencyPerNamespace. 0 means no limit.',
                minimum: 0,
                maximum: 1_000_000,
              }),
            ),
          },
          { additionalProperties: false },
        ),
        { description: 'What a namespace may use beyond itself.', default: [] },
      ),
    ),
    presets: Type.Optional(presetsSchema),
    decorationDefaults: Type.Optional(decorationDefaultsSchema),
    prowJobs: section('How runs are carried out.', {
      workers: count('Runs that are looked at concurrently.', 48, 1),
      maxConcurrency: count('Unfinished pods of all runs together. 0 means no limit.', 0, 0),
      maxConcurrencyPerNamespace: count(
        'Unfinished pods of the runs of one namespace together, unless tenants says otherwise. 0 means no limit.',
        0,
        0,
      ),
      defaultClusterMaxConcurrency: count(
        "Unfinished pods on the operator's own cluster (alias default). Others have spec.maxConcurrency of their BuildCluster. 0 means no limit.",
        0,
        0,
      ),
      queueCapacities: Type.Optional(
        Type.Record(Type.String(), Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 }), {
          description: 'Unfinished runs per job_queue_name. A negative number means no limit, 0 that none may start.',
          default: {},
        }),
      ),
      supersede: oneOf(
        supersedePolicies,
        'What a newer run of the same presubmit on the same pull request does to an older one that does not say itself (spec.supersede).',
        'Cancel',
      ),
      timeouts: section('Deadlines of a run that its own spec.timeouts does not set.', {
        queue: duration('From the creation of the run until its first pod may start.', '24h'),
        unscheduled: duration('From the creation of the pod until a node has accepted it.', '5m'),
        pending: duration('From the moment a node accepted the pod (its status.startTime) until the pod runs.', '10m'),
        running: duration('From that same moment until the end of the pod.', '48h'),
      }),
      maxRevivals: count('Restarts of one run after infrastructure causes.', 3, 0),
      jobUrlTemplate: Type.Optional(
        Type.String({
          description: 'The link of a run. {{namespace}}, {{name}}, {{job}}, {{type}}, {{org}}, {{repo}} and {{build_id}} are replaced.',
          minLength: 1,
          maxLength: 2048,
        }),
      ),
      jobUrlPrefixes: Type.Optional(
        Type.Record(Type.String(), Type.String({ minLength: 1, maxLength: 2048 }), {
          description:
            'The link of a run whose results go to a bucket, up to the bucket: by org/repo, by org, or for all under "*". Comes before jobUrlTemplate.',
          default: {},
        }),
      ),
      jobUrlOmitProvider: Type.Optional(
        Type.Boolean({ description: 'Leave gs, s3 or file out between prefix and bucket.', default: false }),
      ),
    }),
    periodics: section('How schedules are followed.', {
      workers: count('Periodics that are looked at concurrently.', 48, 1),
      startsPerSecond: count('Slots on time that may start within a second in one namespace. 0: no limit.', 0, 0),
      catchUpStartsPerSecond: count(
        'Slots that may be made up for within a second in one namespace, after a time when nobody looked. They never delay slots on time. 0: no limit.',
        20,
        0,
      ),
    }),
    periodicBackfills: section('How PeriodicBackfills are followed.', {
      workers: count('PeriodicBackfills that are looked at concurrently.', 4, 1),
    }),
    periodicSets: section('How PeriodicSets are expanded.', {
      workers: count('PeriodicSets that are looked at concurrently.', 4, 1),
    }),
    pluginConfigs: section('How PluginConfigs are resolved.', {
      workers: count('PluginConfigs that are looked at concurrently.', 4, 1),
    }),
    cleanup: section('When finished runs and their pods are deleted.', {
      workers: count('Deletions under way concurrently.', 4, 1),
      prowJobTTL: duration('From the end of a run until it is deleted.', '168h'),
      podTTL: duration('From the end of a run until its pod is deleted.', '24h'),
      orphanAge: duration('A pod of ours without a run is left alone until it is this old.', '30s'),
      deletesPerSecond: count('Runs and pods that are deleted within a second, on each cluster. 0 means no limit.', 50, 0),
      excludeClusters: Type.Optional(
        Type.Array(Type.String({ description: 'An alias, or default.', minLength: 1, maxLength: 63 }), {
          description: 'Clusters whose pods are never deleted by cleanup, by their aliases.',
          default: [],
        }),
      ),
    }),
    archive: archiveSection,
    logging: section('What is logged, and how.', {
      level: oneOf(['error', 'warn', 'info', 'debug'], 'The least important level that is written.', 'info'),
      format: oneOf(['json', 'human'], 'One JSON object a line, or lines for people.', 'json'),
    }),
    leaderElection: section('Which of several replicas works.', {
      enabled: Type.Optional(
        Type.Boolean({ description: 'Off only for a single replica that nothing restarts in parallel.', default: true }),
      ),
      namespace: Type.Optional(namespaceName("The namespace of the lease. Without it the operator's own.")),
      name: Type.Optional(
        Type.String({
          description: 'The name of the lease.',
          default: 'prow-operator',
          pattern: '^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$',
          maxLength: 253,
        }),
      ),
      shards: Type.Optional(
        Type.Integer({
          description:
            'Above 1: namespaces are divided into so many shards by a hash of their names, each with a lease of its own, and the replicas share them. Limits that span namespaces must not be set then.',
          default: 1,
          minimum: 1,
          maximum: 64,
        }),
      ),
      leaseDuration: duration('A follower waits this long after the last sign of the leader.', '15s'),
      renewDeadline: duration('The leader stops when it could not renew for this long. Less than leaseDuration.', '10s'),
      retryPeriod: duration('Time between two attempts to get or to renew the lease. Less than renewDeadline.', '2s'),
    }),
    server: section('Where metrics and health are served.', {
      host: Type.Optional(Type.String({ description: 'The address to listen on.', default: '0.0.0.0', minLength: 1, maxLength: 253 })),
      port: Type.Optional(Type.Integer({ description: 'The port. 0 takes any free one.', default: 8080, minimum: 0, maximum: 65535 })),
    }),
  },
  { additionalProperties: false, description: "The operator's settings file." },
);

/** A settings file as it was written, after the schema accepted it. */
export type SettingsFile = Static<typeof settingsFileSchema>;

/** The settings as the code reads them: nothing is missing that has a default, durations are milliseconds. */
export interface Settings {
  readonly podNamespace?: string;
  /** Tenant namespace → namespaces that its runs may name in spec.namespace. */
  readonly tenants: ReadonlyMap<string, readonly string[]>;
  /** Added to pods by the labels of their run. */
  readonly presets: Static<typeof presetsSchema>;
  /** For runs that are decorated: what their decoration_config leaves empty. */
  readonly decorationDefaults: readonly { readonly repo?: string; readonly cluster?: string; readonly config: DecorationConfig }[];
  readonly prowJobs: {
    readonly workers: number;
    /** 0 = no limit. */
    readonly maxConcurrency: number;
    readonly maxConcurrencyPerNamespace: number;
    /** Namespace → what holds there instead. */
    readonly namespaceLimits: ReadonlyMap<string, number>;
    /** Of the operator's own cluster. */
    readonly defaultClusterMaxConcurrency: number;
    /** job_queue_name → capacity; negative = no limit, 0 = none may start. */
    readonly queueCapacities: ReadonlyMap<string, number>;
    readonly supersede: SupersedePolicy;
    readonly timeouts: { readonly queueMs: number; readonly unscheduledMs: number; readonly pendingMs: number; readonly runningMs: number };
    readonly maxRevivals: number;
    readonly jobUrlTemplate?: string;
    /** org/repo, org or "*" → the link up to the bucket. */
    readonly jobUrlPrefixes: ReadonlyMap<string, string>;
    readonly jobUrlOmitProvider: boolean;
  };
  readonly periodics: {
    readonly workers: number;
    /** In each namespace; 0 = no limit. */
    readonly startsPerSecond: number;
    readonly catchUpStartsPerSecond: number;
  };
  readonly periodicBackfills: { readonly workers: number };
  readonly periodicSets: { readonly workers: number };
  readonly pluginConfigs: { readonly workers: number };
  readonly cleanup: {
    readonly workers: number;
    readonly prowJobTTLMs: number;
    readonly podTTLMs: number;
    readonly orphanAgeMs: number;
    /** On each cluster; 0 = no limit. */
    readonly deletesPerSecond: number;
    readonly excludeClusters: readonly string[];
  };
  /** Absent: nothing is kept. */
  readonly archive?: ArchiveSettings;
  readonly logging: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly format: 'json' | 'human' };
  readonly leaderElection: {
    readonly enabled: boolean;
    readonly namespace?: string;
    readonly name: string;
    /** 1: one leader for everything. */
    readonly shards: number;
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
  };
  readonly server: { readonly host: string; readonly port: number };
}
