/**
 * The CustomResourceDefinitions of the group, built from the schemas: names, columns of `kubectl get`, and the status subresource.
 * crds/generated holds the same as YAML; a test keeps the two equal.
 */
import type { TSchema } from 'typebox';
import { isArray, isJsonObject } from './json.ts';
import { group, version } from './v1/common.ts';
import { buildClusterSchema } from './v1/buildCluster.ts';
import { periodicSchema } from './v1/periodic.ts';
import { periodicBackfillSchema } from './v1/periodicBackfill.ts';
import { periodicSetSchema } from './v1/periodicSet.ts';
import { pluginConfigSchema } from './v1/pluginConfig.ts';
import { prowJobSchema } from './v1/prowJob.ts';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  /** 0: always shown; more: only with -o wide. */
  readonly priority?: number;
}

/** What is said of one kind beside its schema. */
export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly schema: TSchema;
  readonly columns: readonly PrinterColumn[];
}

/** A CustomResourceDefinition of apiextensions.k8s.io/v1, as far as it is used here. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames: readonly string[];
      readonly categories: readonly string[];
    };
    readonly scope: 'Namespaced';
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: Readonly<Record<string, unknown>> };
      readonly subresources: { readonly status: Readonly<Record<string, never>> };
      readonly additionalPrinterColumns: readonly PrinterColumn[];
    }[];
  };
}

const ready: PrinterColumn = { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' };
const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

export const kindDefinitions: readonly KindDefinition[] = [
  {
    kind: 'ProwJob',
    plural: 'prowjobs',
    singular: 'prowjob',
    shortNames: ['pj'],
    schema: prowJobSchema,
    columns: [
      { name: 'Job', type: 'string', jsonPath: '.spec.job', description: 'Name of the job' },
      { name: 'BuildId', type: 'string', jsonPath: '.status.build_id', description: 'Build id of the latest attempt' },
      { name: 'Type', type: 'string', jsonPath: '.spec.type', description: 'What caused the run' },
      { name: 'Org', type: 'string', jsonPath: '.spec.refs.org', description: 'Owner of the repository under test' },
      { name: 'Repo', type: 'string', jsonPath: '.spec.refs.repo', description: 'Repository under test' },
      { name: 'Pulls', type: 'string', jsonPath: '.spec.refs.pulls[*].number', description: 'Pull requests under test' },
      { name: 'StartTime', type: 'date', jsonPath: '.status.startTime', description: 'When the run was created' },
      { name: 'CompletionTime', type: 'date', jsonPath: '.status.completionTime', description: 'When the run ended' },
      { name: 'State', type: 'string', jsonPath: '.status.state', description: 'Where the run stands' },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason', description: 'Why it ended so', priority: 1 },
      { name: 'Cluster', type: 'string', jsonPath: '.spec.cluster', description: 'Build cluster', priority: 1 },
      { name: 'Description', type: 'string', jsonPath: '.status.description', description: 'The outcome in a sentence', priority: 1 },
    ],
  },
  {
    kind: 'Periodic',
    plural: 'periodics',
    singular: 'periodic',
    shortNames: ['per'],
    schema: periodicSchema,
    columns: [
      { name: 'Cron', type: 'string', jsonPath: '.spec.cron', description: 'Cron expression' },
      { name: 'Interval', type: 'string', jsonPath: '.spec.interval', description: 'Interval from start to start' },
      { name: 'TimeZone', type: 'string', jsonPath: '.spec.timeZone', description: 'Time zone of the cron expression' },
      { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend', description: 'Whether slots are skipped' },
      { name: 'Active', type: 'string', jsonPath: '.status.active[*].name', description: 'Runs that have not ended' },
      { name: 'LastSchedule', type: 'date', jsonPath: '.status.lastScheduleTime', description: 'The latest slot' },
      { name: 'Next', type: 'string', jsonPath: '.status.nextScheduleTimes[0]', description: 'The next slot' },
      ready,
      age,
      {
        name: 'LastSuccess',
        type: 'date',
        jsonPath: '.status.lastSuccessfulTime',
        description: 'End of the latest successful run',
        priority: 1,
      },
      { name: 'Failures', type: 'integer', jsonPath: '.status.consecutiveFailures', description: 'Failures in a row', priority: 1 },
      {
        name: 'MinimumInterval',
        type: 'string',
        jsonPath: '.spec.minimumInterval',
        description: 'Interval from end to start',
        priority: 1,
      },
    ],
  },
  {
    kind: 'PeriodicSet',
    plural: 'periodicsets',
    singular: 'periodicset',
    shortNames: ['pset'],
    schema: periodicSetSchema,
    columns: [
      { name: 'Desired', type: 'integer', jsonPath: '.status.desired', description: 'Periodics the matrix asks for' },
      { name: 'Current', type: 'integer', jsonPath: '.status.current', description: 'Those that are as the template says' },
      { name: 'Suspended', type: 'integer', jsonPath: '.status.suspended', description: 'Those that are suspended', priority: 1 },
      ready,
      age,
    ],
  },
  {
    kind: 'PeriodicBackfill',
    plural: 'periodicbackfills',
    singular: 'periodicbackfill',
    shortNames: ['pbf'],
    schema: periodicBackfillSchema,
    columns: [
      { name: 'Periodic', type: 'string', jsonPath: '.spec.periodic', description: 'Whose slots it runs' },
      { name: 'From', type: 'string', jsonPath: '.spec.from', description: 'First instant' },
      { name: 'To', type: 'string', jsonPath: '.spec.to', description: 'End of the range' },
      { name: 'Started', type: 'integer', jsonPath: '.status.started', description: 'Runs started' },
      { name: 'Succeeded', type: 'integer', jsonPath: '.status.succeeded', description: 'Runs that succeeded' },
      { name: 'Failed', type: 'integer', jsonPath: '.status.failed', description: 'Runs that ended otherwise' },
      { name: 'Remaining', type: 'integer', jsonPath: '.status.remaining', description: 'Slots still to be started' },
      ready,
      age,
    ],
  },
  {
    kind: 'PluginConfig',
    plural: 'pluginconfigs',
    singular: 'pluginconfig',
    shortNames: ['plc'],
    schema: pluginConfigSchema,
    columns: [
      { name: 'Repos', type: 'string', jsonPath: '.spec.repos', description: 'Where the plugins act' },
      ready,
      age,
      { name: 'Plugins', type: 'string', jsonPath: '.spec.plugins', description: 'Plugins that act there', priority: 1 },
    ],
  },
  {
    kind: 'BuildCluster',
    plural: 'buildclusters',
    singular: 'buildcluster',
    shortNames: ['bcl'],
    schema: buildClusterSchema,
    columns: [
      { name: 'Alias', type: 'string', jsonPath: '.spec.alias', description: 'The name that runs use' },
      { name: 'Version', type: 'string', jsonPath: '.status.version', description: 'Kubernetes version' },
      { name: 'Running', type: 'integer', jsonPath: '.status.running', description: 'Runs with a pod there' },
      { name: 'Paused', type: 'boolean', jsonPath: '.spec.paused', description: 'Whether further runs start there' },
      { name: 'Reachable', type: 'string', jsonPath: '.status.conditions[?(@.type=="Reachable")].status' },
      ready,
      { name: 'LastContact', type: 'date', jsonPath: '.status.lastContact', description: 'When it last answered' },
      age,
    ],
  },
];

/** A schema as plain JSON: what TypeBox adds for its own use is left behind. */
export function plainSchema(schema: unknown): unknown {
  if (isArray(schema)) return schema.map(plainSchema);
  if (!isJsonObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => !key.startsWith('~'))
      .map(([key, value]) => [key, plainSchema(value)]),
  );
}

export function customResourceDefinition(definition: KindDefinition): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${definition.plural}.${group}`,
      annotations: {
        'api-approved.kubernetes.io': 'unapproved, this API is not part of the Kubernetes project and keeps the group of upstream Prow',
      },
    },
    spec: {
      group,
      names: {
        kind: definition.kind,
        listKind: `${definition.kind}List`,
        plural: definition.plural,
        singular: definition.singular,
        shortNames: definition.shortNames,
        categories: ['prow'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: plainSchema(definition.schema) as Readonly<Record<string, unknown>> },
          subresources: { status: {} },
          additionalPrinterColumns: definition.columns,
        },
      ],
    },
  };
}

/** All of them, in the order of kindDefinitions. */
export const customResourceDefinitions = (): readonly CustomResourceDefinition[] => kindDefinitions.map(customResourceDefinition);
