/**
 * Fields of a pod that hold a number or a truth value. The schema of a Periodic leaves pods open, so a placeholder below pod_spec would
 * otherwise always stay text, which the API server of the build cluster refuses for these fields.
 */

/** What a field holds, as far as a placeholder has to know. */
export type WantedType = 'string' | 'integer' | 'number' | 'boolean' | 'integer or string';

const integers = new Set([
  'activeDeadlineSeconds',
  'containerPort',
  'defaultMode',
  'expirationSeconds',
  'failureThreshold',
  'fsGroup',
  'hostPort',
  'initialDelaySeconds',
  'maxSkew',
  'minDomains',
  'mode',
  'periodSeconds',
  'priority',
  'runAsGroup',
  'runAsUser',
  'successThreshold',
  'terminationGracePeriodSeconds',
  'timeoutSeconds',
  'tolerationSeconds',
  'weight',
]);
const booleans = new Set([
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'enableServiceLinks',
  'hostIPC',
  'hostNetwork',
  'hostPID',
  'hostUsers',
  'optional',
  'privileged',
  'readOnly',
  'readOnlyRootFilesystem',
  'runAsNonRoot',
  'setHostnameAsFQDN',
  'shareProcessNamespace',
  'stdin',
  'stdinOnce',
  'tty',
]);
/** Maps whose keys are the user's own words, and whose values are text. */
const maps = new Set(['annotations', 'labels', 'limits', 'matchLabels', 'nodeSelector', 'options', 'requests', 'volumeAttributes']);

/** `parent` is the field that the object stands in. */
export function podFieldType(parent: string, field: string): WantedType {
  if (maps.has(parent)) return 'string';
  if (integers.has(field)) return 'integer';
  return booleans.has(field) ? 'boolean' : 'string';
}
