/**
 * The fields of built-in kinds, as deep as users misspell them. What is not listed here is unknown and dropped, with a warning or a
 * refusal as the client asked; below a listed field that has no list of its own everything is taken as it is.
 */
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';

interface Known {
  readonly names: ReadonlySet<string>;
  readonly below: ReadonlyMap<string, Known>;
}

const known = (names: string, below: Readonly<Record<string, Known>> = {}): Known => ({
  names: new Set([...names.split(' '), ...Object.keys(below)]),
  below: new Map(Object.entries(below)),
});

const ownerReference = known('apiVersion kind name uid controller blockOwnerDeletion');
const metadata = known(
  'name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations finalizers managedFields',
  { ownerReferences: ownerReference },
);

const env = known('name value', { valueFrom: known('fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef') });
const container = known(
  'name image command args workingDir envFrom resources resizePolicy restartPolicy restartPolicyRules volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty targetContainerName',
  {
    env,
    ports: known('name hostPort containerPort protocol hostIP'),
    volumeMounts: known('name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr'),
  },
);
const volume = known(
  'name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo nfs iscsi glusterfs persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile vsphereVolume quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral image',
  { secret: known('secretName items defaultMode optional'), configMap: known('name items defaultMode optional') },
);
const podSpec = known(
  'restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride workloadRef',
  { containers: container, initContainers: container, ephemeralContainers: container, volumes: volume },
);

const spec = known('spec status');
const role = known('rules aggregationRule');
const binding = known('subjects roleRef');
const kinds = new Map<string, Known>([
  ['Pod', known('status', { spec: podSpec })],
  ['ConfigMap', known('data binaryData immutable')],
  ['Secret', known('data stringData type immutable')],
  ['ServiceAccount', known('secrets imagePullSecrets automountServiceAccountToken')],
  [
    'Lease',
    known('', { spec: known('holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy preferredHolder') }),
  ],
  ['Namespace', known('status', { spec: known('finalizers') })],
  ['Node', spec],
  ['Service', spec],
  ['Endpoints', known('subsets')],
  ['Role', role],
  ['ClusterRole', role],
  ['RoleBinding', binding],
  ['ClusterRoleBinding', binding],
  ['PriorityClass', known('value globalDefault description preemptionPolicy')],
  [
    'Event',
    known(
      'eventTime series action related type reason reportingController reportingInstance reportingComponent regarding note deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp deprecatedCount involvedObject message source firstTimestamp lastTimestamp count',
    ),
  ],
]);

/** Removes unknown fields from a private copy and returns their paths. Custom resources have a schema; here only their metadata is checked. */
export function dropUnknownFields(kind: string, isCustom: boolean, object: JsonObject): readonly string[] {
  const paths: string[] = [];
  if (isObject(object.metadata)) drop(object.metadata, metadata, 'metadata', paths);
  const fields = isCustom ? undefined : kinds.get(kind);
  if (fields !== undefined) drop(object, { ...fields, names: new Set([...fields.names, 'apiVersion', 'kind', 'metadata']) }, '', paths);
  return paths;
}

function drop(value: JsonObject, fields: Known, path: string, paths: string[]): void {
  for (const key of Object.keys(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (!fields.names.has(key)) {
      paths.push(at);
      Reflect.deleteProperty(value, key);
      continue;
    }
    const below = fields.below.get(key);
    const inner = value[key];
    if (below === undefined) continue;
    if (Array.isArray(inner)) inner.forEach((item, i) => isObject(item) && drop(item, below, `${at}[${i}]`, paths));
    else if (isObject(inner)) drop(inner, below, at, paths);
  }
}
