/**
 * Puts objects under an API server by writing them where it stores them. A hundred times faster than asking it to create each, and the server
 * sees them by its own watch of etcd, as if another server had written them. For measuring only: nothing checks what is written.
 */
import { request } from 'undici';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';

/** etcd takes 128 operations in one transaction, and 1.5 MB in one request. */
const batchSize = 100;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const keyOf = ({ group, plural }: ResourceType, { metadata }: KubeObject): string =>
  `/registry/${group === '' ? '' : `${group}/`}${plural}/${metadata.namespace ?? ''}/${metadata.name}`;

/** Writes all of them, in order. `etcdUrl` is a client URL without TLS. Throws when etcd refuses. */
export async function putObjects(etcdUrl: string, type: ResourceType, objects: Iterable<KubeObject>): Promise<number> {
  let count = 0;
  let batch: KubeObject[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const success = batch.map((object) => ({ requestPut: { key: base64(keyOf(type, object)), value: base64(JSON.stringify(object)) } }));
    const { statusCode, body } = await request(`${etcdUrl}/v3/kv/txn`, { method: 'POST', body: JSON.stringify({ success }) });
    const answer = await body.text();
    if (statusCode !== 200) throw new Error(`etcd refused ${batch.length} ${type.plural}: ${statusCode} ${answer.slice(0, 300)}`);
    count += batch.length;
    batch = [];
  };
  for (const object of objects) {
    batch.push(object);
    if (batch.length === batchSize) await flush();
  }
  await flush();
  return count;
}
