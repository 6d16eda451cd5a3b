/**
 * Every value of the Helm chart: its type, its default and what it means. values.yaml, values.schema.json and the table in the chart's
 * README are written from here (tools/chart.ts), so they cannot differ.
 */
import { Type, type TSchema } from 'typebox';
import { settingsFileSchema } from '../operator/config/settings.ts';

type Properties = Parameters<typeof Type.Object>[0];

const text = (description: string, fallback = '', more: Readonly<Record<string, unknown>> = {}): TSchema =>
  Type.Optional(Type.String({ description, default: fallback, ...more }));
const flag = (description: string, fallback: boolean): TSchema => Type.Optional(Type.Boolean({ description, default: fallback }));
const count = (description: string, fallback: number, minimum = 0, maximum = 2_147_483_647): TSchema =>
  Type.Optional(Type.Integer({ description, default: fallback, minimum, maximum }));
const oneOf = (values: readonly string[], description: string, fallback: string): TSchema =>
  Type.Optional(Type.Unsafe<string>({ type: 'string', enum: [...values], description, default: fallback }));
const group = (description: string, properties: Properties): TSchema =>
  Type.Optional(Type.Object(properties, { description, additionalProperties: false }));

/** A part of the Kubernetes API that is handed on as it is; the API server checks it. */
const kubernetes = (description: string, fallback: Readonly<Record<string, unknown>> = {}): TSchema =>
  Type.Optional(Type.Unsafe<object>({ type: 'object', description, default: fallback, additionalProperties: true }));
const kubernetesList = (description: string): TSchema =>
  Type.Optional(Type.Array(Type.Unsafe<object>({ type: 'object', additionalProperties: true }), { description, default: [] }));
const textMap = (description: string, fallback: Readonly<Record<string, string>> = {}): TSchema =>
  Type.Optional(Type.Unsafe<object>({ type: 'object', description, default: fallback, additionalProperties: { type: 'string' } }));
const texts = (description: string, fallback: readonly string[] = []): TSchema =>
  Type.Optional(Type.Array(Type.String(), { description, default: [...fallback] }));

const namePattern = '^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$';
const objectName = (description: string): TSchema => text(description, '', { pattern: namePattern, maxLength: 63 });
/** Prometheus durations. */
const interval = (description: string): TSchema => text(description, '', { pattern: '^(([0-9]+(ms|[smhdwy]))+)?$' });

const registrySecrets = (description: string): TSchema =>
  Type.Optional(
    Type.Array(Type.Object({ name: Type.String({ minLength: 1 }) }, { additionalProperties: false }), { description, default: [] }),
  );

const probe = (what: string, fallback: Readonly<Record<string, number>>): TSchema =>
  group(what, {
    enabled: flag('Off: the probe is left out.', true),
    initialDelaySeconds: count('Seconds before the first look.', 0),
    periodSeconds: count('Seconds between two looks.', fallback.periodSeconds ?? 10, 1),
    timeoutSeconds: count('Seconds until a look counts as failed.', fallback.timeoutSeconds ?? 5, 1),
    failureThreshold: count('Failed looks in a row until Kubernetes acts.', fallback.failureThreshold ?? 3, 1),
  });

const monitor = (kind: string): TSchema =>
  group(`A ${kind} for the Prometheus operator. One kind of monitor is enough: with both every series comes twice.`, {
    enabled: flag(`Install it. Needs the CRD ${kind}.`, false),
    namespace: objectName("Its namespace. Empty: the release's."),
    labels: textMap('Labels by which Prometheus selects it.'),
    annotations: textMap('Its annotations.'),
    interval: interval("Time between two scrapes. Empty: Prometheus's own."),
    scrapeTimeout: interval("Time a scrape may take. Empty: Prometheus's own."),
    honorLabels: flag('Labels of the metrics win over those of the target.', false),
    relabelings: kubernetesList('Relabelings of the target.'),
    metricRelabelings: kubernetesList('Relabelings of the metrics.'),
    tlsConfig: kubernetes('TLS settings, if something in front of the port speaks TLS.'),
    sampleLimit: count('Most samples of one scrape. 0 means no limit.', 0),
  });

const container = {
  command: texts("Replaces the image's entrypoint."),
  extraArgs: texts('Added to the arguments of `run`.'),
  extraEnv: kubernetesList('More environment variables. Strings in them are templates.'),
  extraEnvFrom: kubernetesList('More sources of environment variables.'),
  extraVolumes: kubernetesList('More volumes.'),
  extraVolumeMounts: kubernetesList("More mounts of the operator's container."),
  extraContainers: kubernetesList('More containers. Strings in them are templates.'),
  initContainers: kubernetesList('Containers that run before. Strings in them are templates.'),
  lifecycle: kubernetes('Hooks of the container.'),
  resources: kubernetes("Requests and limits. The limit of memory also sets Node's heap, see heapPercent.", {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { cpu: '2', memory: '512Mi' },
  }),
  heapPercent: count('Share of the memory limit that the JavaScript heap may take. 0: Node decides.', 75, 0, 95),
  nodeOptions: text('More options for Node (NODE_OPTIONS), after the heap size.'),
  securityContext: kubernetes('Security context of the container. The default fulfils the Pod Security level restricted.', {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }),
  spoolSizeLimit: text('Disk for logs on their way, where settings.archive names a location. More than its maxSpoolMegabytes.', '10Gi', {
    pattern: '^[0-9]+([KMGT]i?)?$',
  }),
  tmpSizeLimit: text('Size of the only writable directory, /tmp.', '64Mi', { pattern: '^[0-9]+([KMGT]i?)?$' }),
  probes: group("Kubernetes' looks at the operator.", {
    startup: probe('Has it begun to answer?', { periodSeconds: 2, failureThreshold: 60 }),
    readiness: probe('Are its caches filled?', { periodSeconds: 5 }),
    liveness: probe('Does its event loop turn?', { periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 }),
  }),
};

const pod = {
  podLabels: textMap('More labels of the pods.'),
  podAnnotations: textMap('More annotations of the pods.'),
  podSecurityContext: kubernetes('Security context of the pod. No user id is set: the image brings its own, and OpenShift chooses one.', {
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  }),
  terminationGracePeriodSeconds: count('Time for the ordered stop.', 30),
  nodeSelector: textMap('Labels that the node must have.', { 'kubernetes.io/os': 'linux' }),
  tolerations: kubernetesList('Taints of nodes that do not matter.'),
  affinity: kubernetes('Where pods should and should not go.'),
  topologySpreadConstraints: kubernetesList('How replicas are spread. Empty: over nodes and zones, where possible.'),
  priorityClassName: text('Priority of the pods. The class must exist.'),
  runtimeClassName: text('How the container is run.'),
  schedulerName: text('Who chooses the node.'),
  hostAliases: kubernetesList('More lines of /etc/hosts.'),
  dnsPolicy: text('How names are resolved.'),
  dnsConfig: kubernetes('More settings of name resolution.'),
  enableServiceLinks: flag('Environment variables for every Service of the namespace.', false),
};

const workload = {
  replicaCount: count('Number of replicas. One works, the others take over.', 2, 0, 100),
  deploymentLabels: textMap('More labels of the Deployment.'),
  deploymentAnnotations: textMap('More annotations of the Deployment.'),
  updateStrategy: kubernetes('How a new version replaces the old. Two leaders cannot be: the lease is released first.', {
    type: 'RollingUpdate',
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
  }),
  minReadySeconds: count('Seconds that a new replica must be ready before the next.', 0),
  revisionHistoryLimit: count('Old versions kept for rollback.', 3),
  podDisruptionBudget: group('Keeps a replica while nodes are drained. Only with more than one replica.', {
    enabled: flag('Install it.', true),
    maxUnavailable: Type.Optional(
      Type.Unsafe<string | number>({
        type: ['integer', 'string'],
        pattern: '^([0-9]{1,2}|100)%$',
        minimum: 0,
        default: 1,
        description: 'Replicas that may be missing: a number, or a percentage.',
      }),
    ),
    unhealthyPodEvictionPolicy: oneOf(['AlwaysAllow', 'IfHealthyBudget'], 'Whether a broken replica may be evicted.', 'AlwaysAllow'),
  }),
};

const crds = group('The kinds of prow.k8s.io.', {
  install: flag('Install and upgrade them with this release. Off: somebody else does, for instance the chart prow-operator-crds.', true),
  keep: flag('They and all their objects stay when the release is uninstalled.', true),
  labels: textMap('More labels.'),
  annotations: textMap('More annotations.', { 'argocd.argoproj.io/sync-wave': '-1' }),
});

const access = {
  rbac: group('What the operator may do.', {
    create: flag('Install the roles and their bindings.', true),
    aggregate: flag('ClusterRoles that give the kinds to whoever has view, edit and admin. Not with watchNamespace.', true),
    extraRules: kubernetesList('More rules for the operator.'),
  }),
  buildClusters: group('Other clusters where runs can go: BuildCluster objects.', {
    enabled: flag('Let the operator read the Secrets that BuildClusters name. Without it they say SecretForbidden.', false),
    secretNames: texts('Only Secrets of these names. Empty: every Secret of the namespaces that the operator watches.'),
  }),
  serviceAccount: group('Who the operator is.', {
    create: flag('Install it.', true),
    name: text('Its name. Empty: that of the release, or default when it is not created.'),
    labels: textMap('Its labels.'),
    annotations: textMap('Its annotations, such as those of workload identity.'),
    automount: flag('Mount its token. Off: bring one by extraVolumes.', true),
  }),
};

const metrics = group('Prometheus.', {
  service: group('The Service in front of the metrics port.', {
    enabled: flag('Install it.', true),
    port: count('Its port.', 8080, 1, 65_535),
    labels: textMap('Its labels.'),
    annotations: textMap('Its annotations.'),
    ipFamilyPolicy: text('SingleStack, PreferDualStack or RequireDualStack. Empty: the default of the cluster.', '', {
      enum: ['', 'SingleStack', 'PreferDualStack', 'RequireDualStack'],
    }),
  }),
  serviceMonitor: monitor('ServiceMonitor'),
  podMonitor: monitor('PodMonitor'),
  prometheusRule: group('Alerts and recording rules, as a PrometheusRule.', {
    enabled: flag('Install it. Needs the CRD PrometheusRule.', false),
    namespace: objectName("Its namespace. Empty: the release's."),
    labels: textMap('Labels by which Prometheus selects it.'),
    annotations: textMap('Its annotations.'),
    runbookBaseUrl: text('Where the runbooks are published. Empty: their paths in the source tree.'),
    disabled: texts('Names of alerts that are left out.'),
    alertLabels: textMap('Labels that every alert gets.'),
    alerts: Type.Optional(
      Type.Unsafe<object>({
        type: 'object',
        description: 'Changes to single alerts, by name: `for`, `expr`, `severity`.',
        default: {},
        additionalProperties: {
          type: 'object',
          additionalProperties: false,
          properties: { for: { type: 'string' }, expr: { type: 'string' }, severity: { type: 'string' } },
        },
      }),
    ),
    extraGroups: kubernetesList('More groups of rules.'),
  }),
  dashboards: group('Grafana dashboards, as ConfigMaps for its sidecar.', {
    enabled: flag('Install them.', false),
    namespace: objectName("Their namespace. Empty: the release's."),
    labels: textMap('Labels by which the sidecar selects them.', { grafana_dashboard: '1' }),
    annotations: textMap('Their annotations, such as the folder.'),
  }),
});

const networkPolicy = group('What may reach the operator, and what it may reach.', {
  enabled: flag('Install it.', false),
  ingressFrom: kubernetesList('Who may read metrics: peers as in a NetworkPolicy. Empty: everybody in the cluster.'),
  apiServer: group('Where the API server is.', {
    cidrs: texts('Its addresses. Empty: any address on the ports below.'),
    ports: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
        description: 'Its ports, as pods see them and as they are behind the Service.',
        default: [443, 6443],
      }),
    ),
  }),
  dns: flag('Allow name resolution.', true),
  extraIngress: kubernetesList('More rules for what comes in.'),
  extraEgress: kubernetesList('More rules for what goes out.'),
});

const list = (description: string): Readonly<Record<string, unknown>> => ({ type: 'array', items: { type: 'string' }, description });
const bool = (description: string): Readonly<Record<string, unknown>> => ({ type: 'boolean', description });

const profile = {
  type: 'object',
  additionalProperties: false,
  properties: {
    privileged: bool('Privileged containers, host processes and an unmasked /proc.'),
    hostNamespaces: bool("The node's network, processes and IPC."),
    hostPorts: bool('Ports of the node.'),
    hostPaths: list('Directories of the node that may be mounted, with everything below them.'),
    capabilities: list('Capabilities that containers may add. "*" means all.'),
    serviceAccounts: list('Service accounts that pods may run as. "*" means all.'),
    secrets: list('Secrets that may be mounted or read into variables. "*" means all.'),
  },
};

const admissionPolicy = group(
  "What tenants' jobs may ask of their pods: ValidatingAdmissionPolicies on runs, schedules and the pods of runs.",
  {
    enabled: flag('Install them.', false),
    validationActions: Type.Optional(
      Type.Array(Type.Unsafe<string>({ type: 'string', enum: ['Deny', 'Warn', 'Audit'] }), {
        description: 'What happens to an offender.',
        default: ['Deny'],
        minItems: 1,
      }),
    ),
    failurePolicy: oneOf(['Fail', 'Ignore'], 'What happens to an object that the rules cannot judge.', 'Fail'),
    profileLabel: text('The label of a namespace that names its profile.', 'prow.k8s.io/pod-profile', { minLength: 1 }),
    profiles: Type.Optional(
      Type.Unsafe<object>({
        type: 'object',
        description:
          'Profiles by name. A namespace without the label, or with an unknown one, has the profile `default`. What a profile does not mention is not allowed.',
        additionalProperties: profile,
        propertyNames: { pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' },
        default: {
          default: {
            capabilities: [
              ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE'],
              ...['SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
            ],
            serviceAccounts: ['default'],
          },
        },
      }),
    ),
  },
);

const test = group('The pod of `helm test`.', {
  enabled: flag('Install it when `helm test` is called.', true),
  namespace: objectName("Where its Periodic and its ProwJob are made. Empty: watchNamespace, or the release's namespace."),
  timeout: text('How long both runs may take together.', '3m', { pattern: '^([0-9]+(s|m|h))+$' }),
  job: group('The container of the two runs.', {
    image: text("Its image. Empty: the operator's own, which prints its version."),
    command: texts('Its command.'),
    args: texts('Its arguments.', ['--version']),
    log: text("What must be in its log. Empty: the operator's version."),
    securityContext: kubernetes('Its security context.', {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    }),
  }),
  resources: kubernetes('Requests and limits of the pod and of the two runs.', {
    requests: { cpu: '50m', memory: '64Mi' },
    limits: { cpu: '1', memory: '256Mi' },
  }),
});

const argocd = group('Argo CD.', {
  healthChecks: group('Health checks and actions for the kinds, as a ConfigMap to be merged into argocd-cm.', {
    enabled: flag('Install it.', false),
    namespace: objectName("Its namespace. Empty: the release's."),
    labels: textMap('Its labels.'),
  }),
});

/** The chart's values. */
export const chartValuesSchema = Type.Object(
  {
    nameOverride: objectName("Replaces the chart's name in labels and names."),
    fullnameOverride: objectName('Replaces the name of everything this release installs.'),
    commonLabels: textMap('Labels of everything but the CRDs, which have their own.'),
    commonAnnotations: textMap('Annotations of everything but the CRDs, which have their own.'),
    global: Type.Optional(
      Type.Object(
        {
          imageRegistry: text('Replaces the registry of every image.'),
          imagePullSecrets: registrySecrets('Secrets for pulling images, before imagePullSecrets.'),
        },
        { description: 'Shared with the charts that contain this one. May hold what they need.', additionalProperties: true },
      ),
    ),
    image: group("The operator's image.", {
      registry: text('Its registry. Empty: that of the container runtime.'),
      repository: text('Its name.', 'prow-operator', { minLength: 1 }),
      tag: text("Its tag. Empty: the chart's appVersion.", '', {
        not: { const: 'latest' },
        pattern: '^([A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?$',
      }),
      digest: text('Its digest. Wins over the tag.', '', { pattern: '^(sha256:[0-9a-f]{64})?$' }),
      pullPolicy: oneOf(['Always', 'IfNotPresent', 'Never'], 'When it is pulled.', 'IfNotPresent'),
    }),
    imagePullSecrets: registrySecrets('Existing Secrets for pulling the image.'),
    watchNamespace: objectName('Watch and serve only this namespace, with Roles there and no ClusterRole. Empty: all namespaces.'),
    settings: Type.Optional(
      Type.Unsafe<object>({
        ...settingsSchema(),
        description:
          "The operator's settings file: docs/reference/settings.md. A change is taken up while it runs; pods are replaced only when a field changed that is read at the start. The chart fills in leaderElection.name, leaderElection.namespace and server.host.",
        default: {},
      }),
    ),
    ...workload,
    ...container,
    ...pod,
    crds,
    ...access,
    metrics,
    networkPolicy,
    admissionPolicy,
    test,
    argocd,
    extraObjects: Type.Optional(
      Type.Array(Type.Unsafe<object | string>({ type: ['object', 'string'] }), {
        description: 'More objects to install, as maps or as text. Both are templates.',
        default: [],
      }),
    ),
  },
  { additionalProperties: false },
);

/** The settings file's schema in words that every JSON Schema reader knows: Go durations become a pattern. */
function settingsSchema(): Readonly<Record<string, unknown>> {
  const withoutFormats = (_key: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== 'go-duration') return value;
    const { format: _format, ...rest } = value;
    return { ...rest, pattern: '^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$' };
  };
  return JSON.parse(JSON.stringify(settingsFileSchema, withoutFormats)) as Readonly<Record<string, unknown>>;
}
