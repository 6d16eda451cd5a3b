/**
 * What the default admission plugins of kube-apiserver do to a new pod: its service account must be there, its priority comes from its class,
 * and it leaves a node that is not ready or cannot be reached after five minutes unless it says otherwise.
 */
import type { Storage } from '../storage/storage.ts';
import { forbidden } from './failure.ts';
import { asArray, asObject, asString, field } from './json.ts';
import type { JsonObject } from './json.ts';
import type { ResourceInfo } from './resourceInfo.ts';

const leaves = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const tolerationSeconds = 300;

/** Changes the pod in place. Throws ApiFailure 403 when it names what is not there. */
export function admitPod(info: ResourceInfo, pod: JsonObject, storage: Storage): void {
  const spec = asObject(pod.spec) as JsonObject;
  const name = asString(field(pod.metadata, 'name')) ?? '';
  const namespace = asString(field(pod.metadata, 'namespace')) ?? '';
  const account = asString(spec.serviceAccountName) ?? 'default';
  if (storage.get('serviceaccounts', { namespace, name: account }) === undefined)
    throw forbidden(info, name, `error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`);
  prioritize(info, name, spec, storage);
  const tolerations = asArray(spec.tolerations);
  const added = leaves
    .filter((key) => !tolerations.some((toleration) => toleratesExit(toleration, key)))
    .map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
  if (added.length > 0) spec.tolerations = [...tolerations, ...added];
}

function toleratesExit(toleration: unknown, key: string): boolean {
  const { key: own = '', effect = '' } = asObject(toleration);
  return (own === key || own === '') && (effect === 'NoExecute' || effect === '');
}

const systemClasses = new Map([
  ['system-cluster-critical', 2_000_000_000],
  ['system-node-critical', 2_000_001_000],
]);

function prioritize(info: ResourceInfo, name: string, spec: JsonObject, storage: Storage): void {
  const className = asString(spec.priorityClassName) ?? '';
  const known = storage.get('priorityclasses', { namespace: '', name: className });
  if (className !== '' && known === undefined && !systemClasses.has(className))
    throw forbidden(info, name, `no PriorityClass with name ${className} was found`);
  const fallback = storage.list('priorityclasses').find((one) => one.globalDefault === true);
  const chosen = className === '' ? fallback : known;
  if (className === '' && fallback !== undefined) spec.priorityClassName = fallback.metadata.name;
  spec.priority = chosen?.value ?? systemClasses.get(className) ?? 0;
  spec.preemptionPolicy ??= chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
}
