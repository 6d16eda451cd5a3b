/** Facts of a pod as its own containers may ask for them: fieldRef and resourceFieldRef of the downward API. */
import { availableParallelism, totalmem } from 'node:os';
import type { Pod } from '../../operator/kube/builtin.ts';
import { NotReadyError, resourcesOf } from './podApi.ts';
import type { ResourceFieldRef } from './podApi.ts';

const subscript = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

/** The value of a fieldRef path; a whole map of labels prints as `key="value"` lines, for files. Throws for a path nobody serves. */
export function fieldValue(pod: Pod, fieldPath: string, podIP: string): string {
  const match = subscript.exec(fieldPath);
  if (match !== null) return pod.metadata[match[1] as 'labels' | 'annotations']?.[match[2] ?? ''] ?? '';
  const read = fields.get(fieldPath);
  if (read === undefined) throw new NotReadyError(`unsupported fieldPath: ${fieldPath}`);
  return read(pod, podIP);
}

const lines = (map: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(map ?? {})
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort()
    .join('\n');

const ip = (_pod: Pod, podIP: string): string => podIP;

const fields: ReadonlyMap<string, (pod: Pod, podIP: string) => string> = new Map([
  ['metadata.name', (pod) => pod.metadata.name],
  ['metadata.namespace', (pod) => pod.metadata.namespace ?? ''],
  ['metadata.uid', (pod) => pod.metadata.uid ?? ''],
  ['metadata.labels', (pod) => lines(pod.metadata.labels)],
  ['metadata.annotations', (pod) => lines(pod.metadata.annotations)],
  ['spec.nodeName', (pod) => pod.spec.nodeName ?? ''],
  ['spec.serviceAccountName', (pod) => pod.spec.serviceAccountName ?? 'default'],
  ['status.hostIP', ip],
  ['status.hostIPs', ip],
  ['status.podIP', ip],
  ['status.podIPs', ip],
]);

/** A container's limit or request divided by the divisor and rounded up; the machine's own size where none is set. */
export function resourceValue(pod: Pod, containerName: string, ref: ResourceFieldRef): string {
  const name = ref.containerName ?? containerName;
  const container = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((candidate) => candidate.name === name);
  if (container === undefined) throw new NotReadyError(`container ${name} not found`);
  const [list, resource] = ref.resource.split('.', 2);
  const { limits, requests } = resourcesOf(container);
  const set = (list === 'requests' ? requests : limits)?.[resource ?? ''];
  const value = set === undefined ? machineHas(resource ?? '', list === 'requests') : quantity(set);
  const divisor = ref.divisor === undefined || ref.divisor === '0' ? 1 : quantity(ref.divisor);
  return String(Math.ceil(value / divisor - 1e-9));
}

function machineHas(resource: string, isRequest: boolean): number {
  if (isRequest) return 0;
  return resource === 'cpu' ? availableParallelism() : resource === 'memory' ? totalmem() : 0;
}

const suffixes: ReadonlyMap<string, number> = new Map([
  ...['', 'k', 'M', 'G', 'T', 'P', 'E'].map((suffix, power) => [suffix, 1000 ** power] as const),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, power) => [suffix, 1024 ** (power + 1)] as const),
  ['m', 1e-3],
  ['u', 1e-6],
  ['n', 1e-9],
]);

/** A Kubernetes quantity as a number: `500m` is 0.5, `1Ki` is 1024. */
export function quantity(text: string | number): number {
  const match = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)$/.exec(String(text));
  const factor = suffixes.get(match?.[2] ?? '');
  if (match === null || factor === undefined) throw new NotReadyError(`cannot read the quantity ${JSON.stringify(text)}`);
  return Number(match[1]) * factor;
}
